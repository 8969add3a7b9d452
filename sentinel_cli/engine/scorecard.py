"""The scorecard: which features count, and how many points each value is worth.

Purpose: read, check and version the TOML file that risk teams edit, and turn it into the arrays
that the kernel reads.

Design: points are log-odds. They add up with the bias, and the logistic function makes a score of
the sum. Cut points are ascending; a value falls into the band after the last cut it reaches, so k
cuts need k + 1 points. ``version`` is the sha256 of what the file says, not of how it is written.
Keys that it leaves out are no part of that: one that a later release adds changes no version.

Not here: what the features are (``features``), when a score is an alert (a setting).
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from sentinel_cli.engine import kernel, toml_lines
from sentinel_cli.engine.features import FEATURES, INDEX, N_FEATURES, NAMES, RECORD_PREFIX
from sentinel_cli.errors import ScorecardError

# Log-odds: a hundred of them are certainty, and any number of them still adds up to a number.
Points = Annotated[float, Meta(ge=-100, le=100)]
# Of the population nothing may be so small that a division by it is none.
Positive = Annotated[float, Meta(ge=0.001, le=1e9)]


class Factor(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One feature's points. ``missing`` is what a value that does not exist is worth; ``reason``
    is what an alert says, with ``{value}`` in it, where the feature's own sentence does not fit."""

    feature: str
    cuts: Annotated[list[float], Meta(min_length=1)]
    points: list[Points]
    missing: Points = 0.0
    reason: str = ""


class Population(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is assumed of a user before anything is known, and how much that weighs afterwards.

    ``weight`` counts in transactions: after that many of a user's own, both weigh the same.
    """

    amount_mean: Positive
    log_amount_mean: Annotated[float, Meta(ge=-20, le=20)]
    log_amount_sd: Positive
    transactions_per_day: Positive
    weight: Positive
    hour_shares: Annotated[list[Annotated[float, Meta(gt=0, le=1)]], Meta(min_length=24, max_length=24)]


class _File(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    name: str
    bias: Points
    small_amount: Annotated[float, Meta(ge=0)]
    population: Population
    factor: Annotated[list[Factor], Meta(min_length=1)]


@dataclass(frozen=True, slots=True, eq=False)
class Scorecard:
    """A checked scorecard and the kernel's arrays, F factors of at most C cuts.

    ``record_features`` names the record's own features, in the order of ``Columns.extra``.
    """

    name: str
    version: str
    text: str
    bias: float
    factors: tuple[Factor, ...]
    record_features: tuple[str, ...]
    population: npt.NDArray[np.float64]  # (kernel.N_POPULATION,)
    feature: npt.NDArray[np.int64]  # (F,)
    cuts: npt.NDArray[np.float64]  # (F, C + 2): minus infinity, the cuts, NaN to the end
    points: npt.NDArray[np.float64]  # (F, C + 2): for a missing value, below the first cut, ...


def load(path: Path | None = None) -> Scorecard:
    """The scorecard of a file, by default the packaged one. Raises ScorecardError."""
    if path is None:
        packaged = resources.files("sentinel_cli.engine").joinpath("scorecard.toml")
        return parse(packaged.read_text(encoding="utf-8"), "the packaged scorecard")
    return parse(toml_lines.read(path), str(path))


def parse(text: str, name: str) -> Scorecard:
    """The scorecard that ``text`` is; errors call it ``name``. Raises ScorecardError."""
    file = toml_lines.parse(text, _File, name)
    for index, factor in enumerate(file.factor):
        _check(factor, index, text, name)
    record_features = tuple(
        dict.fromkeys(
            f.feature.removeprefix(RECORD_PREFIX) for f in file.factor if f.feature.startswith(RECORD_PREFIX)
        )
    )
    return _build(file, text, record_features)


def _check(factor: Factor, index: int, text: str, name: str) -> None:
    def fault(key: str, reason: str) -> ScorecardError:
        return toml_lines.fault(text, name, f"$.factor[{index}].{key}", reason)

    own = factor.feature.startswith(RECORD_PREFIX) and factor.feature != RECORD_PREFIX
    if not own and factor.feature not in INDEX:
        raise fault(
            "feature", f"{factor.feature!r} is no feature; there are {', '.join(NAMES)} and features.NAME"
        )
    if any(a >= b for a, b in zip(factor.cuts, factor.cuts[1:], strict=False)):
        raise fault("cuts", f"{factor.cuts} must ascend")
    if len(factor.points) != len(factor.cuts) + 1:
        raise fault(
            "points", f"{len(factor.cuts)} cuts need {len(factor.cuts) + 1} points, not {len(factor.points)}"
        )
    try:
        reason_of(factor, 1.0)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise fault("reason", f"only {{value}} can be filled in: {error!r}") from error


def _build(file: _File, text: str, record_features: tuple[str, ...]) -> Scorecard:
    count, most = len(file.factor), max(len(f.cuts) for f in file.factor)
    cuts, points = np.full((count, most + 2), math.nan), np.zeros((count, most + 2))
    for i, factor in enumerate(file.factor):
        cuts[i, : 1 + len(factor.cuts)] = (-math.inf, *factor.cuts)
        points[i, : 1 + len(factor.points)] = (factor.missing, *factor.points)
    places = INDEX | {RECORD_PREFIX + name: N_FEATURES + i for i, name in enumerate(record_features)}
    return Scorecard(
        name=file.name,
        version=hashlib.sha256(msgspec.json.encode(file, order="sorted")).hexdigest(),
        text=text,
        bias=file.bias,
        factors=tuple(file.factor),
        record_features=record_features,
        population=_vector(file),
        feature=np.array([places[f.feature] for f in file.factor], np.int64),
        cuts=cuts,
        points=points,
    )


def _vector(file: _File) -> npt.NDArray[np.float64]:
    vector = np.empty(kernel.N_POPULATION)
    population = file.population
    vector[kernel.P_AMOUNT_MEAN] = population.amount_mean
    vector[kernel.P_LOG_MEAN] = population.log_amount_mean
    vector[kernel.P_LOG_SD] = population.log_amount_sd
    vector[kernel.P_DAILY] = population.transactions_per_day
    vector[kernel.P_WEIGHT] = population.weight
    vector[kernel.P_SMALL] = file.small_amount
    shares = np.array(population.hour_shares)
    vector[kernel.P_HOURS :] = shares / shares.sum()
    return vector


def reason_of(factor: Factor, value: float) -> str:
    """The sentence an alert gives for this factor at ``value``."""
    return sentence_of(factor).format(value=value)


def sentence_of(factor: Factor) -> str:
    """That sentence with ``{value}`` still in it."""
    if factor.reason:
        return factor.reason
    if factor.feature in INDEX:
        return FEATURES[INDEX[factor.feature]].reason
    return f"{factor.feature} is {{value:g}}"
