"""What a transactor does with a producer that an outage has broken, on a producer of paper."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from sentinel_cli.errors import KafkaUnreachable
from sentinel_cli.streaming import transactor
from sentinel_cli.streaming.batches import BrokerAway, Fenced, Letter
from sentinel_cli.streaming.transactor import KafkaTransactor

LATE = KafkaError(KafkaError._TIMED_OUT, "late", retriable=True)
FATAL = KafkaError(KafkaError._FENCED, "fenced", fatal=True)
MOVED = KafkaError(KafkaError.ILLEGAL_GENERATION, "moved", txn_requires_abort=True)
LETTER = Letter(7, "fraud-alerts", b"user", b"alert", {})


class Paper:
    """A producer that fails where it is told to; ``done`` is what it was asked."""

    def __init__(self, **fails: KafkaError) -> None:
        self._fails, self.done = fails, []  # type: ignore[var-annotated]

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(*_: Any, **__: Any) -> None:
            self.done.append(name)
            if name in self._fails:
                raise KafkaException(self._fails[name])

        return call


class Member:
    def consumer_group_metadata(self) -> object:
        return object()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count(step=6)
    monkeypatch.setattr(time, "monotonic", lambda: next(ticks))
    monkeypatch.setattr(transactor, "GIVE_UP", 0.5)


def of(*producers: Paper | KafkaUnreachable) -> KafkaTransactor:
    waiting = iter(producers)

    def make() -> Any:
        made = next(waiting)
        if isinstance(made, Exception):
            raise made
        return made

    return KafkaTransactor(make, Member(), "transactions")  # type: ignore[arg-type]


def test_letters_and_offset_are_one_transaction() -> None:
    producer = Paper()
    of(producer).transact([LETTER], 0, 8)
    assert producer.done == [
        "begin_transaction", "produce", "send_offsets_to_transaction", "commit_transaction"
    ]  # fmt: skip


def test_a_partition_that_went_is_fenced_and_nothing_was_sent() -> None:
    producer = Paper(send_offsets_to_transaction=MOVED)
    with pytest.raises(Fenced):
        of(producer).transact([LETTER], 0, 8)
    assert producer.done[-1] == "abort_transaction"


@pytest.mark.parametrize("fails", [
    {"commit_transaction": FATAL, "abort_transaction": FATAL},
    {"commit_transaction": LATE, "abort_transaction": LATE},
    {"send_offsets_to_transaction": LATE, "abort_transaction": LATE},
])  # fmt: skip
def test_a_producer_that_can_neither_end_nor_give_up_is_replaced(fails: dict[str, KafkaError]) -> None:
    """What became of its transaction is not known: whoever starts again asks Kafka."""
    second = Paper()
    worker = of(Paper(**fails), KafkaUnreachable("away"), second)
    with pytest.raises(BrokerAway):
        worker.transact([LETTER], 0, 8)
    with pytest.raises(BrokerAway):  # still away
        worker.transact([LETTER], 0, 8)
    with pytest.raises(Fenced):
        worker.transact([LETTER], 0, 8)
    assert second.done == []
    worker.transact([LETTER], 0, 8)
    assert second.done[-1] == "commit_transaction"


def test_a_call_that_never_returns_is_left_behind() -> None:
    """So librdkafka when its broker dies at the wrong moment."""
    never = threading.Event()
    first, second = Paper(), Paper()
    vars(first)["send_offsets_to_transaction"] = lambda *_: never.wait()
    worker = of(first, second)
    with pytest.raises(BrokerAway):
        worker.transact([LETTER], 0, 8)
    with pytest.raises(Fenced):
        worker.transact([LETTER], 0, 8)
    worker.transact([LETTER], 0, 8)
    assert second.done[-1] == "commit_transaction"
    never.set()
