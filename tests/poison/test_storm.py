"""Many bad records, and large ones: the log stays readable and the worker goes on."""

from __future__ import annotations

import hashlib
import logging
import re
import time

import numpy as np
import pytest

from sentinel_cli.streaming.batches import Poison
from sentinel_cli.streaming.codec import Decoder
from sentinel_cli.streaming.poison import LARGEST_RECORD, PoisonLog, letter
from tests.poison.kinds import BAD, but

LOG = logging.getLogger("sentinel.storm")


def test_the_first_of_a_kind_is_logged_and_the_rest_counted(caplog: pytest.LogCaptureFixture) -> None:
    storm = PoisonLog(LOG)
    with caplog.at_level(logging.WARNING):
        for offset in range(10_000):  # ten seconds of them
            reason = (
                f"`timestamp` 'soon {offset}' is no RFC 3339 time" if offset % 4 else f"torn (byte {offset})"
            )
            storm.add("transactions", 3, Poison(offset, None, b"", reason), now=offset / 1_000)
            storm.tell(now=offset / 1_000)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[:2] == [
        "transactions-3 offset 0: torn (byte 0)",
        "transactions-3 offset 1: `timestamp` 'soon 1' is no RFC 3339 time",
    ]
    assert len(lines) <= 2 + 10
    assert re.fullmatch(r"1000 more dead letters, 750 of them: `timestamp` … is no RFC 3339 time", lines[-1])


def test_a_kind_is_logged_anew_after_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    storm = PoisonLog(LOG)
    with caplog.at_level(logging.WARNING):
        for offset in range(121):
            storm.add("transactions", 3, Poison(offset, None, b"", "torn"), now=offset)
            storm.tell(now=offset + 0.5)
    told = [record.getMessage() for record in caplog.records if "offset" in record.getMessage()]
    assert told == [f"transactions-3 offset {offset}: torn" for offset in (0, 60, 120)]


def test_a_storm_of_different_reasons_is_counted_too(caplog: pytest.LogCaptureFixture) -> None:
    storm = PoisonLog(LOG)
    with caplog.at_level(logging.WARNING):
        for offset in range(5_000):
            storm.add("transactions", 3, Poison(offset, None, b"", f"reason {'x' * offset}"), now=0.0)
        storm.tell(now=1.0)
    assert len(caplog.records) <= 101


@pytest.mark.parametrize("largest", [LARGEST_RECORD, 5_000])
@pytest.mark.parametrize("size", [0, 10, 4_000, 6_000, 999_000, 999_900, 3_000_000])
@pytest.mark.parametrize("key", [None, b"k", b"k" * 6_000])
def test_a_letter_always_fits(largest: int, size: int, key: bytes | None) -> None:
    poison = Poison(7, key, b"v" * size, "why")
    made = letter(poison, "transactions", 3, "transactions.dlq", largest)
    names_and_texts = sum(len(name) + len(text) for name, text in made.headers.items())
    assert len(made.key or b"") + len(made.value or b"") + names_and_texts < largest
    assert made.headers["source.offset"] == "7"
    if made.value is None:
        assert made.headers["left.bytes"] == str(size)
        assert made.headers["left.sha256"] == hashlib.sha256(b"v" * size).hexdigest()
        assert size + len(key or b"") > largest - 1_000
    else:
        assert made == letter(poison, "transactions", 3, "transactions.dlq", 10**9)


@pytest.mark.parametrize(
    "kind", ["a NUL in the user", "two amounts", "2099", "NaN", "a terminal's escape in the device"]
)
def test_one_bad_record_in_a_batch_does_not_make_the_others_dear(kind: str) -> None:
    """Whoever can write one record must not be able to slow a worker down by a factor."""
    values: list[bytes | None] = [but(transaction_id=f"T{i}", user_id=f"user_{i % 50}") for i in range(5_000)]
    arrived, decoder = np.full(len(values), 1_756_000_000_000), Decoder(())
    torn = [*values[:-1], BAD[kind][0]]

    def took(batch: list[bytes | None]) -> float:
        begun = time.process_time()
        assert len(decoder.decode(batch, arrived).good) >= 4_999
        return time.process_time() - begun

    took(values)
    assert min(took(torn) for _ in range(5)) < 3 * min(took(values) for _ in range(5))
