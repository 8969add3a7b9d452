"""Transactions and frauds by the values of something: an hour, an amount band, a product.

Purpose: one shape for every table of the analysis, so that they render, chart and compare alike.

Not here: what is broken down (`analysis`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datasets import columns
from datasets.columns import Floats, Ints

Bools = npt.NDArray[np.bool_]

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# Upper edges of the amount bands, included; the last band has none.
AMOUNT_EDGES = (5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000)
MOST_VALUES = 5_000  # of a text column that are told apart; the rest is one row
OTHER = "(all others)"
MISSING = "(missing)"

_HOUR = 3_600_000_000  # microseconds
_DAY = 24 * _HOUR
_THURSDAY = 3  # 1970-01-01


class Row(NamedTuple):
    """One value; ``frauds`` and the fraud ``rate`` are None where the file has no labels."""

    value: str | int
    transactions: int
    share: float
    frauds: int | None
    rate: float | None


class Labelled(NamedTuple):
    """Which rows are fraud; None where the file does not say."""

    fraud: Bools | None


def by_code(codes: Ints, names: Sequence[str | int], labelled: Labelled) -> list[Row]:
    """A row for each name, in their order; ``codes`` are positions in ``names``."""
    every = np.bincount(codes, minlength=len(names))
    stolen = None if labelled.fraud is None else np.bincount(codes[labelled.fraud], minlength=len(names))
    return [
        row(name, int(every[at]), len(codes), None if stolen is None else int(stolen[at]))
        for at, name in enumerate(names)
    ]


def row(value: str | int, transactions: int, of: int, frauds: int | None) -> Row:
    rate = frauds / transactions if frauds is not None and transactions else None
    return Row(value, transactions, transactions / max(of, 1), frauds, rate)


def by_hour(times: Ints, labelled: Labelled) -> list[Row]:
    return by_code(times // _HOUR % 24, list(range(24)), labelled)


def by_weekday(times: Ints, labelled: Labelled) -> list[Row]:
    return by_code((times // _DAY + _THURSDAY) % 7, list(WEEKDAYS), labelled)


def by_day(times: Ints, labelled: Labelled) -> list[Row]:
    """Every day from the first to the last, as dates."""
    first = int(times.min()) // _DAY
    days = times // _DAY - first
    dates = np.arange(first, first + int(days.max()) + 1).astype("datetime64[D]").astype(str)
    return by_code(days, dates.tolist(), labelled)


def by_amount(amounts: Floats, labelled: Labelled) -> list[Row]:
    """Missing amounts are in no band."""
    there = ~np.isnan(amounts)
    codes = np.digitize(amounts[there], AMOUNT_EDGES, right=True)
    fraud = None if labelled.fraud is None else labelled.fraud[there]
    return by_code(codes, bands(), Labelled(fraud))


def bands() -> list[str]:
    between = [f"{low} to {high}" for low, high in pairwise(AMOUNT_EDGES)]
    return [f"up to {AMOUNT_EDGES[0]}", *between, f"above {AMOUNT_EDGES[-1]}"]


def by_value(column: pa.ChunkedArray, labelled: Labelled) -> list[Row]:
    """The most common values first; what is missing, and what is too rare, are a row each."""
    encoded = columns.text(column).combine_chunks().dictionary_encode()
    codes = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy(zero_copy_only=False).astype(np.int64)
    names = [*encoded.dictionary.to_pylist(), MISSING]
    rows = sorted(by_code(codes, names, labelled), key=lambda r: -r.transactions)
    return most([r for r in rows if r.transactions], MOST_VALUES)


def most(rows: list[Row], n: int) -> list[Row]:
    """At most ``n`` rows: the first ones, and one for all others."""
    if len(rows) <= n:
        return rows
    kept, rest = rows[: n - 1], rows[n - 1 :]
    frauds = None if rest[0].frauds is None else sum(each.frauds or 0 for each in rest)
    of = round(sum(each.transactions for each in rows) / sum(each.share for each in rows))
    return [*kept, row(OTHER, sum(each.transactions for each in rest), of, frauds)]
