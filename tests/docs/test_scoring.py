"""What docs/scoring.md says is what the engine does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from profiles import layout
from sentinel_cli.engine import scorecard, severity
from sentinel_cli.engine.features import INDEX, NAMES

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "scoring.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


def test_the_table_is_the_engines() -> None:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "reference" / "generate.py")
    assert spec
    assert spec.loader
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert generate.scoring() == TEXT, "run `make reference`"
    assert set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)) == set(NAMES)


def test_the_factor_is_one() -> None:
    factor = EXAMPLES[0]
    card = scorecard.parse(f"{scorecard.load().text}\n{factor}", "example")
    assert card.factors[-1].feature in INDEX
    assert scorecard.reason_of(card.factors[-1], 5.2) == "5.2 times this user's average"


def test_the_policy_is_one(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(EXAMPLES[1], encoding="utf-8")
    assert severity.load(path).actions == severity.load().actions
    assert severity.load(path).scores == severity.load().scores


def test_the_numbers_are_the_layouts() -> None:
    windows = ("MINUTE", "FIVE_MINUTES", "HOUR", "DAY")
    steps = [(getattr(layout, f"{w}_STEPS"), getattr(layout, f"{w}_STEP_S")) for w in windows]
    flat = " ".join(TEXT.split())
    assert steps == [(6, 10), (5, 60), (6, 600), (12, 7_200)]
    assert "in 6 steps of 10 s, five minutes in 5 of 60 s, the hour in 6 of 600 s, the day in 12 of" in flat
    known = (layout.DEVICES, layout.COUNTRIES, layout.CATEGORIES)
    assert f"the {known[0]} devices, {known[1]} countries and {known[2]} merchant categories" in flat
    assert f"one of the user's last {layout.RECENT}" in flat
