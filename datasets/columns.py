"""A file's columns as what the pipeline computes with: numbers, text, labels, times.

Purpose: one conversion each, whatever the file's own type is (a CSV has text for everything that is
not known to be a number). What cannot be converted is one sentence with a value;
``where`` names the file and the column.

Not here: which column is which (`mapping`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute

from datasets.mapping import TimeColumn
from sentinel_cli.errors import InputError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_1970 = datetime(1970, 1, 1, tzinfo=UTC)

NO_LABEL = -1
MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_WORDS = {"true": 1, "false": 0, "1": 1, "0": 0, "1.0": 1, "0.0": 0}
_SHOWN = 40


def numbers(column: pa.ChunkedArray, where: str) -> Floats:
    """As float64, shape (rows,), NaN where there is none. Raises InputError for text that is no number."""
    plain = _plain(column)
    if pa.types.is_null(plain.type):
        return np.full(len(plain), np.nan)
    if not _is_number(plain.type):
        try:
            plain = plain.cast(pa.float64())
        except pa.ArrowException as error:
            value = _first_that_is_no_number(plain)
            raise InputError(
                f"{where} holds {value!r}, which is no number; write numbers as 1234.50, "
                "and nothing where there is none."
            ) from error
    return np.asarray(plain.cast(pa.float64(), safe=False).to_numpy(), np.float64)


def text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """As strings, with nulls. Whole numbers have no fraction, also where gaps made them floats: "315"."""
    plain = _plain(column)
    if pa.types.is_floating(plain.type):
        values = plain.drop_null().to_numpy()
        if (values == np.rint(values)).all() and (np.abs(values) < 2.0**63).all():
            plain = without_nan(plain).cast(pa.int64())
    return plain.cast(pa.string())


def natural(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """As numbers where it holds numbers, also as text or times; else as text. None for lists and the like."""
    plain, kind = _plain(column), pa.types
    if kind.is_string(plain.type) or kind.is_large_string(plain.type):
        try:
            return plain.cast(pa.float64())
        except pa.ArrowInvalid:
            return column
    if kind.is_boolean(plain.type) or kind.is_null(plain.type):
        return plain.cast(pa.int8())
    if kind.is_timestamp(plain.type):
        return plain.cast(pa.int64())
    return plain if _is_number(plain.type) else None


def without_nan(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Nulls instead of NaN."""
    if not pa.types.is_floating(column.type):
        return column
    return compute.if_else(compute.is_nan(column), None, column)


def missing(column: pa.ChunkedArray) -> int:
    """How many values are null or NaN."""
    if not pa.types.is_floating(column.type):
        return int(column.null_count)
    return int(compute.sum(column.is_null(nan_is_null=True)).as_py())


def labels(column: pa.ChunkedArray, where: str) -> npt.NDArray[np.int8]:
    """As 0 and 1, NO_LABEL where there is none. Raises InputError for anything else."""
    plain = _plain(column)
    if pa.types.is_string(plain.type) or pa.types.is_large_string(plain.type):
        known = [
            _WORDS.get(str(value).strip().lower(), np.nan if value else NO_LABEL)
            for value in plain.to_pylist()
        ]
        values = np.array(known, np.float64)
    else:
        values = np.nan_to_num(numbers(plain, where), nan=NO_LABEL)
    wrong = np.flatnonzero(~np.isin(values, (0, 1, NO_LABEL)))
    if len(wrong):
        value = plain[int(wrong[0])].as_py()
        raise InputError(f"{where} holds {value!r} in row {wrong[0] + 1:,}; labels are 0 and 1.")
    return values.astype(np.int8)


def times(column: pa.ChunkedArray, how: TimeColumn, where: str) -> Ints:
    """Microseconds since 1970, UTC.

    Raises InputError for what is no time, and where there is none: such an event has no place.
    """
    plain = _plain(column)
    if pa.types.is_timestamp(plain.type) or pa.types.is_date(plain.type):
        moments = plain.cast(pa.timestamp("us"), safe=False) if plain.null_count == 0 else None
        found = moments.cast(pa.int64()).to_numpy() if moments is not None else None
    elif _is_number(plain.type):
        values = numbers(plain, where)
        counted = np.rint(values * MICROSECONDS[how.unit])
        found = None if np.isnan(values).any() else counted.astype(np.int64) + microseconds(how.origin)
    else:
        found = _parsed(plain, how, where)
    if found is None:
        row = int(np.flatnonzero(plain.is_null(nan_is_null=True).to_numpy())[0]) + 1
        raise InputError(f"{where} has no time in row {row:,}: every transaction needs one.")
    return np.asarray(found, np.int64)


def microseconds(time: datetime) -> int:
    """Since 1970; a time without a zone is UTC."""
    return ((time if time.tzinfo else time.replace(tzinfo=UTC)) - _1970) // timedelta(microseconds=1)


def _parsed(plain: pa.ChunkedArray, how: TimeColumn, where: str) -> Any:
    """Text: RFC 3339 with or without a zone, or numbers."""
    if plain.null_count:
        return None
    for wanted in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            return plain.cast(wanted).cast(pa.int64()).to_numpy()
        except pa.ArrowInvalid:
            continue
    try:
        return times(plain.cast(pa.float64()), how, where)
    except pa.ArrowInvalid as error:
        raise InputError(
            f"{where} holds {plain[0].as_py()!r} and the like, which is no time: "
            "write 2026-01-31T12:00:00Z, or seconds."
        ) from error


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    if pa.types.is_decimal(column.type):
        return column.cast(pa.float64())
    return column.cast(pa.string()) if pa.types.is_string_view(column.type) else column


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_boolean(type_))


def is_text(type_: pa.DataType) -> bool:
    """Whether a column is text, also where it is a dictionary of texts."""
    plain = type_.value_type if pa.types.is_dictionary(type_) else type_
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))


def _first_that_is_no_number(column: pa.ChunkedArray) -> Any:
    for value in column.drop_null().to_pylist():
        try:
            float(value)
        except (TypeError, ValueError):
            return value[:_SHOWN] if isinstance(value, str) else value
    return None
