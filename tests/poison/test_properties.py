"""For any bytes: never an exception, each record good or bad, and the good ones sane."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_cli.streaming import faults
from sentinel_cli.streaming.codec import Decoder
from sentinel_cli.streaming.faults import DEEPEST
from tests.poison.kinds import BAD, FINE, RECORD, but, plus
from tests.poison.oracle import ARRIVED, Judge, same_alone, same_elsewhere

SEEDS = (
    [RECORD] * 20
    + [v for v, _ in BAD.values() if v and len(v) < 2_000]
    + [v for v in FINE.values() if len(v) < 2_000]
)
# What breaks parsers, and what makes one record into another one.
TOKENS = [
    b'"', b"\\", b"{", b"}", b"[", b"]", b":", b",", b"\0", b"\xff", b"\xc3", b"\\u0000", b"\\ud800", b"null",
    b"NaN", b"-", b"e9", b"1e400", b'"amount":', b'"user_id":"x",', b'"features":{"V1":', b"true", b" ",
    b"\n", b'{"a":', b'"timestamp":"2025-08-24T00:00:60Z",', "é".encode(), "ß".encode(), b"\xed\xa0\x80",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A record after some cuts, insertions and copies."""
    value = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(0, 4))):
        at, length = draw(st.integers(0, len(value))), draw(st.integers(0, 30))
        piece = draw(st.sampled_from(TOKENS) | st.binary(max_size=4) | st.just(value[at : at + length]))
        value = value[:at] + piece + value[at + draw(st.sampled_from([0, 0, 1, length])) :]
    return value


VALUES = st.lists(st.none() | st.binary(max_size=400) | mutated() | mutated(), max_size=30)


@given(VALUES)
def test_every_value_is_good_or_bad(values: list[bytes | None]) -> None:
    judge = Judge()
    decoded = judge(values)
    same_alone(judge.decoder, values, decoded)
    for at, user, row in zip(decoded.good, decoded.users, decoded.columns.rows, strict=True):
        value = values[at]
        assert value is not None
        same_elsewhere(value, user, row)


@given(VALUES)
def test_what_the_scorecard_wants_of_features_changes_no_other_record(values: list[bytes | None]) -> None:
    arrived = np.full(len(values), ARRIVED)
    plain, wanting = Decoder(()), Decoder(("V1", "V2", "amount"))
    without, with_features = plain.decode(values, arrived), wanting.decode(values, arrived)
    same_alone(wanting, values, with_features)
    told = {at for at, why in with_features.bad if "$.features" in why or "`features." in why}
    assert set(with_features.good) == set(without.good) - told


@given(st.integers(1, 2 * DEEPEST), st.sampled_from([(b"[", b"]"), (b'{"a":', b"}"), (b'["[",', b"]")]))
def test_nesting_is_counted(levels: int, brackets: tuple[bytes, bytes]) -> None:
    opening, closing = brackets
    inner = b"" if opening == b"[" else b"1"
    value = plus(b'"x": ' + opening * levels + inner + closing * levels)
    good = Decoder(()).decode([value], np.full(1, ARRIVED)).good
    assert bool(good) == (levels + 1 <= DEEPEST)


@pytest.mark.parametrize(
    ("features", "reason"),
    [
        (b'{"V1": 1, "V1": 2}', "`features.V1` stands twice"),
        (b'{"V1": 1, "V\\u0031": 2}', "`features.V1` stands twice"),
        (b'{"V1": "x"}', "features"),
        (b'{"V1": 1e999}', "features"),
        (b'{"V3": 1, "V3": 2}', ""),
        (b'{"amount": 1, "user_id": 2}', ""),
    ],
)
def test_features(features: bytes, reason: str) -> None:
    decoder = Decoder(("V1", "V2"))
    decoded = decoder.decode([plus(b'"features": ' + features)], np.full(1, ARRIVED))
    assert [reason in why for _, why in decoded.bad] == ([True] if reason else [])


@given(st.binary(max_size=200), st.sampled_from([ValueError("x"), RecursionError(), TypeError("y")]))
def test_a_reason_can_be_shown_anywhere(value: bytes, error: Exception) -> None:
    why = faults.reason(value, error)
    assert why.isprintable()
    why.encode()
    assert faults.kind(why)


def test_ids_with_an_escape_are_read_as_they_are() -> None:
    decoded = Decoder(()).decode([but(user_id='Zoë \\ "quoted"')], np.full(1, ARRIVED))
    assert decoded.users == ['Zoë \\ "quoted"']
