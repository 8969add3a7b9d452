"""Columns in the manner of IEEE-CIS's masked ones: C, D, M and V, with their gaps and their weak signals.

Purpose: synthetic files have every column that the genuine file has. What can be made from behaviour
is (days since the last purchase, purchases so far); the rest follows one hidden number a row, which
leans a little towards fraud, in blocks that are missing together.

Source: which columns are missing together, and how often, is widely published for the training file.

Not here: the file itself (`synthesis`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Named = Iterator[tuple[str, pa.Array]]

# How many standard deviations the hidden number of a fraud lies above an honest one's: alone it would
# have an AUC of 0.68, and no column shows all of it.
LEAN = 0.65


class Block(NamedTuple):
    """V columns ``first`` to ``last``, and the share of rows that have them."""

    first: int
    last: int
    share: float
    everywhere: bool = True  # else only where the product is not W


V_BLOCKS = (
    Block(1, 11, 0.527),
    Block(12, 34, 0.871),
    Block(35, 52, 0.714),
    Block(53, 74, 0.870),
    Block(75, 94, 0.849),
    Block(95, 137, 0.9995),
    Block(138, 166, 0.54, everywhere=False),
    Block(167, 216, 0.92, everywhere=False),
    Block(217, 278, 0.866, everywhere=False),
    Block(279, 321, 0.9999),
    Block(322, 339, 0.55, everywhere=False),
)
# Sums of money among the V columns; the others are counts and flags.
V_MONEY = frozenset(
    (*range(126, 138), *range(202, 217), *range(263, 279), *range(306, 322), *range(331, 340))
)

# The share of rows that have each D column, beyond what the column itself leaves empty.
D_SHARES = {
    2: 0.53, 3: 0.56, 4: 0.714, 5: 0.48, 6: 0.124, 7: 0.066, 8: 0.127, 9: 0.127, 10: 0.871, 11: 0.527,
    12: 0.11, 13: 0.105, 14: 0.105, 15: 0.849,
}  # fmt: skip

# Values of the M columns with their weights, the share of rows that have them, and whether W alone does.
M_COLUMNS = {
    "M1": (("T", "F"), (0.9999, 0.0001), 0.727, True),
    "M2": (("T", "F"), (0.894, 0.106), 0.727, True),
    "M3": (("T", "F"), (0.788, 0.212), 0.727, True),
    "M4": (("M0", "M1", "M2"), (0.635, 0.171, 0.194), 0.523, False),
    "M5": (("F", "T"), (0.551, 0.449), 0.407, False),
    "M6": (("F", "T"), (0.541, 0.459), 0.957, True),
    "M7": (("F", "T"), (0.866, 0.134), 0.556, True),
    "M8": (("F", "T"), (0.634, 0.366), 0.556, True),
    "M9": (("T", "F"), (0.842, 0.158), 0.556, True),
}


class Behaviour(NamedTuple):
    """What is known of each row of a chunk, shape (n,)."""

    fraud: Bools
    online: Bools  # whether the product is not W
    day: Floats  # days since the file's origin, with the fraction
    age: Floats  # whole days since the account's first day
    gap: Floats  # days since the user's previous transaction, NaN for a first one
    nth: Floats  # how many transactions the user had before
    amount: Floats


def columns(b: Behaviour, rng: np.random.Generator) -> Named:
    """C1 to V339, in the file's order."""
    hidden = rng.standard_normal(len(b.fraud)) + LEAN * b.fraud
    yield from _counts(b, rng, hidden)
    yield from _days(b, rng)
    yield from _matches(b, rng)
    yield from _engineered(b, rng, hidden)


def whole(values: npt.NDArray[Any], there: Bools | None, type_: pa.DataType) -> pa.Array:
    """Numbers without a fraction, null where they are not ``there`` or NaN."""
    mask = np.isnan(values) if there is None else ~there | np.isnan(values)
    return pa.array(np.where(mask, 0, values).astype(type_.to_pandas_dtype()), type_, mask=mask)


def texts(table: tuple[str, ...], codes: npt.NDArray[Any], there: Bools) -> pa.Array:
    """Entries of a table of texts, null where they are not ``there``."""
    index = pa.array(codes.astype(np.int32), mask=~there)
    return pa.DictionaryArray.from_arrays(index, pa.array(table, pa.string()))


def _counts(b: Behaviour, rng: np.random.Generator, hidden: Floats) -> Named:
    for number in range(1, 15):
        own = rng.standard_normal(len(hidden))
        spread = np.exp(0.45 * hidden + 0.6 * own)
        rare = number in {3, 4, 7, 8, 10, 12}  # zero for most
        base = 0.35 * spread if rare else 1 + 0.25 * spread * np.sqrt(1 + b.nth)
        yield f"C{number}", whole(np.floor(base * (2 - (number == 14))), None, pa.int16())


def _days(b: Behaviour, rng: np.random.Generator) -> Named:
    none = np.full(len(b.day), np.nan)
    since = np.floor(b.gap)
    start = np.floor(b.age * rng.random(len(b.day)))
    known: dict[int, Floats] = {
        1: np.where(rng.random(len(b.day)) < 0.998, b.age, np.nan),
        2: np.where(b.age > 0, b.age, np.nan),
        3: since,
        5: since,
        8: b.age * rng.random(len(b.day)) + np.round(rng.integers(0, 24, len(b.day)) / 24, 6),
        9: np.round(np.floor(b.day % 1 * 24) / 24, 6),
    }
    for number in range(1, 16):
        values = known.get(number, b.age if number in {4, 10, 11, 15} else start)
        values = np.where(rng.random(len(b.day)) < D_SHARES.get(number, 1.0), values, none)
        if number in {8, 9}:
            yield f"D{number}", pa.array(values.astype(np.float32), from_pandas=True)
        else:
            yield f"D{number}", whole(values, None, pa.int16())


def _matches(b: Behaviour, rng: np.random.Generator) -> Named:
    for name, (table, weights, share, offline) in M_COLUMNS.items():
        there = (rng.random(len(b.online)) < share) & ~(offline & b.online)
        lean = 0.04 * b.fraud  # thieves match a little less often
        codes = np.searchsorted(
            np.cumsum(weights[:-1]), np.minimum(rng.random(len(b.online)) + lean, 1), side="right"
        )
        yield name, texts(table, codes, there)


def _engineered(b: Behaviour, rng: np.random.Generator, hidden: Floats) -> Named:
    n = len(hidden)
    for block in V_BLOCKS:
        there = (rng.random(n) < block.share) & (b.online | block.everywhere)
        shared = (0.7 * hidden + 0.7 * rng.standard_normal(n)).astype(np.float32)
        for number in range(block.first, block.last + 1):
            level = 0.55 * shared + 0.8 * rng.standard_normal(n, np.float32)
            if number in V_MONEY:
                money = np.where(level > 0.2, b.amount * np.exp(level - 0.2), 0)
                yield f"V{number}", pa.array(np.round(money, 2).astype(np.float32), mask=~there)
            else:
                # Most are zeros and ones, some count far, each with a threshold of its own.
                count = np.exp((0.4 + 0.1 * (number % 11)) * (level - 0.15 * (number % 9)))
                yield f"V{number}", whole(np.floor(count), there, pa.int16())
