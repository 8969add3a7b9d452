"""From a score and its flags to a severity, by the policy of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentinel_cli.engine import severity
from sentinel_cli.engine.severity import Severity
from sentinel_cli.errors import ScorecardError

POLICY = severity.load(Path(__file__).parents[1] / "policy.toml")
TEXT = """\
[scores]
MEDIUM = 0.5
HIGH = 0.7
CRITICAL = 0.9

[[raise]]
flags = ["is_impossible_travel", "is_new_device"]
to = "HIGH"

[actions]
case = "HIGH"
block = "CRITICAL"
block_hours = 24
"""


@pytest.mark.parametrize(
    ("score", "expected"),
    [(0.0, "LOW"), (0.7999, "LOW"), (0.8, "MEDIUM"), (0.9, "HIGH"), (0.97, "CRITICAL"), (1.0, "CRITICAL")],
)
def test_a_score_alone(score: float, expected: str) -> None:
    assert POLICY.severity(score, {}) is Severity[expected]


def test_flags_raise_only_together_and_never_lower() -> None:
    both = {"is_card_testing": True, "is_rapid_fire": True}
    assert POLICY.severity(0.7, {"is_card_testing": True}) is Severity.LOW
    assert POLICY.severity(0.7, both | {"is_rapid_fire": False}) is Severity.LOW
    assert POLICY.severity(0.7, both) is Severity.HIGH
    assert POLICY.severity(0.99, both) is Severity.CRITICAL


def test_the_most_severe_rule_wins() -> None:
    flags = dict.fromkeys(("is_impossible_travel", "is_new_device", "is_high_amount"), True)
    assert POLICY.severity(0.7, flags) is Severity.CRITICAL


def test_a_value_that_is_true_in_part_is_no_flag() -> None:
    assert POLICY.severity(0.7, {"is_card_testing": 1, "is_rapid_fire": 5.0}) is Severity.LOW


def test_severities_compare() -> None:
    assert Severity.LOW < Severity.MEDIUM < Severity.HIGH < Severity.CRITICAL


WRONG = {
    "descending": ("HIGH = 0.7", "HIGH = 0.95", 1, "scores: MEDIUM, HIGH and CRITICAL must not descend"),
    "no share": ("HIGH = 0.7", "HIGH = 7", 3, "scores.HIGH: Expected `float` <= 1.0"),
    "no flag": ('"is_new_device"', '"is_new_devise"', 7, r"raise\[0\].flags: 'is_new_devise' is no flag"),
    "no severity": ('to = "HIGH"', 'to = "WORST"', 8, r"raise\[0\].to: Invalid enum value 'WORST'"),
    "unknown key": ("block_hours = 24", "block_days = 1", 13, "actions.block_days: there is no such key"),
    "missing key": ("block_hours = 24\n", "", 10, "actions: the key block_hours is missing"),
    "not finite": ("block_hours = 24", "block_hours = inf", 13, "actions.block_hours: nan and inf"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named_with_its_line(case: str, tmp_path: Path) -> None:
    old, new, line, reason = WRONG[case]
    path = tmp_path / "policy.toml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ScorecardError, match=f"policy.toml, line {line}: {reason}"):
        severity.load(path)


def test_a_policy_needs_no_rules(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(
        TEXT.replace(TEXT[TEXT.index("[[raise]]") : TEXT.index("[actions]")], ""), encoding="utf-8"
    )
    assert severity.load(path).severity(0.6, {"is_new_device": True}) is Severity.MEDIUM
