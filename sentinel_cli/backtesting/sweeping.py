"""The same scorecard at other thresholds, and which of them brings the most.

Design: each threshold is a pass of its own, because alerts count in the profiles that later scores are
computed from; reading one pass's scores at another threshold would show a detector that does not exist.

Not here: what a balance is (`costs`).
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from sentinel_cli.backtesting.decisions import decide
from sentinel_cli.backtesting.measuring import Measures, measure
from sentinel_cli.backtesting.transactions import Transactions
from sentinel_cli.config import CostSettings
from sentinel_cli.engine.scorecard import Scorecard

THRESHOLDS = (0.02, *(step / 20 for step in range(1, 20)), 0.98)


class Point(Struct, frozen=True):
    threshold: float
    alerts: int
    alerts_a_day: float
    precision: float | None
    recall: float | None
    episodes_caught: int
    average_precision: float | None
    balance: float


class Sweep(Struct, frozen=True):
    """``best`` is the threshold with the best balance, the highest of equals."""

    best: float
    points: list[Point]


def sweep(
    transactions: Transactions, card: Scorecard, prices: CostSettings, advance: Callable[[int], None]
) -> Sweep:
    """``advance`` is told of each threshold that is done."""
    points = []
    for threshold in THRESHOLDS:
        decisions = decide(transactions, card, threshold)
        points.append(_point(measure(transactions, decisions, prices)))
        advance(1)
    return Sweep(max(points, key=lambda p: (p.balance, p.threshold)).threshold, points)


def _point(m: Measures) -> Point:
    return Point(
        m.threshold, m.alerts, m.alerts_a_day, m.precision, m.recall, m.fraud.caught, m.average_precision,
        m.money.balance,
    )  # fmt: skip
