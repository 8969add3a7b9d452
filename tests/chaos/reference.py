"""What must be: every profile, alert and dead letter, computed from the topic alone.

Purpose: one uninterrupted pass of the engine over each partition's records, in order. None of the
worker's code is in it, only the decoder, the engine and the form of an alert, so that the two cannot
be wrong in the same way about what is repeated, skipped or kept.

Not here: what is (``scene``).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from confluent_kafka import Message

from profiles import layout
from sentinel_cli.engine import scorecard, scoring, severity
from sentinel_cli.engine.scorecard import Scorecard
from sentinel_cli.engine.severity import Policy
from sentinel_cli.streaming import alerts
from sentinel_cli.streaming.batches import RecordBatch
from sentinel_cli.streaming.codec import Decoder
from sentinel_cli.streaming.columnar import Columnar

# Records that the engine is given at once; any other number gives the same.
AT_ONCE = 1_000


@dataclass
class Reference:
    """``rows`` has the bytes of each user's profile, by user; ``alerts`` the digest of each alert's
    value by its id; ``dead`` the places of the records that are no transactions."""

    rows: dict[str, bytes] = field(default_factory=dict)
    alerts: dict[str, bytes] = field(default_factory=dict)
    dead: set[tuple[int, int]] = field(default_factory=set)
    records: int = 0


def digest(value: bytes | None) -> bytes:
    return hashlib.sha256(value or b"").digest()


def compute(
    runs: Iterable[Sequence[Message]],
    topic: str,
    threshold: float,
    judges: tuple[Scorecard, Policy] | None = None,
    seen: Callable[[RecordBatch], RecordBatch] = lambda batch: batch,
) -> Reference:
    """Of ``runs``, each of which is a partition's records in order. A user's profile goes on from one
    run to the next, as when the topic grew. ``judges`` if they are not the packaged ones; ``seen`` is what
    the workers' source made of a batch, if it did anything to it."""
    found = Reference()
    card, policy = judges or (scorecard.load(), severity.load())
    make = Columnar(Decoder(card.record_features))
    rows = layout.empty(0)
    slots: dict[str, int] = {}
    for run in runs:
        for at in range(0, len(run), AT_ONCE):
            part = run[at : at + AT_ONCE]
            batch = seen(make(part[0].partition() or 0, list(part), (part[-1].offset() or 0) + 1))
            users = [batch.users[row] for row in range(len(batch.users))]
            new = [user for user in dict.fromkeys(users) if user not in slots]
            slots.update({user: len(slots) + k for k, user in enumerate(new)})
            rows = np.concatenate([rows, layout.empty(len(new))])
            mine = np.array([slots[user] for user in users], np.int64)
            scored = scoring.score(rows, mine, batch.columns, card, threshold)
            for alert in alerts.of_batch(batch, scored, topic, card, policy):
                found.alerts[alert.alert_id] = digest(msgspec.json.encode(alert))
            found.dead |= {(batch.partition, bad.offset) for bad in batch.poison}
            found.records += len(users)
    stored = layout.to_bytes(rows)
    found.rows = {user: stored[slot] for user, slot in slots.items()}
    return found


def partitions(messages: Iterable[Message]) -> list[list[Message]]:
    """The records of each partition, in order."""
    found: dict[int, list[Message]] = defaultdict(list)
    for message in messages:
        found[message.partition() or 0].append(message)
    return [found[partition] for partition in sorted(found)]
