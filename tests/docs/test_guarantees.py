"""Each promise of docs/guarantees.md names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.simulation.mutations import MUTATIONS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/guarantees.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", TEXT)))


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_the_test_that_holds_a_promise_exists(file: str, test: str) -> None:
    source = (ROOT / file).read_text(encoding="utf-8")
    assert not test or f"def {test}(" in source


def test_every_promise_is_held_by_something() -> None:
    rows = [line for line in TEXT.splitlines() if re.match(r"\| \d+ \|", line)]
    assert len(rows) == len(re.findall(r"^\| \d+ \| .+ \| .*(?:tests/|\.md).* \|$", TEXT, re.MULTILINE)) > 12


@pytest.mark.parametrize("what", [mutation.what for mutation in MUTATIONS])
def test_every_bug_that_the_simulation_is_given_is_listed(what: str) -> None:
    assert re.search(rf"^\|.*\| {re.escape(what)} \| \d+ \|$", TEXT, re.MULTILINE)
