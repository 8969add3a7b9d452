"""Records read where they stand against the decoder alone: the same acceptance, the same values.

Purpose: what the fuzzer and the tests ask of ``streaming.in_place``, to the last bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sentinel_cli.engine import memory
from sentinel_cli.engine.messages import Messages
from sentinel_cli.streaming.codec import Decoder
from sentinel_cli.streaming.in_place import InPlace

FEATURES = ("risk", "a")
ARRIVED_MS = 1_756_900_000_000  # by Kafka's word: 2025-09-03


def laid_out(values: list[bytes | None], blob: npt.NDArray[np.uint8], first: int = 0) -> Messages:
    """Messages whose values stand one after the other in ``blob``; every third has no time of Kafka's."""
    sizes = np.array([len(value or b"") for value in values], np.int64)
    places = np.cumsum(sizes) - sizes + memory.place_of(blob)
    places[[value is None for value in values]] = -1
    none = np.zeros(len(values), np.int64)
    offsets = np.arange(first, first + len(values))
    arrived = np.where(offsets % 3 == 0, -1, ARRIVED_MS)
    return Messages(none, none, offsets, arrived, places, sizes, none - 1, none)


def same(values: list[bytes | None], features: tuple[str, ...] = FEATURES) -> None:
    """Raises AssertionError where reading in place and decoding differ."""
    blob = np.frombuffer(b"".join(value or b"" for value in values) + b"\0", np.uint8)
    messages, decoder = laid_out(values, blob), Decoder(features)
    batch = InPlace(decoder)(0, messages, len(values), None)
    decoded = decoder.decode(values, messages.arrived)
    assert [(p.offset, p.key, p.value, p.reason) for p in batch.poison] == [
        (at, None, values[at], why) for at, why in decoded.bad
    ]
    assert batch.offsets.tolist() == decoded.good
    assert batch.columns.rows.tobytes() == decoded.columns.rows.tobytes()
    assert batch.columns.extra.tobytes() == decoded.columns.extra.tobytes()
    assert [batch.users[row] for row in range(len(batch.users))] == decoded.users
    assert [batch.values[row] for row in range(len(batch.users))] == [values[at] for at in decoded.good]
