"""Why an alert has its score: the score computed again from what the alert itself carries.

Purpose: `sentinel alerts explain`. With the scorecard that the alert was scored with, the number must
be the same to the last bit; with another one, it is what that one would have said.

Design: no server, no clock. The transaction goes through the detector's own decoder and the profile that
it met through the engine. An alert is a record that anybody may have written, so what of it would reach
the kernel is checked.

Not here: finding the alert (``alerts``), the engine (``sentinel_cli.engine.scoring``).
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from datasets.geography import CODES
from profiles import layout
from profiles.layout import PROFILE, Profiles
from sentinel_cli.engine import scoring
from sentinel_cli.engine.columns import Columns
from sentinel_cli.engine.scorecard import Scorecard
from sentinel_cli.errors import SentinelError
from sentinel_cli.records import Alert, Contribution
from sentinel_cli.streaming.codec import Decoder

NO_TIME = -1  # Kafka's timestamp of a transaction that is not on its topic


class Recorded(Struct, frozen=True):
    """What the alert itself says."""

    config_version: str
    fraud_score: float
    severity: str
    contributions: list[Contribution]


class Explanation(Struct, frozen=True, kw_only=True):
    """``recorded`` is what the alert says, the rest what comes out again. ``log_odds`` is the sum of the
    bias and all points, ``score`` the logistic function of it; ``same`` is exact."""

    alert_id: str
    timestamp: str
    user_id: str
    scorecard: str
    config_version: str
    bias: float
    contributions: list[Contribution]
    log_odds: float
    score: float
    same: bool
    recorded: Recorded


def parse(value: bytes) -> Alert:
    """The alert that a record of its topic is. Raises SentinelError."""
    try:
        return msgspec.json.decode(value, type=Alert)
    except msgspec.MsgspecError as error:
        raise SentinelError(f"The alert is not as this program writes them: {error}.") from error


def explain(alert: Alert, card: Scorecard) -> Explanation:
    """Score the alert's transaction again. Raises SentinelError if the alert cannot be scored."""
    columns = _columns(alert, card)
    before = _profile(alert)
    score, features = scoring.score_one(before[0], columns.rows[0], columns.extra[0].tolist(), card)
    points = scoring.points(np.array([features]), card)[0].tolist()
    return Explanation(
        alert_id=alert.alert_id,
        timestamp=alert.timestamp,
        user_id=alert.user_id,
        scorecard=card.name,
        config_version=card.version,
        bias=card.bias,
        contributions=scoring.contributions(features, points, card),
        log_odds=_log_odds(points, card),
        score=score,
        same=score == alert.fraud_score,
        recorded=Recorded(alert.config_version, alert.fraud_score, alert.severity, alert.contributions),
    )


def _columns(alert: Alert, card: Scorecard) -> Columns:
    decoded = Decoder(card.record_features).decode(
        [bytes(alert.transaction_details)], np.array([NO_TIME], np.int64)
    )
    for _, why in decoded.bad:
        raise SentinelError(f"The transaction of {alert.alert_id} cannot be scored: {why}.")
    return decoded.columns


def _profile(alert: Alert) -> Profiles:
    fields: dict[str, Any] = alert.profile_before
    if set(fields) != set(PROFILE.names or ()) or fields["version"] not in (0, layout.VERSION):
        raise SentinelError(
            f"The profile in {alert.alert_id} is not of version {layout.VERSION}, which this program reads: "
            "explain it with the release that raised the alert."
        )
    try:
        rows = layout.from_dict(fields)
    except (ValueError, TypeError, OverflowError) as error:
        raise SentinelError(f"The profile in {alert.alert_id} is none: {error}.") from error
    if rows["last_country"][0] >= CODES:
        raise SentinelError(f"The profile in {alert.alert_id} is none: `last_country` has {CODES} values.")
    return rows


def _log_odds(points: list[float], card: Scorecard) -> float:
    """Added up in the kernel's order and way: from Python 3.12 on `sum` is more exact than that."""
    total = card.bias
    for added in points:
        total += added
    return total
