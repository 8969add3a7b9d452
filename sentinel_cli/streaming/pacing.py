"""An even pace: how many records are due now, at one a second and at a hundred thousand.

Purpose: the i-th record is due at start + i / tps. Small slices every few milliseconds keep to that
without a burst; after a stall the schedule is caught up with at no more than twice the pace.

Design: pure but for the clock, which is an argument (seconds, monotonic).

Not here: waiting and sending (`producing`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

# Between two slices: long enough that a slice is worth its overhead at 100,000 tps, short enough
# that nobody downstream can tell it from a steady flow.
SLICE_S = 0.002
CATCH_UP = 2.0  # times the pace, at most
_BURST_S = 0.010  # how much of the catching up may come at once


class Pacer:
    """``start`` is when the first record is due, on ``clock``."""

    def __init__(self, tps: float, start: float, clock: Callable[[], float]) -> None:
        self._tps, self._start, self._clock = tps, start, clock
        self._asked = start
        self._allowed = 1.0

    def due(self, sent: int) -> int:
        """How many records to send now, when ``sent`` have been sent before."""
        now = self._clock()
        if now < self._start:
            return 0
        most = max(1.0, CATCH_UP * self._tps * _BURST_S)
        self._allowed = min(self._allowed + CATCH_UP * self._tps * (now - self._asked), most)
        self._asked = now
        behind = math.floor((now - self._start) * self._tps) + 1 - sent
        n = max(min(behind, int(self._allowed)), 0)
        self._allowed -= n
        return n

    def pause(self, sent: int) -> float:
        """Seconds until it is worth asking again."""
        next_due = self._start + sent / self._tps
        return max(next_due - self._clock(), SLICE_S)
