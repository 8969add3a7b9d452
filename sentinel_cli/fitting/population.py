"""Everybody's habits, estimated: what a scorecard assumes of a user before anything is known.

Design: from the transactions that the fit may learn from, and from nothing after them.

Not here: what the numbers are for (`engine.scorecard`, docs/scoring.md).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from datasets.columns import Ints
from sentinel_cli.engine import kernel
from sentinel_cli.engine.scorecard import Population
from sentinel_cli.fitting.binning import Floats

# What the packaged scorecard has: how fast habits form is no matter of the data's size.
WEIGHT = 5.0
# Stolen cards are tried out with amounts as small as the smallest of these.
SMALL_SHARE = 0.02


def estimate(rows: npt.NDArray[np.void], user: Ints) -> Population:
    """From ``rows`` (n,), TRANSACTION in the order of time, and the number of each one's user."""
    amount = rows["amount"]
    logarithm = np.log(np.maximum(amount, kernel.SMALLEST_AMOUNT))
    hours = np.bincount(rows["time"] // kernel.HOUR % 24, minlength=24) + 1.0
    return Population(
        amount_mean=_shown(max(float(amount.mean()), 0.001)),
        log_amount_mean=_shown(float(logarithm.mean())),
        log_amount_sd=_shown(max(float(logarithm.std()), 0.001)),
        transactions_per_day=_shown(_per_day(rows["time"], user)),
        weight=WEIGHT,
        hour_shares=[round(share, 4) for share in (hours / hours.sum()).clip(0.0001).tolist()],
    )


def small_amount(amount: Floats) -> float:
    """Up to which amount a purchase counts as small, one digit."""
    return float(f"{np.quantile(amount, SMALL_SHARE):.1g}")


def _per_day(time: Ints, user: Ints) -> float:
    """Transactions a day of a user, between the first and the last one seen."""
    order = np.argsort(user, kind="stable")
    first = np.flatnonzero(np.append(True, np.diff(user[order]) != 0))
    last = np.append(first[1:], len(order)) - 1
    days = float((time[order[last]] - time[order[first]]).sum()) / kernel.DAY
    again = len(order) - len(first)
    if not again:
        days, again = max(float(time[-1] - time[0]) / kernel.DAY, 1.0) * len(first), len(order)
    return min(max(again / max(days, 1e-9), 0.001), 1e9)


def _shown(value: float) -> float:
    return float(f"{value:.4g}")
