"""librdkafka's messages as columns, and given back to it.

Purpose: of thousands of `rd_kafka_message_t` say where each one's bytes are, without a Python object.

Design: the structure is public (rdkafka.h) and has not changed since librdkafka 0.8. The time is asked
for by a call, as its place is librdkafka's own.

Not here: which messages, and whose they are (``streaming.native_source``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sentinel_cli.engine import memory
from sentinel_cli.engine.compiled import jit
from sentinel_cli.engine.memory import FIRST, WORDS

Integers = npt.NDArray[np.int64]

# struct rd_kafka_message_s in words of eight bytes: int err; rd_kafka_topic_t *rkt; int32_t partition;
# void *payload; size_t len; void *key; size_t key_len; int64_t offset.
_ERR, _PARTITION, _PAYLOAD, _LENGTH, _KEY, _KEY_LENGTH, _OFFSET = 0, 2, 3, 4, 5, 6, 7
_LOW, _SIGN = 0xFFFFFFFF, 0x80000000
_NOT_AVAILABLE = 0  # RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
_END = -191  # RD_KAFKA_RESP_ERR__PARTITION_EOF
_NONE = -1


@dataclass(frozen=True, slots=True)
class Messages:
    """n messages as a ``table`` (6, n). Bytes are at places of ``memory.EVERYTHING``, those of a value or
    key that is null below zero. ``arrived`` is in milliseconds, -1 for none."""

    table: Integers

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def offsets(self) -> Integers:
        found: Integers = self.table[0]
        return found

    @property
    def arrived(self) -> Integers:
        found: Integers = self.table[1]
        return found

    @property
    def places(self) -> Integers:
        found: Integers = self.table[2]
        return found

    @property
    def sizes(self) -> Integers:
        found: Integers = self.table[3]
        return found

    def part(self, start: int, stop: int) -> Messages:
        return Messages(self.table[:, start:stop])

    def only(self, which: npt.NDArray[np.bool_]) -> Messages:
        return Messages(self.table.compress(which, axis=1))

    def value(self, at: int) -> bytes | None:
        """A copy of one message's value."""
        return _copy(int(self.table[2, at]), int(self.table[3, at]))

    def key(self, at: int) -> bytes | None:
        """A copy of one message's key."""
        return _copy(int(self.table[4, at]), int(self.table[5, at]))


class Part(NamedTuple):
    """Which of the messages are of this partition, and where it goes on after them."""

    partition: int
    start: int
    stop: int
    next_offset: int


class Failure(NamedTuple):
    """What librdkafka says of a partition instead of a message: its error code, and where."""

    partition: int
    code: int
    offset: int


def _copy(place: int, size: int) -> bytes | None:
    return None if place < 0 else memory.text(place, size)


def of(
    pointers: Integers, partitions: list[int], counts: list[int], timestamp: int
) -> tuple[Messages, list[Part], list[Failure]]:
    """The messages at the addresses in ``pointers``, of which the first ``counts[0]`` are from the queue of
    ``partitions[0]``, and so on; ``timestamp`` is the address of `rd_kafka_message_timestamp`.

    A part without messages says that its partition ends there.
    """
    table = np.empty((6, len(pointers)), np.int64)
    found = np.full((len(counts), 5), _NONE)
    _open(WORDS, pointers, np.array(partitions), np.array(counts), timestamp, _KIND, table, found)
    parts: list[Part] = []
    failures: list[Failure] = []
    start = 0
    for partition, (count, last, end, code, at) in zip(partitions, found.tolist(), strict=True):
        assert count >= 0, "rd_kafka_message_t is not what it was"
        if count or end >= 0:
            parts.append(Part(partition, start, start + count, max(last + 1, end)))
        if code:
            failures.append(Failure(partition, code, at))
        start += count
    return Messages(table[:, :start]), parts, failures


def destroy(pointers: Integers, destroy: int) -> None:
    """Give the messages back; ``destroy`` is the address of `rd_kafka_message_destroy`."""
    _destroy(pointers, destroy)


def warm() -> None:
    """Compile what is here, or load what an earlier run compiled."""
    none = np.empty(0, np.int64)
    of(none, [0], [0], 0)
    destroy(none, 0)


_KIND = np.zeros(1, np.int64)  # for the C function to write to; nobody asks what kind of time it is


@jit
def _open(
    words: Integers, pointers: Integers, partitions: Integers, counts: Integers, timestamp: int,
    kind: Integers, table: Integers, found: npt.NDArray[np.int64],
) -> None:  # fmt: skip
    """``found`` (queues, 5): how many messages, the last one's offset, the end, an error and where."""
    i, n = 0, 0
    for queue in range(len(counts)):
        found[queue, 0], found[queue, 3] = 0, 0
        for _ in range(counts[queue]):
            at = (pointers[i] - FIRST) >> 3
            error, offset = ((words[at + _ERR] & _LOW) ^ _SIGN) - _SIGN, words[at + _OFFSET]
            if error == 0:
                if ((words[at + _PARTITION] & _LOW) ^ _SIGN) - _SIGN != partitions[queue]:
                    found[queue, 0] = _NONE
                    return
                time = memory.call(timestamp, pointers[i], kind.ctypes.data)
                table[0, n] = offset
                table[1, n] = time if kind[0] & _LOW != _NOT_AVAILABLE else -1
                table[2, n], table[3, n] = words[at + _PAYLOAD] - FIRST, words[at + _LENGTH]
                table[4, n], table[5, n] = words[at + _KEY] - FIRST, words[at + _KEY_LENGTH]
                found[queue, 0] += 1
                found[queue, 1] = offset
                n += 1
            elif error == _END:
                found[queue, 2] = offset
            elif found[queue, 3] == 0:
                found[queue, 3], found[queue, 4] = error, offset
            i += 1


@jit
def _destroy(pointers: Integers, destroy: int) -> None:
    for i in range(len(pointers)):
        memory.give(destroy, pointers[i])
