"""A column as a few bands, each with its weight of evidence.

    weight of evidence   ln(odds of fraud in the band / odds of fraud in all), in log-odds;
                         Good, Probability and the Weighing of Evidence, 1950; for scorecards:
                         Siddiqi, Credit Risk Scorecards, 2006, chapter 6

Purpose: cut points at which fraud changes, few and round enough to be read.

Design: fine bands first, at quantiles of everything and of the fraud, so that a rare tail that is all
fraud has a band of its own. Then the rates are made to rise or to fall throughout (pool adjacent
violators: Barlow, Bartholomew, Bremner, Brunk, Statistical Inference under Order Restrictions, 1972),
or to turn once where one turn explains much more (an hour's share may be low or high, an amount tiny
or large). Then neighbours that hardly differ become one. Missing values are a band of their own, and
a band of few transactions is drawn towards no evidence at all.

Not here: how bands of several columns add up (`logistic`), which columns count (`selecting`).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_FLOOR, Context
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint8]

MOST_BANDS = 6
# What a column's best cut points may gain by luck alone: chi-squared of one degree of freedom, p = 0.001.
CHANCE = 10.8
# One turn has to explain so much more than rates that rise or fall throughout.
TURN = 1.25
# A band counts as if so many transactions with everybody's fraud rate were among its own.
PRIOR = 50.0
# Bands of fewer transactions than this are luck.
SMALLEST = 100

_SAMPLE = 100_000
_DISTINCT = 64  # a column of at most so many values has a fine band for each
_QUANTILES = np.unique(
    [*np.linspace(0, 1, 33)[1:-1], *(q for tail in (0.002, 0.005, 0.01, 0.02) for q in (tail, 1 - tail))]
)
_OF_FRAUD = np.linspace(0, 1, 22)[1:-1]


class _Block(NamedTuple):
    """Neighbouring fine bands taken as one; ``first`` is the lowest of them."""

    first: int
    every: float
    fraud: float

    def with_next(self, other: _Block) -> _Block:
        return _Block(self.first, self.every + other.every, self.fraud + other.fraud)

    @property
    def rate(self) -> float:
        return self.fraud / self.every if self.every else 0.0

    @property
    def deviance(self) -> float:
        """-2 ln(likelihood) of the block's labels at the block's own rate."""
        honest = self.every - self.fraud
        if self.fraud <= 0 or honest <= 0:
            return 0.0
        return -2 * float(self.fraud * np.log(self.rate) + honest * np.log(honest / self.every))


def cuts_of(values: Floats, fraud: Bools, *, may_turn: bool = True) -> Floats:
    """Ascending cut points for ``values`` (n,), NaN where missing; none where they say nothing."""
    there = ~np.isnan(values)
    known, stolen = values[there], fraud[there]
    fine = _fine(known, stolen)
    if not len(fine):
        return fine
    band = np.searchsorted(fine, known, side="right")
    every = np.bincount(band, minlength=len(fine) + 1).astype(np.float64)
    caught = np.bincount(band[stolen], minlength=len(fine) + 1).astype(np.float64)
    blocks = [_Block(i, n, f) for i, (n, f) in enumerate(zip(every, caught, strict=True)) if n]
    bands = _merged(_shaped(blocks, may_turn=may_turn))
    return fine[[block.first - 1 for block in bands[1:]]]


def code(values: Floats, cuts: Floats) -> Codes:
    """The band of each value as a scorecard's points stand: 0 is missing, 1 is below the first cut."""
    bands = np.searchsorted(cuts, values, side="right") + 1
    return np.where(np.isnan(values), 0, bands).astype(np.uint8)


def evidence(every: Floats, fraud: Floats) -> Floats:
    """The weight of evidence of each band from its transactions and those that were fraud, shape (bands,)."""
    share = fraud.sum() / every.sum()
    rate = (fraud + PRIOR * share) / (every + PRIOR)
    return np.asarray(np.log(rate / (1 - rate)) - np.log(share / (1 - share)))


def _fine(known: Floats, stolen: Bools) -> Floats:
    """Rounded cut points at values that occur; the first band below them is never empty."""
    sample = known[:: max(1, len(known) // _SAMPLE)]
    distinct = np.unique(sample)
    if len(distinct) > _DISTINCT:
        caught = known[stolen]
        wanted = [np.quantile(sample, _QUANTILES, method="lower")]
        wanted += [np.quantile(caught, _OF_FRAUD, method="lower")] if len(caught) else []
        distinct = np.append(distinct[0], np.unique(np.concatenate(wanted)))
        distinct = np.unique(distinct)
    return np.array([_rounded(value, below) for below, value in pairwise(distinct.tolist())], np.float64)


def _rounded(value: float, below: float) -> float:
    """The shortest number at or under ``value`` that is nearer to it than to ``below``."""
    for digits in range(1, 17):
        short = float(Context(prec=digits, rounding=ROUND_FLOOR).create_decimal(repr(value)))
        if value - short < (value - below) / 2:
            return short
    return value


def _shaped(blocks: list[_Block], *, may_turn: bool) -> list[_Block]:
    """Blocks whose rates rise, or fall, or turn once, whichever explains the labels best."""
    straight = min((_pooled(blocks, 1), _pooled(blocks, -1)), key=_deviance)
    if not may_turn:
        return straight
    whole = _sum(blocks).deviance
    turning = min((_turning(blocks, 1), _turning(blocks, -1)), key=_deviance)
    gain, more = whole - _deviance(straight), whole - _deviance(turning)
    return turning if more > TURN * gain + CHANCE else straight


def _pooled(blocks: Iterable[_Block], direction: int) -> list[_Block]:
    """Pool adjacent violators until rates rise (``direction`` 1) or fall (-1)."""
    pools: list[_Block] = []
    for block in blocks:
        pools.append(block)
        while len(pools) > 1 and direction * (pools[-1].rate - pools[-2].rate) <= 0:
            last = pools.pop()
            pools.append(pools.pop().with_next(last))
    return pools


def _turning(blocks: list[_Block], direction: int) -> list[_Block]:
    """The best of all places to turn: up to there in ``direction``, from there on in the other."""
    splits = range(1, len(blocks))
    found = [_pooled(blocks[:at], direction) + _pooled(blocks[at:], -direction) for at in splits]
    return min(found, key=_deviance, default=blocks)


def _merged(blocks: list[_Block]) -> list[_Block]:
    """Neighbours become one while that costs nothing but luck, or there are too many."""
    blocks = list(blocks)
    while len(blocks) > 1:
        costs = [_cost(a, b) for a, b in pairwise(blocks)]
        at = int(np.argmin(costs))
        if costs[at] >= CHANCE and len(blocks) <= MOST_BANDS:
            break
        blocks[at : at + 2] = [blocks[at].with_next(blocks[at + 1])]
    return blocks


def _cost(a: _Block, b: _Block) -> float:
    """What one rate for both explains less; blocks that are too small come first."""
    cost = a.with_next(b).deviance - a.deviance - b.deviance
    return cost if min(a.every, b.every) >= SMALLEST else cost - 1e12


def _sum(blocks: Iterable[_Block]) -> _Block:
    first, *rest = blocks
    for block in rest:
        first = first.with_next(block)
    return first


def _deviance(blocks: list[_Block]) -> float:
    return sum(block.deviance for block in blocks)
