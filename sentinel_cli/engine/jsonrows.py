"""Columns of numbers in, JSON objects out, a few hundred nanoseconds each: compiled.

Purpose: what makes hundreds of thousands of records a second (generator, replay) writes them here.

Design: a record is a sequence of fields, each a fixed text followed by a value that is written from
one int64: a text of a table, digits, a decimal number, hex digits or a time. The texts are JSON
already; nothing is escaped here.

Not here: what the fields are (`streaming`), reading JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sentinel_cli.engine.compiled import jit

TEXT, DIGITS, DECIMAL, HEX, TIME = range(5)
_LONGEST_VALUE = 32  # bytes; a time with its microseconds has 27


class Field(NamedTuple):
    """``before`` is written as it is, then the value.

    TEXT: the number is a position in ``texts``. DIGITS: at least ``width`` digits, nothing if it is
    negative. DECIMAL: thousandths, at least two decimals. HEX: the lowest ``width`` half bytes.
    TIME: microseconds since 1970, as RFC 3339 in UTC.
    """

    before: str
    kind: int
    width: int = 0
    texts: Sequence[str] = ()


@dataclass(frozen=True)
class Lines:
    """Records one after the other: record i is ``text[ends[i - 1]:ends[i]]``, the first from 0."""

    text: bytes
    ends: npt.NDArray[np.int64]

    def split(self) -> list[bytes]:
        ends = self.ends.tolist()
        return [self.text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


class Writer:
    """Writes records of one shape: ``fields``, and ``after`` at the end of each."""

    def __init__(self, fields: Sequence[Field], after: str) -> None:
        texts = [field.before.encode() for field in fields] + [after.encode()]
        first = []
        for field in fields:
            first.append(len(texts))
            texts += [text.encode() for text in field.texts]
        self._kinds = np.array([field.kind for field in fields])
        # Of a text the position of its table's first, of digits how many there are at least.
        self._details = np.array(
            [at if field.kind == TEXT else field.width for field, at in zip(fields, first, strict=True)]
        )
        self._bounds = np.cumsum([0, *map(len, texts)])
        self._text = np.frombuffer(b"".join(texts), np.uint8)
        self._longest = int(self._bounds[len(fields) + 1]) + sum(
            max(map(len, map(str.encode, field.texts)), default=_LONGEST_VALUE) for field in fields
        )

    def write(self, values: Sequence[npt.NDArray[np.int64]]) -> Lines:
        """One record for each row; ``values`` has one column of shape (n,) for each field."""
        columns = np.ascontiguousarray(np.stack(values), np.int64)
        out = np.empty(columns.shape[1] * self._longest, np.uint8)
        ends = np.empty(columns.shape[1], np.int64)
        size = _write(self._kinds, self._details, columns, self._text, self._bounds, out, ends)
        return Lines(out[:size].tobytes(), ends)


def warm() -> None:
    """Compile the writer, or load what an earlier run compiled."""
    Writer((Field("", DIGITS),), "").write([np.zeros(1, np.int64)])


@jit
def _write(kinds, details, values, text, bounds, out, ends):  # type: ignore[no-untyped-def]
    at = 0
    for row in range(values.shape[1]):
        for field in range(len(kinds)):
            at = _copy(text, bounds, field, out, at)
            kind, detail, value = kinds[field], details[field], values[field, row]
            if kind == TEXT:
                at = _copy(text, bounds, detail + value, out, at)
            elif kind == DIGITS:
                if value >= 0:
                    at = _digits(value, detail, out, at)
            elif kind == DECIMAL:
                at = _decimal(value, out, at)
            elif kind == HEX:
                at = _hex(value, detail, out, at)
            else:
                at = _time(value, out, at)
        at = _copy(text, bounds, len(kinds), out, at)
        ends[row] = at
    return at


@jit
def _copy(text, bounds, which, out, at):  # type: ignore[no-untyped-def]
    # Unsigned positions cannot be negative, which spares a check for each byte: a tenth of the time.
    size, source, target = (
        np.uint64(bounds[which + 1] - bounds[which]),
        np.uint64(bounds[which]),
        np.uint64(at),
    )
    for place in range(size):
        out[target + place] = text[source + place]
    return at + bounds[which + 1] - bounds[which]


@jit
def _digits(value, least, out, at):  # type: ignore[no-untyped-def]
    width, limit = 1, 10
    while width < 18 and (width < least or value >= limit):
        width += 1
        limit *= 10
    return _fixed(value, width, out, at)


@jit
def _fixed(value, width, out, at):  # type: ignore[no-untyped-def]
    # Unsigned as in _copy; division by ten is then a multiplication, too.
    rest, ten, first = np.uint64(value), np.uint64(10), np.uint64(at)
    for back in range(np.uint64(width)):
        out[first + np.uint64(width - 1) - back] = np.uint8(rest % ten) + np.uint8(48)
        rest //= ten
    return at + width


@jit
def _decimal(thousandths, out, at):  # type: ignore[no-untyped-def]
    at = _digits(thousandths // 1000, 1, out, at)
    out[at] = 46  # .
    at = _fixed(thousandths // 10 % 100, 2, out, at + 1)
    if thousandths % 10:
        out[at] = 48 + thousandths % 10
        at += 1
    return at


@jit
def _hex(value, width, out, at):  # type: ignore[no-untyped-def]
    for place in range(at + width - 1, at - 1, -1):
        digit = value & 15
        out[place] = 48 + digit if digit < 10 else 87 + digit
        value >>= 4
    return at + width


@jit
def _time(microseconds, out, at):  # type: ignore[no-untyped-def]
    """Year, month and day by Howard Hinnant's civil_from_days; for 1970 to 9999."""
    days, rest = microseconds // 86_400_000_000, microseconds % 86_400_000_000
    shifted = days + 719_468  # days since 0000-03-01
    era_day = shifted % 146_097
    year_of_era = (era_day - era_day // 1460 + era_day // 36_524 - era_day // 146_096) // 365
    day_of_year = era_day - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    march_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * march_month + 2) // 5 + 1
    month = march_month + 3 if march_month < 10 else march_month - 9
    year = year_of_era + shifted // 146_097 * 400 + (1 if month <= 2 else 0)
    at = _part(year, 4, 45, out, at)
    at = _part(month, 2, 45, out, at)
    at = _part(day, 2, 84, out, at)
    at = _part(rest // 3_600_000_000, 2, 58, out, at)
    at = _part(rest // 60_000_000 % 60, 2, 58, out, at)
    at = _part(rest // 1_000_000 % 60, 2, 46, out, at)
    return _part(rest % 1_000_000, 6, 90, out, at)


@jit
def _part(value, width, mark, out, at):  # type: ignore[no-untyped-def]
    at = _fixed(value, width, out, at)
    out[at] = mark
    return at + 1
