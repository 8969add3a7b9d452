"""Two files side by side: how far apart each of their distributions is.

Purpose: say whether synthetic traffic is like the genuine file, or this month like the last.

    total variation     of categories: half the sum of the differences of their shares; 0 is the same,
                        1 has nothing in common.
    Kolmogorov-Smirnov  of amounts: the largest difference of the two cumulative shares, at the edges
                        of the histogram (twelve a decade).

Not here: what the distributions are (`analysis`), how they are shown (`terminal`, `report`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from datasets.analysis import Amounts, Analysis
from datasets.breakdown import Row

TOTAL_VARIATION, KOLMOGOROV_SMIRNOV = "total variation", "Kolmogorov-Smirnov"


@dataclass(frozen=True)
class Distance:
    """How far apart one distribution is: of all ``transactions``, or of the ``frauds`` among them.

    ``most`` is the value whose share differs most, with its share in either file.
    """

    distribution: str
    of: str
    measure: str
    distance: float
    most: str = ""
    here: float = 0.0
    there: float = 0.0


@dataclass(frozen=True)
class Differing:
    """Something of one column in both files."""

    column: str
    here: float
    there: float


@dataclass(frozen=True)
class Comparison:
    """``missing`` and ``strength`` (AUC) have the columns of both files, the most different first."""

    distances: list[Distance]
    missing: list[Differing]
    strength: list[Differing]
    only_here: list[str]
    only_there: list[str]


def compare(here: Analysis, there: Analysis) -> Comparison:
    aucs = {each.column: each.auc for each in here.strongest}
    others = {each.column: each.auc for each in there.strongest}
    return Comparison(
        distances=[*_breakdowns(here, there), *_amounts(here, there)],
        missing=_differing(here.missing, there.missing),
        strength=_differing(aucs, others),
        only_here=[name for name in here.missing if name not in there.missing],
        only_there=[name for name in there.missing if name not in here.missing],
    )


def _breakdowns(here: Analysis, there: Analysis) -> Iterator[Distance]:
    for name in here.by:
        if name in there.by:
            for of in ("transactions", "frauds"):
                one, other = _shares(here.by[name], of), _shares(there.by[name], of)
                if one and other:
                    yield _total_variation(name, of, one, other)


def _shares(rows: list[Row], of: str) -> dict[str, float]:
    """The share of each value; empty where there is nothing to share."""
    counts = {str(row.value): getattr(row, of) or 0 for row in rows}
    total = sum(counts.values())
    return {value: count / total for value, count in counts.items()} if total else {}


def _total_variation(name: str, of: str, one: dict[str, float], other: dict[str, float]) -> Distance:
    gaps = {value: abs(one.get(value, 0.0) - other.get(value, 0.0)) for value in [*one, *other]}
    most = max(gaps, key=lambda value: gaps[value])
    return Distance(
        name,
        of,
        TOTAL_VARIATION,
        sum(gaps.values()) / 2,
        most,
        one.get(most, 0.0),
        other.get(most, 0.0),
    )


def _amounts(here: Analysis, there: Analysis) -> Iterator[Distance]:
    for part, of in (("all", "transactions"), ("fraud", "frauds")):
        one, other = here.amounts.get(part), there.amounts.get(part)
        if one and other and one.transactions and other.transactions:
            gap = np.abs(_cumulative(one) - _cumulative(other)).max()
            yield Distance("amount", of, KOLMOGOROV_SMIRNOV, float(gap))


def _cumulative(amounts: Amounts) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(np.cumsum(amounts.histogram) / amounts.transactions)


def _differing(here: dict[str, float], there: dict[str, float]) -> list[Differing]:
    both = [Differing(name, here[name], there[name]) for name in here if name in there]
    return sorted(both, key=lambda each: -abs(each.here - each.there))
