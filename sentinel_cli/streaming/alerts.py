"""Alerts: what a detector says on its topic.

Purpose: turn what the engine kept of a batch into the records that others read. They depend on
the transaction alone, so that scoring a batch again says the same.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from profiles import layout
from sentinel_cli.engine import scoring
from sentinel_cli.engine.scorecard import Scorecard
from sentinel_cli.engine.scoring import Scored
from sentinel_cli.engine.severity import Policy
from sentinel_cli.records import Alert, Source, rfc3339
from sentinel_cli.streaming.batches import RecordBatch


class _Ids(msgspec.Struct, gc=False):
    transaction_id: str


_ids = msgspec.json.Decoder(_Ids)


def alert_id(transaction_id: str, time: int) -> str:
    """The same for the same transaction, whoever scores it and however often; ``time`` in microseconds."""
    return f"alert_{transaction_id}_{time // 1_000_000}"


def of_batch(
    batch: RecordBatch, scored: Scored, topic: str, card: Scorecard, policy: Policy
) -> Iterator[Alert]:
    """An alert for each row that the engine kept, in stream order."""
    kept = scored.kept
    if not len(kept):
        return
    columns = zip(
        kept.tolist(),
        scored.features.tolist(),
        scoring.points(scored.features, card).tolist(),
        layout.to_dicts(scored.before),
        scored.scores[kept].tolist(),
        batch.columns.rows["time"][kept].tolist(),
        batch.offsets[kept].tolist(),
        strict=True,
    )
    for row, features, points, before, score, time, offset in columns:
        found = scoring.contributions(features, points, card)
        risks = scoring.risk_factors(features, found)
        value = batch.values[row]
        yield Alert(
            alert_id=alert_id(_ids.decode(value).transaction_id, time),
            timestamp=rfc3339(time),
            user_id=batch.users[row],
            fraud_score=score,
            severity=policy.severity(score, risks).name,
            risk_factors=risks,
            contributions=found,
            transaction_details=msgspec.Raw(value),
            profile_before=before,
            config_version=card.version,
            source=Source(topic, batch.partition, offset),
        )
