"""Rings of steps: how many transactions, and how much, within the last minute, hour or day.

Purpose: turn a ring on to the present, read what it holds, add to it.

Design: a window of W seconds is a ring of k equal steps (``profiles.layout``), each with a count
and an amount, written at step number modulo k. Turned to step number *now* it holds the steps
now - k + 1 to now: everything of the last W - W/k seconds and nothing older than W. Counts stop at
65,535 a step; an amount is a float32, so a step of n transactions is right to n / 2**24 of itself.

Not here: which windows there are, and when they turn (``kernel``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sentinel_cli.engine.compiled import jit

FULL = 65_535  # the largest count of a step

Counts = npt.NDArray[np.uint16]
Amounts = npt.NDArray[np.float32]


@jit
def turn(counts: Counts, amounts: Amounts, last: int, now: int) -> tuple[int, float]:
    """Turn a ring from step ``last`` to ``now``; returns the count and the amount it then holds."""
    steps = len(counts)
    if now - last >= steps:
        for i in range(steps):
            counts[i] = 0
            amounts[i] = 0.0
        return 0, 0.0
    at = now % steps
    for back in range(now - last):
        counts[at - back] = 0
        amounts[at - back] = 0.0
    count, amount = 0, 0.0
    for i in range(steps):
        count += int(counts[i])
        amount += float(amounts[i])
    return count, amount


@jit
def add(counts: Counts, amounts: Amounts, step: int, now: int, amount: Any) -> None:
    """Add a transaction of ``step`` to a ring that stands at ``now``, unless it is too late for it."""
    steps = len(counts)
    if step > now - steps:
        at = step % steps
        counts[at] = min(int(counts[at]) + 1, FULL)
        amounts[at] += amount
