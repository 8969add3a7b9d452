"""The alerts that a benchmark's records must have raised: each of them, once.

Purpose: a figure counts only if it was reached with the guarantee whole, so the topic itself is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from sentinel_cli.benching import records
from sentinel_cli.benching.records import Ints
from sentinel_cli.errors import SentinelError
from sentinel_cli.streaming import stored, topics
from sentinel_cli.streaming.ends import Bounds

if TYPE_CHECKING:
    from sentinel_cli.benching.draining import Offsets
    from sentinel_cli.benching.trial import Trial


class _Identity(msgspec.Struct):
    transaction_id: str


class _Alert(msgspec.Struct):
    transaction_details: _Identity


_decoder = msgspec.json.Decoder(_Alert)


def index_of(value: bytes | None) -> int:
    """Which record this alert is of."""
    return records.index_of(_decoder.decode(value or b"").transaction_details.transaction_id)


def check(trial: Trial, since: Offsets, expected: Ints) -> None:
    """Raises SentinelError unless the topic holds, from the offsets ``since`` on, one alert for each of the
    records ``expected``, which are their indexes, and none besides."""
    topic, until = trial.topic(topics.FRAUD_ALERTS), trial.ends(topics.FRAUD_ALERTS)
    with stored.reader(trial.settings, "alerts") as consumer:
        runs = stored.runs(trial.settings, consumer, topic, Bounds(since, until))
        found = np.array([index_of(each.value()) for run in runs for each in run], np.int64)
    compare(topic, found, expected)


def compare(topic: str, found: Ints, expected: Ints) -> None:
    """Raises SentinelError unless ``found`` has each of ``expected`` once, in any order."""
    seen, times = np.unique(found, return_counts=True)
    lost, strange = np.setdiff1d(expected, seen), np.setdiff1d(seen, expected)
    doubled = int((times - 1).sum())
    if len(lost) or len(strange) or doubled:
        raise SentinelError(
            f"{topic} lacks {len(lost):,} of {len(expected):,} alerts, has {doubled:,} more than once, and "
            f"{len(strange):,} that should not be there: that is no figure but a bug, please report it."
        )
