"""What a worker counts while it works, and how long its records waited.

Purpose: ``WorkerSnapshot``, the numbers one worker shows to the rest of the world once a second, and
``LatencyHistogram``, which holds any number of latencies in a few hundred buckets.

Design: everything counts up from the worker's start and nothing is reset, so whoever reads two
snapshots has the rate and the latencies of the time between them. (HdrHistogram's Python port takes
one value a call; a batch of 10,000 latencies is one numpy expression here.)

Not here: where snapshots are kept (``telemetry.board``), how they are shown.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Literal

import numpy as np
import psutil
from msgspec import Struct, field
from numpy.typing import ArrayLike, NDArray

# Milliseconds. Below a microsecond clocks say nothing; a record that waited longer than an hour
# counts as an hour.
LOWEST_MS = 1e-3
HIGHEST_MS = 3_600_000.0
# Each bucket is this much wider than the one before, so its middle is within 2.5 % of all it holds.
GROWTH = 1.05
_LOG_GROWTH = float(np.log(GROWTH))
BUCKETS = int(np.ceil(np.log(HIGHEST_MS / LOWEST_MS) / _LOG_GROWTH)) + 1
# Arrays that are counted in one go: a few dozen latencies cost as much as a thousand.
TOGETHER = 50
_MIDDLES_MS = LOWEST_MS * GROWTH ** (np.arange(BUCKETS) + 0.5)


class LatencyHistogram:
    """Counts of latencies in log-spaced buckets; a percentile's relative error is at most 2.5 %."""

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        """``counts`` is what another histogram's ``counts()`` gave."""
        self._counted = np.zeros(BUCKETS, dtype=np.int64)
        self._to_count: list[NDArray[np.float64]] = []
        for bucket, count in (counts or {}).items():
            self._counted[bucket] = count

    def __len__(self) -> int:
        return int(self._counts.sum())

    def add(self, milliseconds: ArrayLike) -> None:
        """One latency or an array of them; below zero (two machines' clocks) counts as zero."""
        self._to_count.append(np.atleast_1d(np.asarray(milliseconds, dtype=np.float64)))
        if len(self._to_count) >= TOGETHER:
            self._count()

    def _count(self) -> None:
        values = np.clip(np.concatenate(self._to_count), LOWEST_MS, HIGHEST_MS)
        self._to_count.clear()
        buckets = (np.log(values / LOWEST_MS) / _LOG_GROWTH).astype(np.int64)
        self._counted += np.bincount(buckets, minlength=BUCKETS)

    @property
    def _counts(self) -> NDArray[np.int64]:
        if self._to_count:
            self._count()
        return self._counted

    def merge(self, other: LatencyHistogram) -> None:
        """Take in everything the other one has seen."""
        self._counted += other._counts

    def since(self, earlier: LatencyHistogram) -> LatencyHistogram:
        """What was added after ``earlier``, a former state of this very histogram."""
        newer = LatencyHistogram()
        newer._counted = np.maximum(self._counts - earlier._counts, 0)
        return newer

    def percentile(self, q: float) -> float | None:
        """Milliseconds below which ``q`` percent of the latencies lie; None when there are none."""
        total = len(self)
        if not total:
            return None
        rank = max(1, int(np.ceil(total * q / 100)))
        return float(_MIDDLES_MS[np.searchsorted(np.cumsum(self._counts), rank)])

    def at_most(self, bounds_ms: ArrayLike) -> list[int]:
        """How many latencies were no longer than each bound, to the precision of a bucket."""
        bounds = np.clip(np.asarray(bounds_ms, dtype=np.float64), LOWEST_MS, HIGHEST_MS)
        buckets = np.rint(np.log(bounds / LOWEST_MS) / _LOG_GROWTH).astype(np.int64)
        below = np.concatenate(([0], np.cumsum(self._counts)))
        return [int(below[bucket]) for bucket in buckets]

    def sum_ms(self) -> float:
        """All latencies added up, as precise as a bucket is."""
        return float(self._counts @ _MIDDLES_MS)

    def counts(self) -> dict[int, int]:
        """Bucket to count, the empty ones left out: small as JSON."""
        return {int(bucket): int(self._counts[bucket]) for bucket in np.flatnonzero(self._counts)}


def resident_bytes() -> int:
    """Memory this process holds."""
    return int(psutil.Process().memory_info().rss)


class WorkerSnapshot(Struct, kw_only=True):
    """One worker at one moment. Counts run from ``started_at``; times are seconds since 1970.

    ``alerts`` is by severity; ``lag`` in records behind the end of ``partitions``; ``latency`` are
    ``LatencyHistogram.counts()`` in milliseconds from arrival on Kafka to done; ``paused`` says why
    the worker waits, or is empty.
    """

    worker_id: str
    role: Literal["detect", "respond"]
    host: str
    pid: int
    started_at: float
    published_at: float = field(default_factory=time.time)
    processed: int = 0
    alerts: dict[str, int] = field(default_factory=dict)
    dead_letters: int = 0
    duplicates: int = 0
    acted: int = 0
    blocked: int = 0
    cases: int = 0
    saves: int = 0
    conflicts: int = 0
    partitions: list[int] = field(default_factory=list)
    lag: int = 0
    latency: dict[int, int] = field(default_factory=dict)
    paused: str = ""
    rss_bytes: int = field(default_factory=resident_bytes)
    cpu_seconds: float = field(default_factory=time.process_time)
