"""The records on Kafka's topics, as msgspec structs.

Purpose: one place that says what every topic carries. JSON is the wire form; a record that does
not decode into its struct goes to the dead-letter topic, with the sentence msgspec gave.

Not here: how records are read and written (``streaming.codec``), what the numbers mean
(``engine.features``). Unknown fields are ignored, so that producers may add some at any time.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from msgspec import Meta, Raw, Struct

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(microseconds: int) -> str:
    """A time since 1970 as records and `--json` carry it: RFC 3339 in UTC."""
    return (EPOCH + timedelta(microseconds=microseconds)).isoformat().replace("+00:00", "Z")


# A user id becomes part of a Redis key, a device id of a hash: 256 bytes is far above any real
# identifier and far below what could hurt (Kafka's own default limit of a record is 1 MB).
Id = Annotated[str, Meta(min_length=1, max_length=256)]
Text = Annotated[str, Meta(max_length=256)]
# Zero is a card verification. Above 1e9 no card transaction exists in any currency.
Amount = Annotated[float, Meta(ge=0, le=1e9)]


class Transaction(Struct, frozen=True, gc=False):
    """One card transaction, as `transactions` carries it. ``timestamp`` is RFC 3339, UTC if it has
    no zone; ``country`` is ISO 3166 alpha-2; ``merchant_category`` an ISO 18245 code or a name."""

    transaction_id: Id
    user_id: Id
    timestamp: str
    amount: Amount
    currency: Text = "USD"
    merchant_id: Text = ""
    merchant_category: Text = ""
    product_code: Text = ""
    card_network: Text = ""
    card_type: Text = ""
    country: Text = ""
    device_id: Text = ""
    device_type: Text = ""
    email_domain: Text = ""
    features: dict[str, float | None] | None = None


class Label(Struct, frozen=True, gc=False):
    """Ground truth for one transaction, on `labels` alone; the detector never reads that topic."""

    transaction_id: Id
    user_id: Id
    is_fraud: bool
    scenario: str
    episode_id: str
    labelled_at: str


class Contribution(Struct, frozen=True):
    """What one factor added to a score: ``points`` in log-odds."""

    factor: str
    value: float | None
    points: float
    reason: str


class Source(Struct, frozen=True):
    topic: str
    partition: int
    offset: int


class Alert(Struct, frozen=True):
    """A transaction whose score reached the threshold, with everything needed to recompute it."""

    alert_id: str
    timestamp: str
    user_id: str
    fraud_score: float
    severity: str
    risk_factors: dict[str, Any]
    contributions: list[Contribution]
    transaction_details: Raw
    profile_before: dict[str, Any]
    config_version: str
    source: Source


class Action(Struct, frozen=True):
    """One step the responder took for an alert; ``took_ms`` is wall time in milliseconds."""

    action: str
    status: str
    took_ms: float
    detail: str = ""


class Response(Struct, frozen=True):
    """What was done about one alert, on `alert-responses`. ``total_ms`` runs from the first step
    to the last; ``alert_age_ms`` from the alert's arrival on Kafka to the response."""

    response_id: str
    alert_id: str
    user_id: str
    timestamp: str
    severity: str
    actions: list[Action]
    total_ms: float
    alert_age_ms: float
    source: Source
