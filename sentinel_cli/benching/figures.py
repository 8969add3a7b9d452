"""Several rounds as one figure each: the median, and how far the others lie from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

Spread = dict[str, float]


def spread(values: Sequence[float]) -> Spread:
    """{"min": …, "median": …, "max": …}"""
    return {"min": min(values), "median": rounded(median(values)), "max": max(values)}


def summary(rounds: Sequence[Mapping[str, float]]) -> dict[str, object]:
    """The median of each figure under its name, and the spread of each beneath "spread"."""
    spreads = {name: spread([each[name] for each in rounds]) for name in rounds[0]}
    medians: dict[str, object] = {name: values["median"] for name, values in spreads.items()}
    return {**medians, "rounds": len(rounds), "spread": spreads}


def rounded(value: float) -> float:
    """Four digits that count, and no decimals where there are as many before the point."""
    return float(f"{value:.4g}") if abs(value) < 1_000 else round(value)
