"""What the worker loop sees of Kafka: record batches of one partition, and where they come from.

Purpose: the shapes between a source (Kafka, a test) and the worker loop, and what the loop asks of
its surroundings. The loop takes all of them as arguments, so that a test can drive it.

Not here: how a source makes them (``plain_source``), what the loop does with them (``worker``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from sentinel_cli.engine.columns import Columns
from sentinel_cli.engine.ids import Ids


class Poison(NamedTuple):
    """A record that is not what its topic carries, as a value: its bytes untouched and why."""

    offset: int
    key: bytes | None
    value: bytes | None
    reason: str

    def headers(self, topic: str, partition: int) -> dict[str, str]:
        """What its dead letter says beside the source bytes."""
        return {
            "error": self.reason,
            "source.topic": topic,
            "source.partition": str(partition),
            "source.offset": str(self.offset),
        }


class Values(Protocol):
    """The records' bytes by their position; what is handed out is a copy or never changes."""

    def __getitem__(self, at: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Records of one partition, in order; the good ones as columns, n of them.

    ``next_offset`` is where the partition goes on after this batch. ``arrived`` (n,) is the Kafka
    timestamp in milliseconds since 1970, -1 where a record has none. ``users`` and ``values`` may stand
    in the source's own memory: they are good until its next poll.
    """

    partition: int
    first_offset: int
    next_offset: int
    users: list[str] | Ids
    columns: Columns
    offsets: npt.NDArray[np.int64]  # (n,)
    arrived: npt.NDArray[np.int64]  # (n,)
    values: Values
    poison: list[Poison] = field(default_factory=list)


class Listener(Protocol):
    """Whom a source tells about its partitions; called from inside ``Source.poll``."""

    def assigned(self, partitions: list[int]) -> dict[int, int | None]:
        """These are ours now; answers where to start each, None for its beginning."""

    def revoked(self, partitions: list[int]) -> None:
        """These go to another worker as soon as this returns: save what is unsaved."""

    def lost(self, partitions: list[int]) -> None:
        """These are another worker's already: forget them."""


B = TypeVar("B")


class Source(Protocol[B]):
    """A consumer in a group, whose batches are of kind ``B``.

    Every method may raise KafkaUnreachable or LostRangeError.
    """

    def open(self, listener: Listener) -> None:
        """Join the group; ``listener`` hears what is assigned."""

    def poll(self, timeout: float, limit: int) -> list[B]:
        """What has arrived, at most ``limit`` records; waits up to ``timeout`` seconds for the first.

        An empty batch says that its partition ends at ``next_offset``; there is none where that follows
        from the records that came.
        """

    def serve(self, timeout: float) -> None:
        """Keep the membership for ``timeout`` seconds without taking records."""

    def restart(self, partition: int, offset: int | None) -> None:
        """Go on with ``partition`` at ``offset`` (None: its beginning) and forget what was fetched."""

    def commit(self, offsets: dict[int, int]) -> None:
        """Tell Kafka how far the state is, for lag tools; not waited for."""

    def committed(self, partition: int) -> int | None:
        """The group's offset in Kafka, once no transaction is pending on it; None if there is none."""

    def first(self, partition: int) -> int:
        """The oldest offset that Kafka still has."""

    def end(self, partition: int) -> int:
        """The offset that the partition's next record will get, as far as is known without asking."""

    def ends(self) -> dict[int, tuple[int, int]]:
        """Of each partition of the topic: its first offset, and the one the next record will get."""

    def close(self) -> None:
        """Leave the group; the listener hears what is revoked."""


class Letter(NamedTuple):
    """A record to send, made from the record at ``offset``."""

    offset: int
    topic: str
    key: bytes | None
    value: bytes | None
    headers: dict[str, str]


class BrokerAway(Exception):
    """Kafka does not take a transaction now; the same one may succeed later."""


class Fenced(Exception):
    """The group has given the partition to another worker."""


class Transactor(Protocol):
    """A producer that sends all of a save or nothing of it, for readers that are `read_committed`."""

    def transact(self, letters: Sequence[Letter], partition: int, end: int) -> None:
        """Send ``letters`` and commit the group's offset ``end`` of ``partition``, both or neither.

        Raises BrokerAway, Fenced; SentinelError when this producer can send no more.
        """


class Sink(Protocol):
    """A producer whose acknowledgements are counted."""

    def send(self, letter: Letter, ack: Ack) -> None:
        """Hand over one record; ``ack`` counts it until the broker has it. Waits while the queue is full."""

    def poll(self, timeout: float = 0.0) -> None:
        """Take in the acknowledgements that have arrived, waiting ``timeout`` seconds for the first."""


class Ack:
    """How many records of one save the broker has not acknowledged yet."""

    __slots__ = ("failed", "pending")

    def __init__(self) -> None:
        self.pending = 0
        self.failed = ""

    def done(self, error: object | None) -> None:
        self.pending -= 1
        if error is not None:
            self.failed = str(error)


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds that only go forward: for intervals."""

    def wall(self) -> float:
        """Seconds since 1970: for latencies against Kafka's timestamps."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for ``event``, ``seconds`` at most; whether it is set."""


class SystemClock:
    """``Clock`` of the machine."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
    wait = staticmethod(threading.Event.wait)
