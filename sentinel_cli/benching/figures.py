"""Several rounds as one figure each: the median, and how far the others lie from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median

Spread = dict[str, float]
Round = Mapping[str, float]  # the figures of one, by their names


def of_rounds(
    count: int, one: Callable[[], Round], say: Callable[[str], None], sentence: Callable[[Round], str]
) -> dict[str, object]:
    """The ``summary`` of ``count`` rounds, of each of which ``say`` is told a ``sentence``."""
    rounds = []
    for number in range(1, count + 1):
        rounds.append(one())
        say(f"  {number} of {count}: {sentence(rounds[-1])}")
    return summary(rounds)


def a_second(found: Round) -> str:
    share, raw = found["ratio_to_raw"], found["raw_drain_tps"]
    return f"{found['tps']:,} a second, {share:.2f} of the raw drain's {raw:,}"


def spread(values: Sequence[float]) -> Spread:
    """{"min": …, "median": …, "max": …}"""
    return {"min": min(values), "median": rounded(median(values)), "max": max(values)}


def summary(rounds: Sequence[Round]) -> dict[str, object]:
    """The median of each figure under its name, and the spread of each beneath "spread"."""
    spreads = {name: spread([each[name] for each in rounds]) for name in rounds[0]}
    medians: dict[str, object] = {name: values["median"] for name, values in spreads.items()}
    return {**medians, "rounds": len(rounds), "spread": spreads}


def rounded(value: float) -> float:
    """Four digits that count, and no decimals where there are as many before the point."""
    return float(f"{value:.4g}") if abs(value) < 1_000 else round(value)
