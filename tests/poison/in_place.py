"""Records read where they stand against the decoder alone: the same acceptance, the same values.

Purpose: what the fuzzer and the tests ask of ``streaming.in_place``, to the last bit.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from sentinel_cli.engine import memory
from sentinel_cli.engine.messages import Messages, Part
from sentinel_cli.streaming.codec import Decoder
from sentinel_cli.streaming.in_place import InPlace

FEATURES = ("risk", "a")
ARRIVED_MS = 1_756_900_000_000  # by Kafka's word: 2025-09-03


def laid_out(
    values: list[bytes | None] | list[bytes], blob: npt.NDArray[np.uint8], first: int = 0
) -> Messages:
    """Messages whose values stand one after the other in ``blob``; every third has no time of Kafka's."""
    sizes = np.array([len(value or b"") for value in values], np.int64)
    places = np.cumsum(sizes) - sizes + memory.place_of(blob)
    places[[value is None for value in values]] = -1
    none = np.zeros(len(values), np.int64)
    offsets = np.arange(first, first + len(values))
    arrived = np.where(offsets % 3 == 0, -1, ARRIVED_MS)
    return Messages(np.stack([offsets, arrived, places, sizes, none - 1, none]))


def same(values: list[bytes | None], features: tuple[str, ...] = FEATURES) -> None:
    """Raises AssertionError where reading in place and decoding differ."""
    blob = np.frombuffer(b"".join(value or b"" for value in values) + b"\0", np.uint8)
    _compare(values, laid_out(values, blob), Decoder(features))


def same_before_a_wall(values: list[bytes], features: tuple[str, ...] = FEATURES) -> None:
    """The same for each value alone, which ends where memory begins that may not be read: a byte too many
    ends the process. Larger values than a page are left out."""
    decoder = Decoder(features)
    with _page_before_a_wall() as page:
        for value in values:
            if 0 < len(value) <= len(page):
                place = page[len(page) - len(value) :]
                place[:] = np.frombuffer(value, np.uint8)
                _compare([value], laid_out([value], place), decoder)


@contextmanager
def _page_before_a_wall() -> Iterator[npt.NDArray[np.uint8]]:
    """Linux only, as the constants are."""
    pages = np.frombuffer(mmap.mmap(-1, 2 * mmap.PAGESIZE), np.uint8)
    wall, size = ctypes.c_void_p(pages.ctypes.data + mmap.PAGESIZE), ctypes.c_size_t(mmap.PAGESIZE)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mprotect(wall, size, 0) == 0
    try:
        yield pages[: mmap.PAGESIZE]
    finally:
        assert libc.mprotect(wall, size, mmap.PROT_READ | mmap.PROT_WRITE) == 0


def _compare(values: list[bytes | None] | list[bytes], messages: Messages, decoder: Decoder) -> None:
    [batch] = InPlace(decoder)([Part(0, 0, len(values), len(values))], messages, None)
    decoded = decoder.decode(list(values), messages.arrived)
    assert [(p.offset, p.key, p.value, p.reason) for p in batch.poison] == [
        (at, None, values[at], why) for at, why in decoded.bad
    ]
    assert batch.offsets.tolist() == decoded.good
    assert batch.columns.rows.tobytes() == decoded.columns.rows.tobytes()
    assert batch.columns.extra.tobytes() == decoded.columns.extra.tobytes()
    assert [batch.users[row] for row in range(len(batch.users))] == decoded.users
    assert [batch.values[row] for row in range(len(batch.users))] == [values[at] for at in decoded.good]
