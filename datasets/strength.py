"""How well a single column tells fraud from the rest: AUC and information value, from counts by value.

Purpose: one number a column that says how much there is to learn from it. Everything follows from how
often each value occurs, and how often in fraud; so text, numbers and gaps are judged alike, and a
column of 590,540 rows costs a few hundredths of a second.

    AUC                the chance that a random fraud ranks above a random honest transaction, ties half.
                       Numbers rank by value, either way round; missing ones below or above all others,
                       whichever tells more. Text ranks by each value's fraud rate in one half of the
                       rows and is judged in the other half, or rare values would look like knowledge.
    information value  the sum over bins of (share of honest - share of fraud) * ln of their ratio
                       (Siddiqi, Credit Risk Scorecards, 2006), missing values a bin of their own.

Not here: reading the columns (`analysis`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_BINS = 10
# Text values of fewer rows than this share one bin.
_RAREST = 0.005
# Added to every bin's counts, so that an empty one has a finite weight.
_SMOOTHING = 0.5


class Strength(NamedTuple):
    """``distinct`` values, the share of rows that is ``missing``, and what the column tells."""

    column: str
    auc: float
    information_value: float
    distinct: int
    missing: float


class _Counts(NamedTuple):
    """Transactions and frauds by distinct value, and those where it is missing."""

    values: pa.Array
    every: Floats
    fraud: Floats
    missing: tuple[float, float]


def judge(name: str, column: pa.ChunkedArray, fraud: Bools) -> Strength:
    """How well ``column`` tells; ``fraud`` has a row for each of its rows."""
    encoded = (
        column.combine_chunks().dictionary_encode()
        if not _is_dictionary(column)
        else column.unify_dictionaries().combine_chunks()
    )
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64) + 1
    found = _counts(encoded.dictionary, codes, fraud)
    is_text = not _is_number(encoded.dictionary.type)
    auc = _auc_of_text(codes, len(found.values), fraud) if is_text else _auc_of_numbers(found)
    value = _information_value(found, is_text=is_text)
    missing = found.missing[0] / max(len(column), 1)
    return Strength(name, auc, value, int((found.every > 0).sum()), missing)


def _counts(values: pa.Array, codes: npt.NDArray[np.int64], fraud: Bools) -> _Counts:
    """Code 0 is a missing value, as is NaN."""
    every = np.bincount(codes, minlength=len(values) + 1).astype(np.float64)
    stolen = np.bincount(codes[fraud], minlength=len(values) + 1).astype(np.float64)
    gaps = (float(every[0]), float(stolen[0]))
    every, stolen = every[1:], stolen[1:]
    if pa.types.is_floating(values.type):
        nan = np.isnan(values.to_numpy())
        gaps = (gaps[0] + float(every[nan].sum()), gaps[1] + float(stolen[nan].sum()))
        values, every, stolen = values.filter(pa.array(~nan)), every[~nan], stolen[~nan]
    return _Counts(values, every, stolen, gaps)


def _auc_of_numbers(c: _Counts) -> float:
    order = np.argsort(np.asarray(c.values.to_numpy(zero_copy_only=False)), kind="stable")
    every, stolen = c.every[order], c.fraud[order]
    low = _auc(np.append(c.missing[0], every), np.append(c.missing[1], stolen))
    high = _auc(np.append(every, c.missing[0]), np.append(stolen, c.missing[1]))
    return max(low, 1 - low, high, 1 - high)


def _auc_of_text(codes: npt.NDArray[np.int64], distinct: int, fraud: Bools) -> float:
    """Rates from every other row rank the values of the rows between them."""
    every, stolen = (np.bincount(c, minlength=distinct + 1) for c in (codes[::2], codes[::2][fraud[::2]]))
    prior = fraud.mean() if len(fraud) else 0.0
    order = np.argsort((stolen + 20 * prior) / (every + 20), kind="stable")
    judged, truth = codes[1::2], fraud[1::2]
    return _auc(
        np.bincount(judged, minlength=distinct + 1)[order].astype(np.float64),
        np.bincount(judged[truth], minlength=distinct + 1)[order].astype(np.float64),
    )


def _auc(every: Floats, stolen: Floats) -> float:
    """Of groups in rising rank: the Mann-Whitney statistic with ties at half; 0.5 without both classes."""
    honest = every - stolen
    pairs = honest.sum() * stolen.sum()
    below = np.cumsum(honest) - honest
    return float((stolen * (below + honest / 2)).sum() / pairs) if pairs else 0.5


def _information_value(c: _Counts, *, is_text: bool) -> float:
    if not len(c.values):
        return 0.0
    bins = _text_bins(c) if is_text else _number_bins(c)
    stolen = np.append(np.bincount(bins, c.fraud), c.missing[1])
    every = np.append(np.bincount(bins, c.every), c.missing[0])
    used = every > 0
    honest, stolen = every[used] - stolen[used] + _SMOOTHING, stolen[used] + _SMOOTHING
    honest, stolen = honest / honest.sum(), stolen / stolen.sum()
    return float(((honest - stolen) * np.log(honest / stolen)).sum())


def _number_bins(c: _Counts) -> npt.NDArray[np.int64]:
    """Bins of about as many rows each; a value lies in one bin alone."""
    order = np.argsort(np.asarray(c.values.to_numpy(zero_copy_only=False)), kind="stable")
    middle = np.cumsum(c.every[order]) - c.every[order] / 2
    bins = np.empty(len(order), np.int64)
    bins[order] = middle / max(c.every.sum(), 1) * _BINS
    return np.minimum(bins, _BINS - 1)


def _text_bins(c: _Counts) -> npt.NDArray[np.int64]:
    common = c.every >= _RAREST * c.every.sum()
    return np.where(common, np.arange(len(c.every)) + 1, 0)


def _is_dictionary(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_dictionary(column.type))


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_boolean(type_))
