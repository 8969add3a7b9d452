"""Alerts as they come in: decoded and checked, or a dead letter with its reason.

Purpose: turn the records of one partition of `fraud-alerts` into a batch.

Not here: what is done about an alert (``actions``, ``responder``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from sentinel_cli.records import EPOCH, Alert
from sentinel_cli.streaming.batches import Poison


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
            reason = "the record has no value" if record.value is None else str(error)
            poison.append(Poison(record.offset, record.key, record.value, reason))
    return AlertBatch(partition, next_offset, alerts, poison)


def _incoming(record: Record) -> Incoming:
    """Raises ValueError (msgspec's errors are such) or TypeError for what is no alert."""
    value: Any = record.value
    alert = _decode_alert(value)
    for text in (alert.alert_id, alert.user_id):
        if not text or "\0" in text:
            raise ValueError("alert_id and user_id must not be empty or contain NUL")
        text.encode()  # half a surrogate pair has no UTF-8
    details = _decode_details(alert.transaction_details)
    return Incoming(
        alert, _time(alert.timestamp), details.amount, details.currency, record.offset, record.arrived_ms
    )


def _time(text: str) -> int:
    """RFC 3339 to microseconds since 1970; no zone means UTC."""
    time = datetime.fromisoformat(text)
    return ((time if time.tzinfo else time.replace(tzinfo=UTC)) - EPOCH) // timedelta(microseconds=1)
