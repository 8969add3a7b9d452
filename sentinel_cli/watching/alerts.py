"""The alerts on their topic, for people: a line of each, the latest of them, and one as it stands.

Purpose: what `top` and `alerts list` show of an alert, and the record that `alerts show` opens.

Design: a topic is read from its front, for Kafka finds records by their place and their time of arrival
alone. Only as many alerts are kept as are asked for. What is no alert, the responder sends to the dead
letters; here it is only not shown.

Not here: following a topic's end (``tail``), why a score is what it is (``explaining``).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from sentinel_cli.engine.severity import Severity
from sentinel_cli.errors import SentinelError
from sentinel_cli.records import Contribution
from sentinel_cli.responding.incoming import time_of
from sentinel_cli.streaming import stored, topics
from sentinel_cli.watching.picture import AlertLine

if TYPE_CHECKING:
    from sentinel_cli.config import Settings

ROLE = "alerts"


class _Details(msgspec.Struct, gc=False):
    amount: float | None = None
    currency: str = ""


class _Id(msgspec.Struct, gc=False):
    alert_id: str


class _Alert(_Id, gc=False):
    """What of an alert is shown; the rest is not even decoded."""

    timestamp: str
    user_id: str
    severity: str
    fraud_score: float
    contributions: list[Contribution]
    transaction_details: _Details


_decode, _decode_id = msgspec.json.Decoder(_Alert).decode, msgspec.json.Decoder(_Id).decode

Wanted = Callable[[AlertLine], bool]


def line(value: bytes) -> AlertLine | None:
    """What is shown of the alert that ``value`` is; None if it is none."""
    try:
        alert = _decode(value)
        time_of(alert.timestamp)
    except (ValueError, RecursionError):
        return None
    return AlertLine(
        alert_id=alert.alert_id,
        timestamp=alert.timestamp,
        user_id=alert.user_id,
        severity=alert.severity,
        fraud_score=alert.fraud_score,
        amount=alert.transaction_details.amount,
        currency=alert.transaction_details.currency,
        reason=next((each.reason for each in alert.contributions if each.points > 0), ""),
    )


def wanted(severity: str | None, user: str | None) -> Wanted:
    """Alerts as severe as ``severity`` or more, of ``user``; None asks for nothing."""
    least = Severity[severity] if severity else Severity.LOW
    severe = {each.name for each in Severity if each >= least}
    return lambda alert: user in {None, alert.user_id} and (severity is None or alert.severity in severe)


def latest(settings: Settings, limit: int, where: Wanted, since: int | None) -> list[AlertLine]:
    """The ``limit`` alerts with the latest transactions, the latest first, of what Kafka received at
    ``since`` (microseconds since 1970; None: ever) or later. One that was repeated stands there once.

    Raises KafkaUnreachable, or SentinelError without the topic.
    """
    kept: dict[str, AlertLine] = {}
    newest: list[tuple[int, str]] = []
    for run in stored.records(settings, settings.topic(topics.FRAUD_ALERTS), ROLE, since):
        for found in (line(message.value() or b"") for message in run):
            if found is None or found.alert_id in kept or not where(found):
                continue
            kept[found.alert_id] = found
            heapq.heappush(newest, (time_of(found.timestamp), found.alert_id))
            if len(newest) > limit:
                del kept[heapq.heappop(newest)[1]]
    return [kept[alert_id] for _, alert_id in sorted(newest, reverse=True)]


def find(settings: Settings, alert_id: str) -> bytes:
    """The alert as it stands on its topic. Raises KafkaUnreachable, SentinelError if there is none."""
    topic = settings.topic(topics.FRAUD_ALERTS)
    for run in stored.records(settings, topic, ROLE):
        for message in run:
            value = message.value() or b""
            if _id_of(value) == alert_id:
                return value
    raise SentinelError(f"No alert {alert_id} on {topic}: `sentinel alerts list` shows which there are.")


def _id_of(value: bytes) -> str | None:
    try:
        value.decode()  # of what it skips msgspec does not ask whether it is UTF-8
        return _decode_id(value).alert_id
    except (ValueError, RecursionError):
        return None
