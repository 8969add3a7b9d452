"""JSON transactions in, columns out: compiled, in place, for records in the usual form.

Purpose: read hundreds of thousands of records a second where they stand, without a Python object each.

Design: a strict subset. One flat object; texts in ASCII without an escape; decimal numbers without an
exponent whose digits a float holds exactly, so that one division rounds them correctly (Clinger 1990);
`features`, if it is there, a flat object of such numbers. What passes is a good transaction with the
values that the decoder of ``streaming.codec`` gives, to the last bit. Anything else, good or bad, is
left to that decoder: this one refuses nothing. No byte beyond a record's end is read.

Records of one producer have their fields in one order, so each name is first compared with the one
that followed last time.

Not here: what is wrong with a record, and in which words (``streaming.codec``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sentinel_cli.engine import memory
from sentinel_cli.engine.columns import TRANSACTION
from sentinel_cli.engine.compiled import jit
from sentinel_cli.engine.memory import EVERYTHING, Bytes, byte, plain, same
from sentinel_cli.engine.strings import CRC_TABLES, UNKNOWN, _time

Integers = npt.NDArray[np.int64]

# The fields, in an order of our own: the columns first.
FIELDS = (
    "transaction_id", "user_id", "timestamp", "amount", "device_id", "country", "merchant_category",
    "features", "currency", "merchant_id", "product_code", "card_network", "card_type", "device_type",
    "email_domain",
)  # fmt: skip
_ID, _USER, _TIMESTAMP, _AMOUNT, _DEVICE, _COUNTRY, _CATEGORY, _FEATURES = range(8)
_N_FIELDS = len(FIELDS)
_REQUIRED = 0b1111  # the first four
_UNKNOWN_NAME = -1

_LONGEST_TEXT = 256  # characters; records.Text
_LARGEST_AMOUNT = 1e9  # records.Amount
_EXACT = 2**53  # every integer up to here is a float
_MOST_DIGITS = 10**17  # one digit more still fits into 64 bits
# Powers of ten that are floats exactly.
_POWERS = np.array([float(10**k) for k in range(23)])
_DAY_AHEAD = 86_400_000_000

_SPACE, _QUOTE, _COMMA, _MINUS, _POINT, _ZERO, _NINE, _COLON = 32, 34, 44, 45, 46, 48, 57, 58
_BLANKS = 1 << 9 | 1 << 10 | 1 << 13 | 1 << _SPACE  # tab, line feed, return
_OPEN, _CLOSE = 123, 125
_N, _U, _L = 110, 117, 108


@dataclass(frozen=True, slots=True)
class Read:
    """A batch of n records; where ``understood`` (n,) is False the rest of the row means nothing.

    ``rows`` (n,) and ``extra`` (n, k) are as in ``columns``; ``users`` and ``user_sizes`` (n,) say
    where each user_id stands.
    """

    understood: npt.NDArray[np.bool_]
    rows: npt.NDArray[np.void]
    extra: npt.NDArray[np.float64]
    users: Integers
    user_sizes: Integers

    def part(self, start: int, stop: int) -> Read:
        return Read(*(getattr(self, name)[start:stop] for name in self.__slots__))

    def only(self, which: npt.NDArray[np.bool_]) -> Read:
        return Read(*(getattr(self, name).compress(which, axis=0) for name in self.__slots__))


class Reader:
    """Reads transactions; ``record_features`` names what the scorecard wants of `features`.

    Times outside of ``earliest`` to ``latest`` in microseconds, or more than a day after their arrival,
    and records of more than ``largest`` bytes are left to the decoder.
    """

    def __init__(self, record_features: tuple[str, ...], *, earliest: int, latest: int, largest: int) -> None:
        names = [f'{name}"'.encode() for name in (*FIELDS, *record_features)]
        self._names = np.frombuffer(bytearray(b"".join(names)), np.uint8)
        self._bounds = np.cumsum([0, *map(len, names)])
        self._limits = np.array([earliest, latest, largest], np.int64)
        self._order = np.zeros(64, np.int64)  # the name that came last time at each position
        self._wanted = len(record_features)

    def read(self, places: Integers, sizes: Integers, arrived: Integers) -> Read:
        """Records of ``sizes`` (n,) bytes at ``places`` (n,) of ``memory.EVERYTHING``, none of no size;
        ``arrived`` (n,) are Kafka's timestamps in milliseconds, -1 for none."""
        n = len(places)
        understood, rows = np.empty(n, np.bool_), np.empty(n, TRANSACTION)
        extra = np.empty((n, self._wanted))
        users, user_sizes = np.empty((2, n), np.int64)
        _read(
            EVERYTHING, places, sizes, arrived, self._names, self._bounds, self._order, self._limits,
            CRC_TABLES, understood, rows, extra, users, user_sizes,
        )  # fmt: skip
        return Read(understood, rows, extra, users, user_sizes)


def warm() -> None:
    """Compile the reader, or load what an earlier run compiled."""
    value = np.frombuffer(b"{}", np.uint8)
    at, size = np.array([memory.place_of(value)]), np.array([len(value)])
    Reader((), earliest=0, latest=0, largest=2).read(at, size, np.array([-1]))


@jit
def _read(
    data: Bytes, places: Integers, sizes: Integers, arrived: Integers,
    names: Bytes, bounds: Integers, order: Integers, limits: Integers, crc_tables: npt.NDArray[np.uint32],
    understood: npt.NDArray[np.bool_], rows: npt.NDArray[np.void], extra: npt.NDArray[np.float64],
    users: Integers, user_sizes: Integers,
) -> None:  # fmt: skip
    starts, lengths = np.empty(_N_FIELDS, np.int64), np.empty(_N_FIELDS, np.int64)
    for i in range(len(places)):
        lengths[:] = 0
        understood[i] = False
        extra[i] = np.nan
        at, size = places[i], sizes[i]
        if size > limits[2]:
            continue
        amount = _record(data, at, at + size, names, bounds, order, starts, lengths, extra[i])
        if not 0.0 <= amount <= _LARGEST_AMOUNT:  # NaN is neither
            continue
        latest = arrived[i] * 1_000 + _DAY_AHEAD if arrived[i] >= 0 else limits[1]
        time = _time(data, starts[_TIMESTAMP], lengths[_TIMESTAMP])
        if time == UNKNOWN or time < limits[0] or time > latest:
            continue
        row = rows[i]
        row["time"] = time
        row["amount"] = amount
        row["transaction"] = _crc(data, starts[_ID], lengths[_ID], crc_tables)
        row["device"] = _crc(data, starts[_DEVICE], lengths[_DEVICE], crc_tables)
        row["country"] = _country(data, starts[_COUNTRY], lengths[_COUNTRY])
        row["category"] = _folded(_crc(data, starts[_CATEGORY], lengths[_CATEGORY], crc_tables))
        users[i], user_sizes[i] = starts[_USER], lengths[_USER]
        understood[i] = True


@jit
def _record(
    data: Bytes, at: int, end: int, names: Bytes, bounds: Integers, order: Integers,
    starts: Integers, lengths: Integers, extra: npt.NDArray[np.float64],
) -> float:  # fmt: skip
    """The amount of the record from ``at`` to ``end``, below zero if it is not understood; where its
    texts stand goes into ``starts`` and ``lengths``."""
    amount, seen, position = -1.0, 0, 0
    at = _blank(data, at, end)
    if at >= end or byte(data, at) != _OPEN:
        return -1.0
    while True:
        at = _blank(data, at + 1, end)
        if at >= end or byte(data, at) != _QUOTE:
            return -1.0
        field, at = _name(data, at + 1, end, names, bounds, 0, _N_FIELDS, order[position])
        if at < 0:
            return -1.0
        order[position] = max(field, 0)
        position = min(position + 1, len(order) - 1)
        if field >= 0:
            if seen >> field & 1:
                return -1.0
            seen |= 1 << field
        if field == _AMOUNT:
            at, amount = _number(data, at, end)
        elif field == _FEATURES:
            at = _features(data, at, end, names, bounds, extra)
        elif field == _UNKNOWN_NAME and at < end and byte(data, at) != _QUOTE:
            at, _ = _number(data, at, end)
        else:
            start = at + 1
            at = _text(data, at, end)
            if field >= 0:
                starts[field], lengths[field] = start, at - 1 - start
                if lengths[field] > _LONGEST_TEXT:
                    return -1.0
        if at < 0:
            return -1.0
        at = _blank(data, at, end)
        if at < end and byte(data, at) == _COMMA:
            continue
        if at != end - 1 or byte(data, at) != _CLOSE or seen & _REQUIRED != _REQUIRED:
            return -1.0
        if lengths[_ID] == 0 or lengths[_USER] == 0:
            return -1.0
        return amount


@jit
def _features(
    data: Bytes, at: int, end: int, names: Bytes, bounds: Integers, extra: npt.NDArray[np.float64]
) -> int:
    """Where the flat object of numbers that begins at ``at`` ends; -1 if it is none."""
    if at >= end or byte(data, at) != _OPEN:
        return -1
    at = _blank(data, at + 1, end)
    if at < end and byte(data, at) == _CLOSE:
        return at + 1
    guess, seen = 0, 0
    while at < end and byte(data, at) == _QUOTE:
        which, at = _name(data, at + 1, end, names, bounds, _N_FIELDS, len(bounds) - 1, _N_FIELDS + guess)
        if at < 0 or at >= end:
            return -1
        start = at
        if byte(data, at) == _N:
            at, value = _null(data, at, end)
        else:
            at, value = _number(data, at, end)
        if at < 0:
            return -1
        if which >= 0:
            k = which - _N_FIELDS
            # Given before, a number that is not exact, or more of them than bits.
            if k > 62 or seen >> k & 1 or (np.isnan(value) and byte(data, start) != _N):
                return -1
            seen |= 1 << k
            extra[k] = value
            guess = min(k + 1, len(bounds) - 2 - _N_FIELDS)
        at = _blank(data, at, end)
        if at < end and byte(data, at) == _CLOSE:
            return at + 1
        if at >= end or byte(data, at) != _COMMA:
            return -1
        at = _blank(data, at + 1, end)
    return -1


@jit
def _blank(data: Bytes, at: int, end: int) -> int:
    """The first place from ``at`` on that is no white space."""
    while at < end:
        found = byte(data, at)
        if found > _SPACE or not _BLANKS >> found & 1:
            break
        at += 1
    return at


@jit
def _text_end(data: Bytes, at: int, end: int) -> int:
    """The first place from ``at`` on, at most ``end``, that is no plain character of a text."""
    while at + 8 <= end:
        count = plain(data, at)
        at += count
        if count < 8:
            return at
    while at < end and _SPACE <= byte(data, at) < 128 and byte(data, at) != _QUOTE and byte(data, at) != 92:
        at += 1
    return at


@jit
def _text(data: Bytes, at: int, end: int) -> int:
    """Where the plain text whose quote stands at ``at`` ends, behind its quote; -1 if it is none."""
    if at >= end or byte(data, at) != _QUOTE:
        return -1
    at = _text_end(data, at + 1, end)
    return at + 1 if at < end and byte(data, at) == _QUOTE else -1


@jit
def _name(
    data: Bytes, at: int, end: int, names: Bytes, bounds: Integers, first: int, last: int, guess: int
) -> tuple[int, int]:
    """Which of the names from ``first`` to ``last`` stands at ``at``, and where its value begins (-1: it
    is not understood). ``guess`` is tried first."""
    which, behind = _UNKNOWN_NAME, 0
    if first <= guess < last and _is(data, at, end, names, bounds, guess):
        which = guess
    else:
        for each in range(first, last):
            if _is(data, at, end, names, bounds, each):
                which = each
                break
    if which >= 0:
        behind = at + bounds[which + 1] - bounds[which]
    else:
        behind = _text_end(data, at, end) + 1
        if behind > end or byte(data, behind - 1) != _QUOTE:
            return which, -1
    behind = _blank(data, behind, end)
    if behind >= end or byte(data, behind) != _COLON:
        return which, -1
    return which, _blank(data, behind + 1, end)


@jit
def _is(data: Bytes, at: int, end: int, names: Bytes, bounds: Integers, which: int) -> bool:
    start, size = bounds[which], bounds[which + 1] - bounds[which]
    return bool(at + size <= end and same(data, at, names, start, size))


@jit
def _number(data: Bytes, at: int, end: int) -> tuple[int, float]:
    """Where the decimal number at ``at`` ends (-1: it is none, or has an exponent), and its value, NaN
    where that takes more than one exact division."""
    negative = at < end and byte(data, at) == _MINUS
    at += negative
    start, digits, places, exact = at, 0, 0, True
    while at < end and _ZERO <= byte(data, at) <= _NINE:
        if digits < _MOST_DIGITS:
            digits = digits * 10 + byte(data, at) - _ZERO
        else:
            exact = False
        at += 1
    if at == start or (byte(data, start) == _ZERO and at > start + 1):
        return -1, np.nan
    if at < end and byte(data, at) == _POINT:
        point = at
        at += 1
        while at < end and _ZERO <= byte(data, at) <= _NINE:
            if digits < _MOST_DIGITS:
                digits = digits * 10 + byte(data, at) - _ZERO
                places += 1
            else:
                exact = False
            at += 1
        if at == point + 1:
            return -1, np.nan
    if at < end and (byte(data, at) | 32) == 101:  # e
        return -1, np.nan
    if not exact or digits > _EXACT or places > 22 or (negative and digits == 0):
        return at, np.nan
    value = digits / _POWERS[places]
    return at, -value if negative else value


@jit
def _null(data: Bytes, at: int, end: int) -> tuple[int, float]:
    if at + 4 > end or byte(data, at + 1) != _U or byte(data, at + 2) != _L or byte(data, at + 3) != _L:
        return -1, np.nan
    return at + 4, np.nan


@jit
def _crc(data: Bytes, at: int, size: int, tables: npt.NDArray[np.uint32]) -> np.uint32:
    """As ``strings.hashes``; four bytes in the time of one."""
    if size == 0:
        return np.uint32(0)
    crc, end = np.int64(0xFFFFFFFF), at + size
    while at + 4 <= end:
        crc ^= byte(data, at) | byte(data, at + 1) << 8 | byte(data, at + 2) << 16 | byte(data, at + 3) << 24
        low = tables[3, crc & 0xFF] ^ tables[2, crc >> 8 & 0xFF]
        crc = np.int64(low ^ tables[1, crc >> 16 & 0xFF] ^ tables[0, crc >> 24])
        at += 4
    while at < end:
        crc = np.int64(tables[0, (crc ^ byte(data, at)) & 0xFF]) ^ crc >> 8
        at += 1
    found = crc ^ 0xFFFFFFFF
    return np.uint32(found if found != 0 else 1)


@jit
def _folded(hashed: np.uint32) -> np.uint16:
    """As ``strings.folded``."""
    short = (hashed ^ (hashed >> np.uint32(16))) & np.uint32(0xFFFF)
    return np.uint16(1 if short == 0 and hashed != 0 else short)


@jit
def _country(data: Bytes, at: int, size: int) -> int:
    """As ``strings.countries``."""
    if size != 2:
        return 0
    first, second = (byte(data, at) & 0xDF) - 65, (int(byte(data, at + 1)) & 0xDF) - 65
    if first < 0 or first > 25 or second < 0 or second > 25:
        return 0
    return first * 26 + second + 1
