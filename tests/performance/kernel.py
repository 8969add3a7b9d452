"""What scoring costs: ``python tests/performance/kernel.py [USERS ...]``.

Purpose: nanoseconds a transaction with the packaged scorecard, for anyone who changes the kernel.
Each line gives the 5th and the 50th percentile over batches of 5,000; of a machine that others use
too, the first is the one to compare. On two cores of a Xeon of 2023: 130 to 140 ns, whether there
are 1,000 users or a million.

Not here: a limit. What a machine can do is no test; `tests/engine` holds what the kernel must do.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from datasets.geography import country_code
from profiles import layout
from sentinel_cli.engine import scorecard, scoring
from sentinel_cli.engine.columns import TRANSACTION, Columns

BATCH, BATCHES = 5_000, 120
DAY = 86_400_000_000  # microseconds
A_DAY = 2  # transactions of each user


def traffic(users: int) -> Iterator[tuple[npt.NDArray[np.int64], Columns]]:
    """Batches of ordinary traffic: lognormal amounts, few countries, a favourite device and category."""
    rng = np.random.default_rng(1)
    categories = 1 / np.arange(1, 21)
    now = 1_756_166_400_000_000
    for _ in range(BATCHES):
        slots = rng.integers(0, users, BATCH)
        rows = np.zeros(BATCH, TRANSACTION)
        steps = rng.integers(1, 2 * DAY // (A_DAY * users) + 2, BATCH)
        rows["time"] = now + np.cumsum(steps)
        rows["amount"] = rng.lognormal(4, 1, BATCH).round(2)
        rows["transaction"] = rng.integers(1, 2**32, BATCH)
        rows["device"] = slots + np.where(rng.random(BATCH) < 0.9, 1, rng.integers(2, 4, BATCH))
        rows["country"] = np.where(rng.random(BATCH) < 0.98, country_code("US"), country_code("FR"))
        rows["category"] = 1 + rng.choice(20, BATCH, p=categories / categories.sum())
        now = int(rows["time"][-1])
        yield slots, Columns(rows, np.empty((BATCH, 0)))


def nanoseconds(users: int) -> npt.NDArray[np.float64]:
    """For each batch, what a transaction of it took; the first quarter, which fills profiles, left out."""
    card, profiles = scorecard.load(), layout.empty(users)
    took = []
    for slots, columns in traffic(users):
        begun = time.perf_counter_ns()
        scoring.score(profiles, slots, columns, card, 0.7)
        took.append((time.perf_counter_ns() - begun) / BATCH)
    return np.array(took[BATCHES // 4 :])


if __name__ == "__main__":
    scoring.warm(lambda sentence: print(sentence, file=sys.stderr))  # noqa: T201
    for count in map(int, sys.argv[1:] or ("1000", "20000", "200000")):
        low, middle = np.percentile(nanoseconds(count), [5, 50])
        print(f"{count:>9,} users  p5 {low:4.0f} ns  p50 {middle:4.0f} ns")  # noqa: T201
