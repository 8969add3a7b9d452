"""The engine: ``score`` decides, ``explain`` says why. Nothing else in the program decides.

Purpose: the one entrance to the kernel, shared by live detection, replay, backtest and explain.

Design: pure. The profiles are changed in place, which is what "learn" means; everything else comes
back. The result does not depend on how the stream was cut into batches.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from datasets import geography
from profiles import layout
from profiles.layout import PROFILE, Profiles
from sentinel_cli.engine import compiled, ids, jsonread, jsonrows, jsonscan, kernel, scorecard, strings
from sentinel_cli.engine.columns import TRANSACTION, Columns
from sentinel_cli.engine.features import FLAGS, N_FEATURES, NAMES
from sentinel_cli.engine.scorecard import Scorecard, sentence_of
from sentinel_cli.records import Contribution


@dataclass(frozen=True, slots=True)
class Scored:
    """What a batch of n transactions came to.

    ``kept`` (m,) are the rows of the alerts (of every scored row with ``keep_all``), ``features``
    (m, N_FEATURES + k) what the factors saw, ``before`` (m,) the profiles they saw it from.
    """

    scores: npt.NDArray[np.float64]  # (n,), NaN where status is DUPLICATE or SKIPPED
    status: npt.NDArray[np.uint8]  # (n,), kernel.SCORED, ALERT, DUPLICATE, SKIPPED
    kept: npt.NDArray[np.int64]
    features: npt.NDArray[np.float64]
    before: Profiles


def score(
    profiles: Profiles,
    slots: npt.NDArray[np.int64],
    columns: Columns,
    card: Scorecard,
    threshold: float,
    *,
    keep_all: bool = False,
) -> Scored:
    """Score ``columns`` in order; ``profiles[slots[i]]`` is the profile of row i and learns from it.

    ``slots`` has shape (n,); below 0 a row is skipped. Raises ValueError where the kernel, which
    checks no bounds, would read or write beyond an array.
    """
    n = len(columns)
    _check(slots, columns, card)
    scores, status = np.empty(n), np.empty(n, np.uint8)
    kept, before = np.empty(n, np.int64), np.empty(n, PROFILE)
    features = np.empty((n, N_FEATURES + len(card.record_features)))
    count = kernel.score_batch(
        profiles, _plain(slots), _plain(columns.rows), _plain(columns.extra), geography.table(),
        card.population, card.feature, card.cuts, card.points, card.bias, float(threshold),
        scores, status, keep_all, kept, features, before,
    )  # fmt: skip
    if count < 0:
        raise ValueError(f"a slot is not below {len(profiles)}, or a country not below {geography.CODES}")
    return Scored(scores, status, kept[:count], features[:count], before[:count])


def _check(slots: npt.NDArray[np.int64], columns: Columns, card: Scorecard) -> None:
    n, extra = len(columns), len(card.record_features)
    if slots.shape != (n,) or columns.extra.shape != (n, extra):
        raise ValueError(
            f"{n} transactions need {n} slots and {n} x {extra} record features, "
            f"not {slots.shape} and {columns.extra.shape}"
        )


def _plain(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array as the kernel was compiled for: for any other it would be compiled again."""
    flags = array.flags
    return array if flags.c_contiguous and flags.writeable else np.require(array, requirements=["C", "W"])


def score_one(
    before: np.void, row: np.void, extra: list[float], card: Scorecard
) -> tuple[float, list[float]]:
    """The score of one transaction from the profile that it met, and its features (explain).

    A copy is scored, so that ``before`` stays what it was. The transaction itself is taken for new.
    """
    profile = layout.empty(1)
    profile[0] = before
    profile["recent"] = 0
    rows = np.empty(1, TRANSACTION)
    rows[0] = row
    columns = Columns(rows, np.array(extra, np.float64).reshape(1, -1))
    scored = score(profile, np.zeros(1, np.int64), columns, card, math.inf, keep_all=True)
    return float(scored.scores[0]), scored.features[0].tolist()


def points(features: npt.NDArray[np.float64], card: Scorecard) -> npt.NDArray[np.float64]:
    """What each of the F factors adds for ``features`` (m, N_FEATURES + k), shape (m, F)."""
    added = np.empty((len(features), len(card.feature)))
    kernel.add_points(_plain(features), card.feature, card.cuts, card.points, added)
    return added


def contributions(features: list[float], points: list[float], card: Scorecard) -> list[Contribution]:
    """What each factor added, the largest first; factors that added nothing are left out."""
    found = []
    for (name, place, reason), added in zip(_judges(card), points, strict=True):
        if added:
            value = features[place]
            if math.isnan(value):
                found.append(Contribution(name, None, added, f"no {name} yet"))
            else:
                found.append(Contribution(name, value, added, reason(value=value)))
    found.sort(key=_weight)
    return found


class _Judge(NamedTuple):
    """What the contribution of one factor is made from."""

    name: str
    place: int
    reason: Callable[..., str]


@lru_cache(maxsize=4)
def _judges(card: Scorecard) -> tuple[_Judge, ...]:
    return tuple(
        _Judge(factor.feature, place, sentence_of(factor).format)
        for factor, place in zip(card.factors, card.feature.tolist(), strict=True)
    )


def _weight(contribution: Contribution) -> float:
    return -abs(contribution.points)


_NO_FLAGS: dict[str, Any] = dict.fromkeys(FLAGS, False)
_FLAG_OF = {name: flag for flag, names in FLAGS.items() for name in names}


def risk_factors(features: list[float], found: list[Contribution]) -> dict[str, Any]:
    """The flags that stand, and every feature's value (None where there is nothing to compare with)."""
    risks = _NO_FLAGS.copy()
    for contribution in found:
        if contribution.points > 0 and contribution.factor in _FLAG_OF:
            risks[_FLAG_OF[contribution.factor]] = True
    # Only NaN is not itself; to ask `isnan` would take three times as long.
    values = [value if value == value else None for value in features[:N_FEATURES]]  # noqa: PLR0124
    risks.update(zip(NAMES, values, strict=True))
    return risks


def warm(report: Callable[[str], None]) -> float:
    """Compile the engine, or load what an earlier run compiled; returns the seconds it took.

    ``report`` is told before a compilation begins, which takes some ten seconds.
    """
    begun = time.perf_counter()
    if not compiled.CACHED:
        report(
            f"Compiling the scoring kernel, at each start: {compiled.FOLDER} cannot be written; "
            "let NUMBA_CACHE_DIR name a folder that can."
        )
    elif not compiled.is_cached():
        report("Compiling the scoring kernel for this machine; this is done once.")
    rows = np.zeros(1, TRANSACTION)
    card = scorecard.load()
    scored = score(layout.empty(1), np.zeros(1, np.int64), Columns(rows, np.empty((1, 0))), card, 1.0)
    points(scored.features, card)
    kernel.mark(np.zeros(1, np.int64), scored.status, 1, np.zeros(1, np.bool_), np.zeros(1, np.int64))
    strings.times([""])
    strings.hashes([""])
    jsonrows.warm()
    jsonscan.warm()
    ids.warm()
    jsonread.warm()
    compiled.mark_cached()
    return time.perf_counter() - begun
