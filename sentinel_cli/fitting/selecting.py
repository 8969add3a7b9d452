"""Which columns become factors: those that tell fraud, keep telling it, and say what no other says.

    information value  sum over bands of (share of fraud - share of honest) * weight of evidence
                       (Siddiqi, Credit Risk Scorecards, 2006): under 0.02 a column tells nothing

Design: three sieves, each with a reason that the report gives. A column has to tell at all; what its
bands meant in the first three quarters of the rows has to hold in the fourth (a logistic regression of
their fraud on that evidence alone has a slope of 1 where nothing changed, and 0 where nothing was left
of it); and it may not say the same as a stronger one.

Not here: how much each chosen column counts (`logistic`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sentinel_cli.engine.features import INDEX
from sentinel_cli.fitting import binning
from sentinel_cli.fitting.binning import Bools, Codes, Floats
from sentinel_cli.fitting.sample import Column

LEAST_INFORMATION = 0.01  # half of what the books take for nothing: many little ones add up
LEAST_SLOPE = 0.5
SAME = 0.95  # columns whose evidence correlates so much say the same
MOST_COLUMNS = 200
FIRST_ROWS = 0.75

# Of the engine's features, those of which both ends may be odd; of a count, a sum or a novelty more is more.
TURNING = frozenset(
    {
        *("amount", "amount_vs_avg_ratio", "amount_zscore", "hour_share_user", "hour_share_population"),
        *("seconds_since_last", "transactions_so_far"),
    }
)
SAMPLE = 100_000  # rows that are enough to see which columns are alike


class Candidate(NamedTuple):
    """A column in bands, the missing values' first: ``codes`` (n,) of the rows, and by band how many
    rows, how many frauds among them, and the weight of evidence."""

    name: str
    cuts: Floats
    codes: Codes
    every: Floats
    fraud: Floats
    evidence: Floats

    @property
    def information(self) -> float:
        honest = self.every - self.fraud
        apart = self.fraud / self.fraud.sum() - honest / honest.sum()
        return float((apart * self.evidence).sum())


def candidate(column: Column, fraud: Bools) -> Candidate | str:
    """The column in bands, or why it cannot be a factor. The rows are in the order of time."""
    name, values = column
    cuts = binning.cuts_of(values, fraud, may_turn=name in TURNING or name not in INDEX)
    if not len(cuts) and np.isnan(values).any() and not np.isnan(values).all():
        cuts = np.array([np.nanmin(values)])  # being there at all may tell
    if not len(cuts):
        return "has no values" if np.isnan(values).all() else "tells nothing"
    codes = binning.code(values, cuts)
    every, stolen = _counts(codes, fraud, len(cuts) + 2)
    evidence = binning.evidence(every, stolen)
    evidence[1] = evidence[1] if every[1] else evidence[2]  # nothing was ever below: as the band beside it
    found = Candidate(name, cuts, codes, every, stolen, evidence)
    if found.information < LEAST_INFORMATION:
        return "tells nothing"
    return found if _lasts(found, fraud) else "what it told did not last"


def distinct(candidates: list[Candidate]) -> tuple[list[Candidate], dict[str, str]]:
    """The strongest that are not alike, and what each of the others is like."""
    ranked = sorted(candidates, key=lambda c: (-c.information, c.name))
    alike = _alike(ranked)
    kept: list[int] = []
    dropped = {}
    for at, each in enumerate(ranked):
        nearest = max(kept, key=lambda other: alike[at, other], default=None)
        if nearest is not None and alike[at, nearest] > SAME:
            dropped[each.name] = f"says what {ranked[nearest].name} says"
        elif len(kept) == MOST_COLUMNS:
            dropped[each.name] = f"weaker than {MOST_COLUMNS} others"
        else:
            kept.append(at)
    return [ranked[at] for at in kept], dropped


def matrix(candidates: list[Candidate], every: int = 1) -> npt.NDArray[np.float32]:
    """The weight of evidence of every so many rows, shape (rows, candidates)."""
    columns = [c.evidence.astype(np.float32)[c.codes[::every]] for c in candidates]
    return np.stack(columns, axis=1)


def _counts(codes: Codes, fraud: Bools, bands: int) -> tuple[Floats, Floats]:
    every = np.bincount(codes, minlength=bands).astype(np.float64)
    return every, np.bincount(codes[fraud], minlength=bands).astype(np.float64)


def _lasts(c: Candidate, fraud: Bools) -> bool:
    """Whether the last quarter's fraud follows what the bands meant before, unless that is luck."""
    at = int(FIRST_ROWS * len(fraud))
    before = binning.evidence(*_counts(c.codes[:at], fraud[:at], len(c.every)))
    every, stolen = _counts(c.codes[at:], fraud[at:], len(c.every))
    share = stolen.sum() / every.sum()
    mean = (every * before).sum() / every.sum()
    information = share * (1 - share) * (every * (before - mean) ** 2).sum()
    if not information:
        return False
    slope = ((stolen - share * every) * (before - mean)).sum() / information
    return bool(slope + 2 / math.sqrt(information) >= LEAST_SLOPE)


def _alike(candidates: list[Candidate]) -> npt.NDArray[np.float32]:
    """How the columns' evidence correlates, shape (p, p)."""
    rows = len(candidates[0].codes)
    x = matrix(candidates, max(1, rows // SAMPLE))
    x -= x.mean(axis=0)
    length = np.sqrt((x * x).sum(axis=0))
    x /= np.where(length > 0, length, 1)
    return np.asarray(x.T @ x)
