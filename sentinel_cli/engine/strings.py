"""Columns out of strings: times and hashes of a whole batch at once, compiled.

Purpose: turn a batch's strings into the numbers that the engine reads, without a Python call each.

Design: the strings are joined with NUL, which no valid record contains, and encoded once; a kernel
walks the bytes. A time in a form that it does not know is left to ``datetime``.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from datasets.geography import country_code
from sentinel_cli.engine.compiled import jit
from sentinel_cli.engine.memory import Bytes, byte


def _crc_tables() -> npt.NDArray[np.uint32]:
    """Of CRC-32 as zlib has it (polynomial 0xEDB88320, reflected): what a byte does to the sum, and what
    it does with one, two and three bytes behind it ("slicing by four", Kounavis and Berry 2008)."""
    tables = np.zeros((4, 256), np.uint32)
    for i in range(256):
        value = i
        for _ in range(8):
            value = (value >> 1) ^ (0xEDB88320 if value & 1 else 0)
        tables[0, i] = value
    for k in range(1, 4):
        tables[k] = tables[0, tables[k - 1] & 0xFF] ^ (tables[k - 1] >> 8)
    return tables


CRC_TABLES = _crc_tables()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNKNOWN = np.iinfo(np.int64).min
"""What ``times`` gives for a string that is no time."""


class ControlInside(ValueError):
    """One of the strings contains a control character (below U+0020)."""


def joined(strings: list[str]) -> Bytes:
    """The strings in UTF-8, a NUL after each.

    Raises ControlInside. Half a surrogate pair, which msgspec refuses, must not be among them.
    """
    data = np.frombuffer(("\0".join(strings) + "\0").encode(), np.uint8)
    if np.count_nonzero(data < 32) != max(len(strings), 1):
        raise ControlInside
    return data


def hashes(strings: list[str]) -> npt.NDArray[np.uint32]:
    """CRC-32 of each string, never 0 but for the empty one; shape (n,)."""
    found = np.empty(len(strings), np.uint32)
    _hash(joined(strings), CRC_TABLES[0], found)
    return found


def times(strings: list[str]) -> npt.NDArray[np.int64]:
    """Each RFC 3339 time in microseconds since 1970, no zone meaning UTC; UNKNOWN for anything else."""
    found = np.empty(len(strings), np.int64)
    unread = _times(joined(strings), found)
    if unread:
        for i in np.flatnonzero(found == UNKNOWN):
            found[i] = _slow_time(strings[i])
    return found


def countries(strings: list[str]) -> npt.NDArray[np.uint16]:
    """The number of each country, 0 for none."""
    return np.array([_country(s) for s in strings], np.uint16)


def folded(hashed: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint16]:
    """Hashes in 16 bits, for a column that takes few values; only 0 gives 0."""
    short = (hashed ^ (hashed >> np.uint32(16))).astype(np.uint16)
    return np.where((short == 0) & (hashed != 0), np.uint16(1), short)


_known_countries: dict[str, int] = {}


def _country(alpha2: str) -> int:
    code = _known_countries.get(alpha2)
    if code is None:
        code = country_code(alpha2.upper())
        if len(_known_countries) < 10_000:  # a stream of rubbish must not fill the memory
            _known_countries[alpha2] = code
    return code


# A space for the T is what RFC 3339 (5.6) lets a reader take, no zone is our own.
_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]([01]\d|2[0-3]):\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII
)


def _slow_time(text: str) -> int:
    if not _RFC_3339.fullmatch(text):  # datetime knows more of ISO 8601, and more with each Python
        return UNKNOWN
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return UNKNOWN
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    since = time - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


@jit
def _hash(data, table, found):  # type: ignore[no-untyped-def]
    crc = np.uint32(0xFFFFFFFF)
    at = 0
    empty = True
    for each in data:
        if each != 0:
            crc = table[(crc ^ each) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
            empty = False
            continue
        value = crc ^ np.uint32(0xFFFFFFFF)
        found[at] = np.uint32(0) if empty else max(value, np.uint32(1))
        crc = np.uint32(0xFFFFFFFF)
        empty = True
        at += 1


@jit
def _digits(data, at, count):  # type: ignore[no-untyped-def]
    value = 0
    for i in range(at, at + count):
        digit = byte(data, i) - 48
        if digit < 0 or digit > 9:
            return -1
        value = value * 10 + digit
    return value


@jit
def _time(data, at, length):  # type: ignore[no-untyped-def]
    """Microseconds of YYYY-MM-DDTHH:MM:SS[.f{1,6}][Z|+00:00]; UNKNOWN for any other form."""
    if length < 19 or length > 32:
        return UNKNOWN
    if byte(data, at + 4) != 45 or byte(data, at + 7) != 45 or byte(data, at + 10) != 84:  # - - T
        return UNKNOWN
    if byte(data, at + 13) != 58 or byte(data, at + 16) != 58:
        return UNKNOWN
    year, month, day = _digits(data, at, 4), _digits(data, at + 5, 2), _digits(data, at + 8, 2)
    hour, minute, second = _digits(data, at + 11, 2), _digits(data, at + 14, 2), _digits(data, at + 17, 2)
    if year < 1970 or month < 1 or month > 12 or day < 1 or day > 28 + (month != 2) * 2:
        return UNKNOWN  # the 29th of February and the 31st are left to datetime
    if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
        return UNKNOWN
    micros = 0
    end = at + length
    at += 19
    if at < end and byte(data, at) == 46:
        at += 1
        scale = 100_000
        while at < end and byte(data, at) >= 48 and byte(data, at) <= 57:
            if scale == 0:
                return UNKNOWN
            micros += (byte(data, at) - 48) * scale
            scale //= 10
            at += 1
        if scale == 100_000:
            return UNKNOWN
    rest = end - at
    zulu = rest == 1 and byte(data, at) == 90
    offset = rest == 6 and byte(data, at) == 43 and byte(data, at + 3) == 58
    if offset:
        offset = _digits(data, at + 1, 2) == 0 and _digits(data, at + 4, 2) == 0
    if not (rest == 0 or zulu or offset):
        return UNKNOWN
    # Days from civil, after Howard Hinnant: years begin in March, so that leap days come last.
    y = year - (month <= 2)
    era = y // 400
    yoe = y - era * 400
    doy = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    days = era * 146_097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719_468
    return ((days * 24 + hour) * 60 + minute) * 60_000_000 + second * 1_000_000 + micros


@jit
def _times(data, found):  # type: ignore[no-untyped-def]
    unread = 0
    start = 0
    at = 0
    for i in range(len(data)):
        if data[i] == 0:
            found[at] = _time(data, start, i - start)
            unread += found[at] == UNKNOWN
            at += 1
            start = i + 1
    return unread
