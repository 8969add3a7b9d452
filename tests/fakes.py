"""A Kafka, a clock and an executor in memory, for the worker loop.

A crash is a worker that is simply not called any more; a new one over the same ``Log`` and store is
its successor. Nothing here sleeps.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sentinel_cli.streaming.batches import Ack, Letter, Listener, Poison, RecordBatch
from sentinel_cli.streaming.codec import Decoder


@dataclass
class Record:
    value: bytes | None
    key: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    arrived: int = 1_756_000_000_000


@dataclass
class Log:
    """Topics: a list of records a partition."""

    topics: dict[str, dict[int, list[Record]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    committed: dict[tuple[str, int], int] = field(default_factory=dict)

    def append(self, topic: str, partition: int, value: bytes | None, **more: Any) -> None:
        self.topics[topic][partition].append(Record(value, **more))

    def values(self, topic: str) -> list[bytes | None]:
        return [r.value for _, records in sorted(self.topics[topic].items()) for r in records]


class FakeClock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_756_000_000.0 + self.now

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.now += seconds
        return event.is_set()


class Now(Executor):
    """Runs what is submitted at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - a future carries whatever its work raised
            future.set_exception(error)
        return future


class MemorySource:
    """``Source`` over a ``Log``, owning the partitions it is told to."""

    def __init__(self, log: Log, topic: str, clock: FakeClock, partitions: list[int] | None = None) -> None:
        self.decoder = Decoder(())
        self._log, self._topic, self._clock = log, topic, clock
        self._mine = partitions
        self._position: dict[int, int] = {}
        self._ended: set[int] = set()
        self.chunk = 10_000

    def open(self, listener: Listener) -> None:
        self._listener = listener
        mine = self._mine if self._mine is not None else sorted(self._log.topics[self._topic])
        self.give(mine)

    def give(self, partitions: list[int]) -> None:
        starts = self._listener.assigned(partitions)
        self._position.update({p: at or 0 for p, at in starts.items()})

    def take(self, partitions: list[int], *, lost: bool = False) -> None:
        (self._listener.lost if lost else self._listener.revoked)(partitions)
        for partition in partitions:
            self._position.pop(partition, None)

    def poll(self, timeout: float, limit: int) -> list[RecordBatch]:
        batches = []
        for partition in list(self._position):
            at = self._position[partition]
            records = self._log.topics[self._topic][partition][at : at + min(limit, self.chunk)]
            if records:
                self._ended.discard(partition)
                batches.append(self._batch(partition, at, records))
                self._position[partition] = at + len(records)
            elif partition not in self._ended:
                self._ended.add(partition)
                batches.append(self._batch(partition, at, []))
        if not batches:
            self._clock.now += timeout
        return batches

    def _batch(self, partition: int, at: int, records: list[Record]) -> RecordBatch:
        arrived = np.array([r.arrived for r in records], np.int64)
        values = [r.value for r in records]
        decoded = self.decoder.decode(values, arrived)
        good = decoded.good
        return RecordBatch(
            partition, at, at + len(records), decoded.users, decoded.columns,
            np.array(good, np.int64) + at, arrived[good], [values[i] for i in good],  # type: ignore[misc]
            [Poison(at + i, records[i].key, values[i], why) for i, why in decoded.bad],
        )  # fmt: skip

    def serve(self, timeout: float) -> None:
        self._clock.now += timeout

    def restart(self, partition: int, offset: int | None) -> None:
        self._position[partition] = offset or 0
        self._ended.discard(partition)

    def commit(self, offsets: dict[int, int]) -> None:
        for partition, offset in offsets.items():
            self._log.committed[self._topic, partition] = offset

    def committed(self, partition: int) -> int | None:
        return self._log.committed.get((self._topic, partition))

    def first(self, partition: int) -> int:  # noqa: ARG002 - nothing ever expires here
        return 0

    def end(self, partition: int) -> int:
        return len(self._log.topics[self._topic][partition])

    def ends(self) -> dict[int, tuple[int, int]]:
        return {p: (0, len(records)) for p, records in self._log.topics[self._topic].items()}

    def close(self) -> None:
        self.take(list(self._position))


class MemorySink:
    """``Sink`` into a ``Log``; acknowledges at the next poll, unless ``silent``."""

    def __init__(self, log: Log, clock: FakeClock) -> None:
        self._log, self._clock = log, clock
        self._unacknowledged: list[Ack] = []
        self.silent = False

    def send(self, letter: Letter, ack: Ack) -> None:
        self._log.append(letter.topic, 0, letter.value, key=letter.key, headers=letter.headers)
        ack.pending += 1
        self._unacknowledged.append(ack)

    def poll(self, timeout: float = 0.0) -> None:
        self._clock.now += timeout
        if self.silent:
            return
        for ack in self._unacknowledged:
            ack.done(None)
        self._unacknowledged.clear()


class MemoryTransactor:
    """``Transactor`` into a ``Log``; a source's commits must not come between."""

    def __init__(self, log: Log, topic: str) -> None:
        self._log, self._topic = log, topic

    def transact(self, letters: Sequence[Letter], partition: int, end: int) -> None:
        for letter in letters:
            self._log.append(letter.topic, 0, letter.value, key=letter.key, headers=letter.headers)
        self._log.committed[self._topic, partition] = end
