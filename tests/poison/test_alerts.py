"""Bad alerts through the responder's loop: set aside, and nobody is blocked for them."""

from __future__ import annotations

import gzip
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_cli.responding import incoming
from sentinel_cli.responding.incoming import Record
from sentinel_cli.streaming import faults
from tests.poison.kinds import avro
from tests.responding.fakes import Kafka, World, alert

ALERT = alert(1)


def but(**changes: object) -> bytes:
    """The alert with other values, whatever their type."""
    return msgspec.json.encode(msgspec.json.decode(ALERT) | changes)


BAD: dict[str, tuple[bytes | None, str]] = {
    "no value": (None, "no value"),
    "empty": (b"", "empty"),
    "cut in half": (ALERT[:100], "after 100 bytes"),
    "two alerts": (ALERT + ALERT, "after the record"),
    "a transaction": (b'{"transaction_id": "T1", "user_id": "user_1"}', "alert_id"),
    "gzip": (gzip.compress(ALERT), "gzip"),
    "Avro": (avro(12), "schema 12"),
    "nested so that parsers fall over": (b'{"x":' * 50_000, "nested"),
    "no user": (but(user_id=""), "`user_id`"),
    "a user of null": (but(user_id=None), "user_id"),
    "a user id of a megabyte": (but(user_id="u" * 1_000_000), "`user_id`"),
    "an alert id of a megabyte": (but(alert_id="a" * 1_000_000), "`alert_id`"),
    "a NUL in the user": (but(user_id="a\0b"), "`user_id`"),
    "a terminal's escape in the id": (but(alert_id="\x1b[2J"), "`alert_id`"),
    "half a surrogate pair": (ALERT.replace(b'"user_1"', b'"\\ud800"'), "surrogate"),
    "no UTF-8 where nobody reads": (ALERT[:-1] + b',"note":"\xff"}', "`note` is not UTF-8"),
    "no UTF-8 in the transaction": (ALERT.replace(b'"USD"', b'"\xff"'), "`currency` is not UTF-8"),
    "no time at all": (but(timestamp="yesterday"), "'yesterday'"),
    "year 1": (but(timestamp="0001-01-01T00:00:00Z"), "outside of 2000 to 2100"),
    "year 9999": (but(timestamp="9999-12-31T23:59:59Z"), "outside of 2000 to 2100"),
    "a score as text": (but(fraud_score="high"), "fraud_score"),
    "NaN": (ALERT.replace(b'"fraud_score":0.99', b'"fraud_score":NaN'), "`fraud_score`"),
    "a partition below zero": (but(source={"topic": "t", "partition": -1, "offset": 1}), "partition"),
    "a partition of a billion": (but(source={"topic": "t", "partition": 10**9, "offset": 1}), "partition"),
    "an amount as text": (but(transaction_details={"amount": "12"}), "amount"),
    "an amount too large for a double": (ALERT.replace(b"12.5", b"1e400"), "amount"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_alert_is_set_aside_and_nobody_is_blocked(kind: str) -> None:
    value, reason = BAD[kind]
    world = World(Kafka({0: [alert(7, "user_7"), value, alert(8, "user_8")]}))
    responder = world.responder()
    responder.run(until_end=True)
    ((key, letter, headers),) = world.kafka.dead_letters()
    assert re.search(reason, headers["error"]), headers["error"]
    assert headers["error"].isprintable()
    assert (key, letter) == (b"k", value) or len(value or b"") > 990_000
    assert {user for _, user in world.redis.blocks} == {"user_7", "user_8"}
    assert (responder.counts.acted, responder.counts.dead_letters) == (2, 1)
    assert world.redis.offsets == {0: 3}


@given(st.integers(0, len(ALERT)), st.integers(0, 20), st.binary(max_size=12))
def test_any_bytes_are_an_alert_or_a_dead_letter(at: int, length: int, piece: bytes) -> None:
    value = ALERT[:at] + piece + ALERT[at + length :]
    batch = incoming.batch(0, [Record(5, -1, b"k", value)], 6)
    assert len(batch.alerts) + len(batch.poison) == 1
    assert all(0 < len(bad.reason) <= faults.LONGEST for bad in batch.poison)
    assert all(each.alert.user_id.encode() and value.decode() for each in batch.alerts)
