"""Random traffic as the engine reads it: skewed users, bursts, late and repeated transactions."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from datasets.geography import country_code
from profiles import layout
from profiles.layout import Profiles
from sentinel_cli.engine import scoring
from sentinel_cli.engine.columns import TRANSACTION, Columns
from sentinel_cli.engine.scorecard import Scorecard
from sentinel_cli.engine.scoring import Scored

SECOND = 1_000_000
START = 1_756_166_400 * SECOND  # 2025-08-26T00:00:00Z
COUNTRIES = [country_code(c) for c in ("US", "FR", "JP", "BR", "ZA", "DE", "AU", "ZZ")] + [0]  # ZZ is nowhere


class History(NamedTuple):
    users: int
    slots: npt.NDArray[np.int64]
    columns: Columns

    def profiles(self) -> Profiles:
        """The users before it all; one in five is blocked for the first two days."""
        rows = layout.empty(self.users)
        rows["blocked_until"][::5] = START + 2 * 86_400 * SECOND
        return rows


def random_history(seed: int, n: int, users: int) -> History:
    rng = np.random.default_rng(seed)
    rank = 1 / np.arange(1, users + 1)
    slots = rng.choice(users, n, p=rank / rank.sum())
    rows = np.zeros(n, TRANSACTION)
    rows["time"] = START + np.cumsum(_gaps(rng, n)) - _lateness(rng, n)
    rows["amount"] = np.select(
        [rng.random(n) < 0.05, rng.random(n) < 0.2], [0.0, rng.uniform(0, 6, n)], rng.lognormal(4, 1.5, n)
    ).round(2)
    rows["transaction"] = rng.integers(1, 2**32, n)
    rows["device"] = rng.integers(0, 12, n)
    rows["country"] = rng.choice(COUNTRIES, n, p=[0.6, *[0.05] * 8])
    rows["category"] = rng.integers(0, 20, n)
    _repeat(rng, rows, slots)
    return History(users, slots, Columns(rows, np.empty((n, 0))))


def _gaps(rng: np.random.Generator, n: int) -> npt.NDArray[np.int64]:
    """Microseconds between arrivals: bursts, ordinary traffic, and now and then a long silence."""
    return rng.choice([0, 100_000, SECOND, 45 * SECOND, 3_600 * SECOND], n, p=[0.1, 0.4, 0.4, 0.09, 0.01])


def _lateness(rng: np.random.Generator, n: int) -> npt.NDArray[np.int64]:
    """One in eight is late, by seconds or by days."""
    late = rng.choice([1, 15, 70, 400, 3_599, 3_601, 10_000, 90_000, 300_000], n) * SECOND
    return np.where(rng.random(n) < 0.125, late, 0)


def _repeat(rng: np.random.Generator, rows: npt.NDArray[np.void], slots: npt.NDArray[np.int64]) -> None:
    """Some transactions share the instant of the user's one before, some come a second time."""
    for i in range(1, len(rows)):
        earlier = np.flatnonzero(slots[:i] == slots[i])
        kind = rng.random()
        if len(earlier) and kind < 0.05:
            rows["time"][i] = rows["time"][earlier[-1]]
        elif len(earlier) and kind < 0.08:
            rows[i] = rows[rng.choice(earlier[-12:])]


def run(
    history: History, card: Scorecard, threshold: float, cuts: list[int] | None = None
) -> tuple[Profiles, list[Scored]]:
    """The profiles and results after ``history``, cut before each position in ``cuts``."""
    profiles = history.profiles()
    n = len(history.slots)
    bounds = [0, *(cuts or []), n]
    parts = [
        scoring.score(
            profiles, history.slots[a:b], history.columns.part(a, b), card, threshold, keep_all=True
        )
        for a, b in pairwise(bounds)
    ]
    return profiles, parts
