"""A scorecard is read or refused: with the file, the line, the key and what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_cli.engine import scorecard, toml_lines
from sentinel_cli.engine.features import NAMES
from sentinel_cli.errors import ScorecardError

SHARES = ", ".join(["0.04"] * 12) + ",\n    " + ", ".join(["0.05"] * 12)
TEXT = f"""\
# A scorecard of two factors.
name = "small"
bias = -5
small_amount = 5.0

[population]
amount_mean = 135.0
log_amount_mean = 4.364
log_amount_sd = 0.954
transactions_per_day = 2.0
weight = 5.0
hour_shares = [
    {SHARES},
]

[[factor]]
feature = "amount"
cuts = [500, 1000]
points = [
    0.0,  # little
    0.3,
    0.9,
]

[[factor]]  # a new device
feature = "new_device"
cuts = [1]
points = [0.0, 1.6]
missing = 0.1
reason = "device never seen, {{value:.0f}}"
"""


def test_the_small_one_is_read() -> None:
    card = scorecard.parse(TEXT, "small.toml")
    assert (card.name, card.bias, card.text) == ("small", -5.0, TEXT)
    assert [f.feature for f in card.factors] == ["amount", "new_device"]
    assert scorecard.reason_of(card.factors[1], 1.0) == "device never seen, 1"


def test_the_packaged_one_scores_every_feature() -> None:
    assert {factor.feature for factor in scorecard.load().factors} == set(NAMES)


WRONG = {
    "syntax": ("bias = -5", "bias = = -5", 3, "Invalid value"),
    "unclosed": ('"small"', '"small', 2, "Illegal character"),
    "unclosed at the end": ("{value:.0f}", '{value:.0f}"\nweights = [1,', 32, "Illegal character"),
    "key twice": ("small_amount = 5.0", "small_amount = 5.0\nbias = 1", 5, "Cannot overwrite a value"),
    "type": ("bias = -5", 'bias = "low"', 3, "bias: Expected `float`, got `str`"),
    "not finite": ("bias = -5", "bias = nan", 3, "bias: nan and inf"),
    "infinite in a list": ("0.9,\n]", "inf,\n]", 20, r"factor\[0\]\.points\[2\]: nan and inf"),
    "out of bounds": ("bias = -5", "bias = -500", 3, "bias: Expected `float` >= -100"),
    "zero mean": ("amount_mean = 135.0\n", "amount_mean = 0\n", 7, r"population\.amount_mean: Expected"),
    "too few hours": ("0.04, ", "", 12, r"population\.hour_shares: Expected `array` of length >= 24"),
    "element": ("    0.3,", '    "0.3",', 20, r"factor\[0\]\.points\[1\]: Expected `float`, got `str`"),
    "no cuts": ("cuts = [1]", "cuts = []", 28, r"factor\[1\]\.cuts: Expected `array` of length >= 1"),
    "unknown key": (
        "weight = 5.0",
        "weight = 5.0\nwieght = 1",
        12,
        r"population\.wieght: there is no such key",
    ),
    "unknown key of a factor": ("missing = 0.1", "misssing = 0.1", 30, r"factor\[1\]\.misssing: there is no"),
    "unknown key at the top": ("bias = -5", "bias = -5\nbais = 1", 4, "bais: there is no such key"),
    "unknown table": ("[population]", "[people]\nx = 1\n\n[population]", 6, "people: there is no such key"),
    "missing key": ("weight = 5.0\n", "", 6, "population: the key weight is missing"),
    "missing key of a factor": ("cuts = [1]\n", "", 26, r"factor\[1\]: the key cuts is missing"),
    "missing key at the top": ("bias = -5\n", "", 1, "the key bias is missing"),
    "no feature": ('"new_device"', '"new_devise"', 27, r"factor\[1\]\.feature: 'new_devise' is no feature"),
    "no name": ('"new_device"', '"features."', 27, r"factor\[1\]\.feature: 'features\.' is no feature"),
    "descending": ("[500, 1000]", "[500, 500]", 19, r"factor\[0\]\.cuts: \[500\.0, 500\.0\] must ascend"),
    "points": ("[0.0, 1.6]", "[0.0]", 29, r"factor\[1\]\.points: 1 cuts need 2 points, not 1"),
    "reason": ("{value:.0f}", "{amount}", 31, r"factor\[1\]\.reason: only \{value\} can be filled in"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named_with_its_line(case: str, tmp_path: Path) -> None:
    old, new, line, reason = WRONG[case]
    path = tmp_path / "card.toml"
    assert old in TEXT
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ScorecardError, match=f"card.toml, line {line}: ({reason})") as raised:
        scorecard.load(path)
    assert str(raised.value).startswith(str(path))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    with pytest.raises(ScorecardError, match=r"card\.toml cannot be read: .*No such file"):
        scorecard.load(path)
    path.write_bytes(b"name = \xff")
    with pytest.raises(ScorecardError, match=r"card\.toml cannot be read: .*utf-8"):
        scorecard.load(path)


def test_lines_are_counted_with_windows_line_ends() -> None:
    text = TEXT.replace("\n", "\r\n").replace("weight = 5.0", 'weight = "much"')
    with pytest.raises(ScorecardError, match=r"card\.toml, line 11: "):
        scorecard.parse(text, "card.toml")


@pytest.mark.parametrize(
    ("path", "line"),
    [("$", 1), ("$.name", 2), ("$.population", 6), ("$.population.hour_shares[3]", 12), ("$.factor[1]", 26),
     ("$.factor[1].nothing", 26), ("$.factor[7].cuts", 17), ("$.nothing", 1)],
)  # fmt: skip
def test_the_line_of_a_path(path: str, line: int) -> None:
    assert toml_lines.line_of(TEXT, path) == line


def test_the_line_within_inline_and_dotted_tables() -> None:
    text = '# top\na.b = 1\nc = { d = 1, e = [1] }\n[x."y z"]\nq = """\n\n"""\nr = 2\n'
    places = {"$.a.b": 2, "$.c.e[0]": 3, "$.x": 4, "$.x.y z.q": 5, "$.x.y z.r": 8, "$.x.y z.s": 4}
    assert {path: toml_lines.line_of(text, path) for path in places} == places


def test_the_version_is_of_what_the_file_says_not_of_how() -> None:
    version = scorecard.parse(TEXT, "a").version
    written_otherwise = (
        TEXT.replace("# A scorecard of two factors.\n", "\n\n# Comments count for nothing.\n"),
        TEXT.replace("cuts = [500, 1000]", "cuts = [ 5e2,\n  1_000.0 ]"),
        TEXT.replace("bias = -5\nsmall_amount = 5.0", "small_amount = 5\nbias = -5.00"),
        TEXT.replace("[population]\namount_mean = 135.0", "[population]\namount_mean = 135"),
    )
    assert {scorecard.parse(text, "b").version for text in written_otherwise} == {version}
    assert len(version) == 64


@given(
    st.sampled_from([("0.9,", "0.8,"), ("-5", "-4"), ("= 5.0", "= 6"), ('"small"', '"other"'), ("2.0", "3")])
)
def test_the_version_changes_with_any_value(change: tuple[str, str]) -> None:
    assert scorecard.parse(TEXT.replace(*change, 1), "a").version != scorecard.parse(TEXT, "a").version


def test_the_order_of_factors_is_part_of_the_version() -> None:
    head, first, second = TEXT.split("[[factor]]")
    swapped = f"{head}[[factor]]{second}[[factor]]{first}"
    assert scorecard.parse(swapped, "a").version != scorecard.parse(TEXT, "a").version
