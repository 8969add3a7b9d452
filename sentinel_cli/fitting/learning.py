"""`sentinel fit`: a scorecard learnt from the first part of time.

Purpose: bands for each column, the columns that count, how much each counts; then the scorecard's text.

Design: two rounds. Alerts on a user are features too, but need a scorecard that raises them: the first
round learns without them, the second with the alerts that the first one's scorecard raises. A weight
times a band's evidence is the band's points.

Not here: reading (`sample`), judging (`judging`), the file's form (`writing`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from sentinel_cli.engine import scorecard
from sentinel_cli.engine.scorecard import Scorecard
from sentinel_cli.errors import InputError
from sentinel_cli.fitting import logistic, population, selecting, writing
from sentinel_cli.fitting.binning import Bools, Floats
from sentinel_cli.fitting.sample import Column, Sample
from sentinel_cli.fitting.selecting import Candidate

MOST_FACTORS = 60
# A factor whose points lie within so much of each other says too little to be read.
LEAST_SPREAD = 0.1
AT_ONCE = 0.75  # this part of the columns stays, whatever it says, when the others are left out


@dataclass(frozen=True)
class Fitted:
    """One factor: ``points`` by band as `Candidate` has its bands, the missing values' first."""

    column: Candidate
    points: Floats

    @property
    def spread(self) -> float:
        used = self.points[self.column.every > 0]
        return float(used.max() - used.min())


@dataclass(frozen=True)
class Fit:
    """``left_out`` says of each column that is no factor why."""

    card: Scorecard
    factors: list[Fitted]
    left_out: dict[str, str]


def learn(
    sample: Sample, name: str, threshold: float, advance: Callable[[int], None] = lambda _: None
) -> Fit:
    """``advance`` is told of each of the file's columns. Raises InputError where nothing tells fraud."""
    rows = sample.transactions.rows[sample.learn]
    habits = population.estimate(rows, sample.transactions.user[sample.learn])
    small = population.small_amount(rows["amount"])

    def round_of(alerts_of: Scorecard, level: float) -> Fit:
        behaviour = _candidates(sample.behaviour(alerts_of, level), sample.fraud)
        factors, bias, left_out = _chosen({**behaviour, **own}, sample.fraud)
        text = writing.toml(name, habits, small, factors, bias)
        return Fit(scorecard.parse(text, name), factors, left_out)

    own = _candidates(sample.of_file(), sample.fraud, advance)
    blank = scorecard.parse(writing.toml(name, habits, small, [], 0.0), name)
    first = round_of(blank, math.inf)
    return round_of(first.card, threshold)


def _candidates(
    columns: Iterable[Column], fraud: Bools, advance: Callable[[int], None] = lambda _: None
) -> dict[str, Candidate | str]:
    found = {}
    for name, values in columns:
        found[name] = selecting.candidate((name, values), fraud)
        advance(1)
    return found


def _chosen(
    candidates: dict[str, Candidate | str], fraud: Bools
) -> tuple[list[Fitted], float, dict[str, str]]:
    """The factors, the strongest first, the bias, and why each other column is left out."""
    left_out = {name: why for name, why in candidates.items() if isinstance(why, str)}
    telling = [c for c in candidates.values() if not isinstance(c, str)]
    if not telling:
        raise InputError("No column tells fraud from the rest, so there is nothing to make a scorecard of.")
    columns, alike = selecting.distinct(telling)
    factors, bias = _weighed(columns, fraud)
    kept = {f.column.name for f in factors}
    adds_nothing = {c.name: "adds nothing beside the others" for c in columns if c.name not in kept}
    return factors, bias, left_out | alike | adds_nothing


def _weighed(columns: list[Candidate], fraud: Bools) -> tuple[list[Fitted], float]:
    """On a part of the rows, leave out what adds least until every factor adds something; then the
    weights of these on all rows."""
    part = max(1, len(fraud) // selecting.SAMPLE)
    while True:
        factors, _ = _fit(columns, fraud, part)
        ranked = sorted(factors, key=lambda f: (-_says(f), f.column.name))
        enough = [f for f in ranked[:MOST_FACTORS] if f.spread >= LEAST_SPREAD]
        # Not all at once: many that say a little each of the same would all go, and nothing would say it.
        kept = [f.column for f in ranked[: max(len(enough), int(AT_ONCE * len(columns)))]]
        if len(kept) in {0, len(columns)}:
            break
        columns = kept
    factors, bias = _fit(columns, fraud, 1)
    return sorted(factors, key=lambda f: (-_says(f), f.column.name)), bias


def _fit(columns: list[Candidate], fraud: Bools, part: int) -> tuple[list[Fitted], float]:
    weights = logistic.fit(selecting.matrix(columns, part), fraud[::part])
    points = [np.round(w * c.evidence, 2) + 0.0 for c, w in zip(columns, weights.of, strict=True)]
    factors = [Fitted(c, p) for c, p in zip(columns, points, strict=True)]
    return [f for f in factors if f.spread], round(weights.bias, 2)


def _says(factor: Fitted) -> float:
    """How much the points differ from one transaction to the next: their standard deviation."""
    share = factor.column.every / factor.column.every.sum()
    mean = (share * factor.points).sum()
    return float(np.sqrt((share * (factor.points - mean) ** 2).sum()))
