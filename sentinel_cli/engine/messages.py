"""librdkafka's messages as columns, and given back to it.

Purpose: of thousands of `rd_kafka_message_t` say where each one's bytes are, without a Python object.

Design: the structure is public (rdkafka.h) and has not changed since librdkafka 0.8. The time is asked
for by a call, as its place is librdkafka's own.

Not here: which messages, and whose they are (``streaming.native_source``).
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Messages:
    """n messages; every field has shape (n,). Bytes are at places of ``memory.EVERYTHING``, those of a
    value or key that is null below zero. ``arrived`` is in milliseconds, -1 for none."""

    errors: Integers
    partitions: Integers
    offsets: Integers
    arrived: Integers
    places: Integers
    sizes: Integers
    key_places: Integers
    key_sizes: Integers

    def __len__(self) -> int:
        return len(self.errors)

    def part(self, start: int, stop: int) -> Messages:
        return Messages(*(getattr(self, name)[start:stop] for name in self.__slots__))

    def value(self, at: int) -> bytes | None:
        """A copy of one message's value."""
        return _copy(int(self.places[at]), int(self.sizes[at]))

    def key(self, at: int) -> bytes | None:
        """A copy of one message's key."""
        return _copy(int(self.key_places[at]), int(self.key_sizes[at]))


def _copy(place: int, size: int) -> bytes | None:
    return None if place < 0 else memory.text(place, size)


def of(pointers: Integers, timestamp: int) -> Messages:
    """The messages at the addresses in ``pointers`` (n,); ``timestamp`` is the address of
    `rd_kafka_message_timestamp`."""
    found = Messages(*np.empty((8, len(pointers)), np.int64))
    _open(
        WORDS, pointers, timestamp, np.zeros(1, np.int64), found.errors, found.partitions, found.offsets,
        found.arrived, found.places, found.sizes, found.key_places, found.key_sizes,
    )  # fmt: skip
    return found


def destroy(pointers: Integers, destroy: int) -> None:
    """Give the messages back; ``destroy`` is the address of `rd_kafka_message_destroy`."""
    _destroy(pointers, destroy)


def warm() -> None:
    """Compile what is here, or load what an earlier run compiled."""
    none = np.empty(0, np.int64)
    of(none, 0)
    destroy(none, 0)


@jit
def _open(
    words: Integers, pointers: Integers, timestamp: int, kind: Integers,
    errors: Integers, partitions: Integers, offsets: Integers, arrived: Integers,
    places: Integers, sizes: Integers, key_places: Integers, key_sizes: Integers,
) -> None:  # fmt: skip
    for i in range(len(pointers)):
        at = (pointers[i] - FIRST) >> 3
        errors[i] = ((words[at + _ERR] & _LOW) ^ _SIGN) - _SIGN
        partitions[i] = ((words[at + _PARTITION] & _LOW) ^ _SIGN) - _SIGN
        offsets[i] = words[at + _OFFSET]
        places[i], sizes[i] = words[at + _PAYLOAD] - FIRST, words[at + _LENGTH]
        key_places[i], key_sizes[i] = words[at + _KEY] - FIRST, words[at + _KEY_LENGTH]
        time = memory.call(timestamp, pointers[i], kind.ctypes.data)
        arrived[i] = time if kind[0] & _LOW != _NOT_AVAILABLE else -1


@jit
def _destroy(pointers: Integers, destroy: int) -> None:
    for i in range(len(pointers)):
        memory.give(destroy, pointers[i])
