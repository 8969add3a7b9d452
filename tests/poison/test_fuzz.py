"""The fuzzer itself: it finds nothing where nothing is wrong, and what is wrong with what it takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from sentinel_cli.engine import strings
from sentinel_cli.streaming import codec
from sentinel_cli.streaming.codec import Decoder
from tests.poison import fuzz


def test_nothing_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["30000", "--seed", "5"]) == 0
    found = re.search(r"30,000 records of seed 5, ([\d,]+) of them good", capsys.readouterr().out)
    assert found
    assert 9_000 < int(found[1].replace(",", "")) < 21_000


def test_a_seed_makes_the_same_records_again() -> None:
    assert fuzz.Mutator(3).batch(8, 500) == fuzz.Mutator(3).batch(8, 500)
    assert fuzz.Mutator(3).batch(8, 500) != fuzz.Mutator(3).batch(9, 500)


def nothing_is_unsound(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Decoder, "_unsound", lambda *_: {})


def any_time_will_do(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(codec, "_out_of_time", lambda *_: {})


def controls_are_let_through(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(codec, "_unfit", lambda _: {})


def zones_are_ignored(patch: pytest.MonkeyPatch) -> None:
    original = strings._slow_time
    patch.setattr(strings, "_slow_time", lambda text: original(text[:19]))


def one_bad_record_spoils_its_batch(patch: pytest.MonkeyPatch) -> None:
    original = Decoder._parsed

    def parsed(self: Decoder, values: list[bytes | None]) -> Any:
        if None in values:
            raise TypeError("None in the batch")
        return original(self, values)

    patch.setattr(Decoder, "_parsed", parsed)


@pytest.mark.parametrize(
    "bug",
    [
        nothing_is_unsound,
        any_time_will_do,
        controls_are_let_through,
        zones_are_ignored,
        one_bad_record_spoils_its_batch,
    ],
)
def test_a_bug_is_found_and_shown(
    bug: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bug(monkeypatch)
    assert fuzz.main(["60000", "--seed", "5"]) == 1
    shown = re.search(r"values = (\[.*\])$", capsys.readouterr().out, re.MULTILINE)
    assert shown
    assert len(eval(shown[1])) == 1  # noqa: S307 - it is our own output
