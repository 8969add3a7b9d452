"""What a worker holds of one partition: its users' profiles, and what of them is not saved yet.

Purpose: the write-through cache. A profile has a slot in one array; the kernel changes it there;
``snapshot`` copies what changed into the next save.

Design: a batch is what was scored since the last snapshot. Only slots that are saved can be given
to another user, so that a profile is never read back from the store older than it was. Slots are
found by the bytes of the id (``engine.ids``); only a user who gets one becomes a string.

The arrays have room for half as much again as may be held, from the beginning: the system gives memory when
it is first written to, and what grew by copying would need it twice.

Not here: when to load and save (``worker``), how (``profiles``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from profiles import layout
from profiles.contract import Blocks, Save
from profiles.layout import Profiles
from sentinel_cli.engine import ids, kernel
from sentinel_cli.engine.ids import Ids, Slots
from sentinel_cli.streaming.batches import Ack, Letter

# At least so many slots are made room for.
FIRST_SLOTS = 1_024
# Rows that are copied beside the array when some of it is given up: 4 MB.
MOVED_AT_ONCE = 10_000


class Partition:
    """``begin`` is the offset in the store, ``next`` the next one to score; what lies between is in
    ``rows`` alone. ``capacity`` bounds the profiles held once everything is saved. What comes of
    records below ``sent`` is on the topics already (transactional delivery)."""

    def __init__(
        self, number: int, begin: int | None, blocks: int, capacity: int, now: float, sent: int = 0
    ) -> None:
        self.number = number
        self.begin = begin
        self.next = begin
        self.blocks = blocks
        self.new_blocks: Blocks | None = None
        self.records = 0  # scored since the last snapshot
        self.since = now  # when the first of them was, or when the last save ended
        self.ack = Ack()  # of what was sent since the last snapshot
        self.sent = sent
        self.letters: list[Letter] = []  # what the next save's transaction will send
        room = max(capacity + capacity // 2, FIRST_SLOTS)
        self.rows: Profiles = layout.empty(room)
        self._capacity = capacity
        self._slots = Slots(room)
        # What was just looked for, and all of it found: the next question is where.
        self._found: tuple[Ids | None, npt.NDArray[np.int64] | None] = (None, None)
        self._changed = np.zeros(room, np.bool_)
        self._used = np.zeros(room, np.int64)  # the turn of the batch that last used a slot
        self._turn = 0

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def changed(self) -> int:
        """Profiles that the next snapshot would hold."""
        return int(np.count_nonzero(self._changed[: len(self._slots)]))

    @property
    def unsaved(self) -> bool:
        return self.next != self.begin or self.new_blocks is not None

    def missing(self, users: Sequence[str] | Ids) -> list[str]:
        """Those of ``users`` that have no slot yet, each once."""
        found = ids.of(users)
        slots, unknown = self._slots.find(found)
        if not unknown:
            self._found = found, slots
            return []
        return list(dict.fromkeys(found.texts(np.flatnonzero(slots < 0))))

    def admit(self, users: list[str], rows: Profiles) -> None:
        """Give each of ``users``, none of whom has one, a slot with its profile."""
        first = len(self._slots)
        self._grow(first + len(users))
        layout.whole(self.rows)[first : first + len(users)] = layout.whole(rows)
        self._slots.add(ids.of(users))

    def slots(self, users: Sequence[str] | Ids) -> npt.NDArray[np.int64]:
        """The slot of each of ``users``, shape (n,); all must have been admitted."""
        asked, slots = self._found
        self._found = None, None
        return slots if slots is not None and asked is users else self._slots.find(ids.of(users))[0]

    def learned(
        self,
        slots: npt.NDArray[np.int64],
        status: npt.NDArray[np.uint8],
        records: int,
        next_offset: int,
        now: float,
    ) -> int:
        """``records`` up to ``next_offset`` have been scored, those in ``slots`` (n,) with ``status`` (n,);
        how many of these have changed their profiles, since they were no duplicates."""
        if not self.records:
            self.since = now
        self.records += records
        self.next = next_offset
        self._turn += 1
        return int(kernel.mark(slots, status, self._turn, self._changed, self._used))

    def block(self) -> None:
        """Let the profiles take in the blocks that were read; all their users must have been admitted."""
        if self.new_blocks is None:
            return
        until_of = self.new_blocks.until
        for slot, until in zip(self.slots(list(until_of)).tolist(), until_of.values(), strict=True):
            self.rows[slot]["version"] = layout.VERSION
            self.rows[slot]["blocked_until"] = until
            self._changed[slot] = True
        self.blocks, self.new_blocks = self.new_blocks.version, None

    def snapshot(self) -> tuple[Save, Ack, list[Letter]]:
        """Everything unsaved as one save, the acknowledgements it has to wait for, what it has to send."""
        slots = np.flatnonzero(self._changed[: len(self._slots)])
        users = self._slots.texts(slots)
        assert self.next is not None, "nothing was scored"
        # `take` copies a row as a whole; an index would go through it field by field, eighteen times slower.
        save = Save(self.number, self.begin, self.next, users, self.rows.take(slots), self.blocks)
        ack, self.ack = self.ack, Ack()
        letters, self.letters = self.letters, []
        self._changed[slots] = False
        self.records = 0
        return save, ack, letters

    def saved(self, save: Save, now: float) -> None:
        """``save`` is in the store."""
        self.begin = save.end
        self.since = now
        if len(self._slots) > self._capacity:
            self._found = None, None
            self._evict()

    def _evict(self) -> None:
        """Keep what is unsaved and the more recently used half of the capacity."""
        count = len(self._slots)
        age = np.where(self._changed[:count], np.iinfo(np.int64).max, self._used[:count])
        keep = np.sort(np.argsort(-age, kind="stable")[: max(self._capacity // 2, self.changed)])
        self._slots.keep(keep)
        for array in (layout.whole(self.rows), self._changed, self._used):
            for at in range(0, len(keep), MOVED_AT_ONCE):  # no slot moves to a later one
                part = keep[at : at + MOVED_AT_ONCE]
                array[at : at + len(part)] = array.take(part)
        self._changed[len(keep) :] = False

    def _grow(self, slots: int) -> None:
        size, held = len(self.rows), len(self._slots)
        if slots <= size:
            return
        size = max(slots, 2 * size)
        rows, changed, used = layout.empty(size), np.zeros(size, np.bool_), np.zeros(size, np.int64)
        layout.whole(rows)[:held] = layout.whole(self.rows)[:held]
        changed[:held], used[:held] = self._changed[:held], self._used[:held]
        self.rows, self._changed, self._used = rows, changed, used
