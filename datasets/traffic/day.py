"""The course of a day: more happens at some hours than at others.

Purpose: turn event time into hours of even activity and back, so that moments can be drawn, and
series of moments laid out, as if every hour were alike.

Not here: which hours those are (`calibration`).
"""

from __future__ import annotations

import numpy as np

from datasets.traffic.chance import Floats, Ints

SECOND = 1_000_000  # event time is in microseconds since 1970, UTC
HOUR = 3600 * SECOND
DAY = 24 * HOUR


class Day:
    """A day with ``weights`` by hour, shape (24,), repeated for ever."""

    def __init__(self, weights: Floats) -> None:
        self._passed = np.concatenate([[0.0], np.cumsum(weights * (24 / weights.sum()))])

    def passed(self, time: Ints | int) -> Floats:
        """Hours of even activity since 1970; a whole day has 24 of them."""
        day, within = np.divmod(np.asarray(time), DAY)
        return np.asarray(day * 24.0 + np.interp(within / HOUR, np.arange(25), self._passed))

    def moment(self, passed: Floats) -> Ints:
        """The inverse of ``passed``."""
        day, within = np.divmod(passed, 24.0)
        hours = np.interp(within, self._passed, np.arange(25))
        return np.asarray(day.astype(np.int64) * DAY + (hours * HOUR).astype(np.int64))

    def moments(self, rng: np.random.Generator, begin: int, end: int, n: int) -> Ints:
        """``n`` moments from ``begin`` to before ``end``, in no order."""
        low, high = self.passed(begin), self.passed(end)
        return np.clip(self.moment(low + (high - low) * rng.random(n)), begin, end - 1)

    def bent(self, start: Ints, time: Ints) -> Ints:
        """Moments that follow ``start``, moved so that they keep to the day's busy hours."""
        return np.maximum(self.moment(self.passed(start) + (time - start) / HOUR), start)
