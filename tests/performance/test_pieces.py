"""What reading and scoring a record cost, as ratios to msgspec's decoding of the same records.

Of several hundred short batches the fastest counts, which was not interrupted, whatever else the machine
does. Bounds are twice what is seen: a piece that is three times slower is found, and one that falls back to
objects, which is ten times slower, even more so.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from sentinel_cli.benching import records
from sentinel_cli.benching.records import Shape
from sentinel_cli.engine import scoring
from sentinel_cli.engine.messages import Part
from sentinel_cli.records import Transaction
from sentinel_cli.streaming.codec import Decoder
from sentinel_cli.streaming.in_place import InPlace
from tests.performance import kernel
from tests.poison.in_place import ARRIVED_MS, laid_out

RECORDS, TIMES = 2_000, 200
# .41 and .36 are seen.
MOST_OF_DECODING_TO_READ = 0.85
MOST_OF_DECODING_TO_SCORE = 0.8


@pytest.fixture(scope="module")
def values() -> list[bytes]:
    scoring.warm(lambda _: None)
    return [value for part in records.slices(Shape(RECORDS), ARRIVED_MS * 1_000) for value in part.values]


@pytest.fixture(scope="module")
def decoding(values: list[bytes]) -> float:
    """Nanoseconds a record."""
    decoder = msgspec.json.Decoder(Transaction)

    def decode() -> None:
        for value in values:
            decoder.decode(value)

    return fastest(decode)


def fastest(run: Callable[[], object]) -> float:
    took = []
    for _ in range(TIMES):
        begun = time.perf_counter_ns()
        run()
        took.append(time.perf_counter_ns() - begun)
    return min(took) / RECORDS


def test_reading_in_place(values: list[bytes], decoding: float) -> None:
    blob = np.frombuffer(b"".join(values) + b"\0", np.uint8)
    messages, read = laid_out(list(values), blob), InPlace(Decoder(()))
    whole = [Part(0, 0, RECORDS, RECORDS)]
    assert fastest(lambda: read(whole, messages, None)) < MOST_OF_DECODING_TO_READ * decoding


@pytest.mark.usefixtures("values")
def test_scoring(decoding: float) -> None:
    assert kernel.nanoseconds(1_000).min() < MOST_OF_DECODING_TO_SCORE * decoding
