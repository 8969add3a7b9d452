"""User ids as places in memory, and the table that knows each one's slot.

Purpose: find the profile of a record's user by the bytes of the id, without a Python string.

Design: open addressing with linear probing, at most half full. A place of the table holds the id's
hash and its slot in one word; the ids themselves stand one after the other in an arena, in the order of their
slots. The hash (FNV-1a, 32 bits) begins with a number of this process's own, so that nobody can
choose ids that meet.

Not here: what a slot holds (``streaming.partition``).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from sentinel_cli.engine import memory
from sentinel_cli.engine.compiled import jit
from sentinel_cli.engine.memory import EVERYTHING, Bytes, byte, same

Integers = npt.NDArray[np.int64]
N = TypeVar("N", np.uint8, np.int64)

_SMALLEST = 1_024
_BYTES_AN_ID = 16  # for which there is room; ids may be longer
_BASIS = 1 + secrets.randbits(31)
_PRIME = 16_777_619  # of FNV-1a in 32 bits
_31_BITS, _32_BITS = 0x7FFFFFFF, 0xFFFFFFFF


class Lease(Protocol):
    """Whose memory ids and values stand in."""

    def check(self) -> None:
        """Raises ValueError when it was given back."""


class Ids:
    """Texts at ``places`` (n,) of ``memory.EVERYTHING``, of ``sizes`` (n,) bytes in UTF-8.

    One becomes a string when it is asked for. ``lease`` says whether the memory may still be read,
    ``owner`` is kept alive for what stands in it.
    """

    __slots__ = ("_lease", "_owner", "places", "sizes")

    def __init__(
        self, places: Integers, sizes: Integers, *, lease: Lease | None = None, owner: object = None
    ) -> None:
        self.places, self.sizes, self._lease, self._owner = places, sizes, lease, owner

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, at: int) -> str:
        self.check()
        return memory.text(int(self.places[at]), int(self.sizes[at])).decode()

    def texts(self, which: Integers) -> list[str]:
        """Those at the positions ``which`` as strings, in a tenth of the time that they take one by one."""
        self.check()
        places, sizes = self.places[which], self.sizes[which]
        ends = np.cumsum(sizes)
        joined = np.empty(int(sizes.sum()), np.uint8)
        _join(EVERYTHING, places, sizes, joined)
        bounds = pairwise([0, *ends.tolist()])
        data = joined.tobytes()
        if data.isascii():
            text = data.decode("ascii")
            return [text[start:end] for start, end in bounds]
        return [data[start:end].decode() for start, end in bounds]

    def check(self) -> None:
        """Raises ValueError when the memory is no longer ours."""
        if self._lease is not None:
            self._lease.check()


def of(texts: Sequence[str] | Ids) -> Ids:
    """``texts`` as places."""
    if isinstance(texts, Ids):
        return texts
    encoded = [text.encode() for text in texts]
    sizes = np.fromiter(map(len, encoded), np.int64, len(encoded))
    array = np.frombuffer(b"".join(encoded) or b"\0", np.uint8)
    places = np.cumsum(sizes) - sizes + memory.place_of(array)
    return Ids(places, sizes, owner=array)


class Slots:
    """Numbers ids from 0 in the order in which they are added; there is ``room`` for so many, and more is
    made. Fewer than 2**31 can be held."""

    def __init__(self, room: int = _SMALLEST) -> None:
        self._room = room
        self._table = np.zeros(_SMALLEST, np.int64)  # the hash above 32 bits of slot + 1; 0 for none
        self._arena: Bytes = np.empty(_BYTES_AN_ID * room, np.uint8)
        self._ends: Integers = np.zeros(room + 1, np.int64)  # slot i stands from _ends[i] to _ends[i + 1]
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def find(self, ids: Ids) -> tuple[Integers, int]:
        """The slot of each id, shape (n,), -1 where it has none, and how many those are."""
        ids.check()
        found = np.empty(len(ids), np.int64)
        unknown = _find(
            EVERYTHING, ids.places, ids.sizes, self._table, self._arena, self._ends, _BASIS, found
        )
        return found, unknown

    def add(self, ids: Ids) -> None:
        """Give each of ``ids``, of which none has one, the next slot."""
        ids.check()
        first = self._count
        self._make_room(first + len(ids), int(self._ends[first] + ids.sizes.sum()))
        _add(EVERYTHING, ids.places, ids.sizes, self._table, self._arena, self._ends, first, _BASIS)
        self._count += len(ids)

    def texts(self, slots: Integers) -> list[str]:
        """The ids of ``slots``."""
        return self._ids(slots).texts(np.arange(len(slots)))

    def _ids(self, slots: Integers) -> Ids:
        starts = self._ends[slots]
        return Ids(starts + memory.place_of(self._arena), self._ends[slots + 1] - starts, owner=self._arena)

    def keep(self, slots: Integers) -> None:
        """Forget all but those in ``slots``, which are numbered anew in that order."""
        fresh = Slots(self._room)
        fresh.add(self._ids(slots))
        self._table, self._arena, self._ends = fresh._table, fresh._arena, fresh._ends
        self._count = len(slots)

    def _make_room(self, count: int, size: int) -> None:
        if size > len(self._arena):
            self._arena = _longer(self._arena, size)
        if count >= len(self._ends):
            self._ends = _longer(self._ends, count + 1)
        places = len(self._table)
        if 2 * count > places:
            while 2 * count > places:
                places *= 2
            old, self._table = self._table, np.zeros(places, np.int64)
            _move(old, self._table)


def _longer(array: npt.NDArray[N], least: int) -> npt.NDArray[N]:
    longer: npt.NDArray[N] = np.empty(max(least, 2 * len(array)), array.dtype)
    longer[: len(array)] = array
    return longer


def warm() -> None:
    """Compile the table, or load what an earlier run compiled."""
    slots = Slots()
    slots.add(of([str(number) for number in range(_SMALLEST)]))
    slots.find(of([""]))
    slots.texts(np.zeros(1, np.int64))


@jit
def _hash(data: Bytes, start: int, size: int, basis: int) -> int:
    found = basis
    for at in range(start, start + size):
        found = ((found ^ byte(data, at)) * _PRIME) & _32_BITS
    return (found ^ (found >> 15)) & _31_BITS


@jit
def _join(data: Bytes, places: Integers, sizes: Integers, joined: Bytes) -> None:
    end = 0
    for i in range(len(places)):
        for at in range(places[i], places[i] + sizes[i]):
            joined[end] = byte(data, at)
            end += 1


@jit
def _find(
    data: Bytes, places: Integers, sizes: Integers,
    table: Integers, arena: Bytes, ends: Integers, basis: int, found: Integers,
) -> int:  # fmt: skip
    last, unknown = len(table) - 1, len(places)
    for i in range(len(places)):
        start, size = places[i], sizes[i]
        hashed = _hash(data, start, size, basis)
        at = hashed & last
        found[i] = -1
        while table[at] != 0:
            if table[at] >> 32 == hashed:
                slot = (table[at] & _32_BITS) - 1
                there = ends[slot]
                if ends[slot + 1] - there == size and same(data, start, arena, there, size):
                    found[i] = slot
                    unknown -= 1
                    break
            at = (at + 1) & last
    return unknown


@jit
def _add(
    data: Bytes, places: Integers, sizes: Integers,
    table: Integers, arena: Bytes, ends: Integers, first: int, basis: int,
) -> None:  # fmt: skip
    last = len(table) - 1
    for i in range(len(places)):
        start, size, end = places[i], sizes[i], ends[first + i]
        for k in range(size):
            arena[end + k] = data[start + k]
        ends[first + i + 1] = end + size
        hashed = _hash(data, start, size, basis)
        at = hashed & last
        while table[at] != 0:
            at = (at + 1) & last
        table[at] = hashed << 32 | first + i + 1


@jit
def _move(old: Integers, new: Integers) -> None:
    last = len(new) - 1
    for i in range(len(old)):
        if old[i] != 0:
            at = old[i] >> 32 & last
            while new[at] != 0:
                at = (at + 1) & last
            new[at] = old[i]
