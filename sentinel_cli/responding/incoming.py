"""Alerts as they come in: decoded and checked, or a dead letter with its reason.

Purpose: turn the records of one partition of `fraud-alerts` into a batch.

Not here: what is done about an alert (``actions``, ``responder``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from sentinel_cli.records import EPOCH, Alert
from sentinel_cli.streaming import faults
from sentinel_cli.streaming.batches import Poison
from sentinel_cli.streaming.codec import EARLIEST, LATEST

# An alert's id is a transaction's, 256 characters, and a little more.
LONGEST_ID = 300
_IDENTIFIER = re.compile(rf"[^\0-\x1f]{{1,{LONGEST_ID}}}")
# More than any cluster has of one topic.
PARTITIONS = 1_000_000


class Incoming(NamedTuple):
    """``time_us`` is the transaction's time, microseconds since 1970; ``arrived_ms`` Kafka's
    timestamp of the alert, milliseconds since 1970, -1 for none; ``offset`` the alert's own."""

    alert: Alert
    time_us: int
    amount: float | None
    currency: str
    offset: int
    arrived_ms: int


class AlertBatch(NamedTuple):
    """Records of one partition in order; ``next_offset`` is where it goes on after them."""

    partition: int
    next_offset: int
    alerts: list[Incoming]
    poison: list[Poison]


class Record(NamedTuple):
    """A record as Kafka has it."""

    offset: int
    arrived_ms: int
    key: bytes | None
    value: bytes | None


class _Details(msgspec.Struct, gc=False):
    amount: float | None = None
    currency: str = ""


_decode_alert = msgspec.json.Decoder(Alert).decode
_decode_details = msgspec.json.Decoder(_Details).decode


def batch(partition: int, records: Sequence[Record], next_offset: int) -> AlertBatch:
    """Good records become alerts, every other one a dead letter with its reason."""
    alerts: list[Incoming] = []
    poison: list[Poison] = []
    for record in records:
        try:
            alerts.append(_incoming(record))
        except (ValueError, TypeError, RecursionError) as error:
            reason = faults.reason(record.value, error)
            poison.append(Poison(record.offset, record.key, record.value, reason))
    return AlertBatch(partition, next_offset, alerts, poison)


def _incoming(record: Record) -> Incoming:
    """Raises ValueError (msgspec's errors are such) or TypeError for what is no alert."""
    value: Any = record.value
    alert = _decode_alert(value)
    value.decode()  # of what it skips msgspec does not ask whether it is UTF-8
    for name, text in (("alert_id", alert.alert_id), ("user_id", alert.user_id)):
        if not _IDENTIFIER.fullmatch(text):
            raise ValueError(
                f"`{name}` {faults.quoted(text)} has not 1 to {LONGEST_ID} characters, none of them a control"
            )
    if not 0 <= alert.source.partition < PARTITIONS:
        raise ValueError(f"`source.partition` {alert.source.partition} is no partition")
    details = _decode_details(alert.transaction_details)
    time = time_of(alert.timestamp)
    return Incoming(alert, time, details.amount, details.currency, record.offset, record.arrived_ms)


def time_of(text: str) -> int:
    """RFC 3339 to microseconds since 1970; no zone means UTC. Raises ValueError."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"`timestamp` {faults.quoted(text)} is no RFC 3339 time") from error
    found = ((time if time.tzinfo else time.replace(tzinfo=UTC)) - EPOCH) // timedelta(microseconds=1)
    if not EARLIEST <= found < LATEST:
        raise ValueError(f"`timestamp` {faults.quoted(text)} lies outside of 2000 to 2100")
    return found
