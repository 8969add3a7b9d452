"""The native source: records from librdkafka's buffers into columns, with no Python object each.

Purpose: the same as the plain source, several times as fast.

Design: confluent-kafka's Consumer keeps the group, seeks, commits and closes. `poll(0)` serves its
events, and only it: a rebalance that another call served would find no thread state. Records are
taken from queues of their partitions, which are cut off from the consumer's.

librdkafka would join a partition's queue to the consumer's when it begins to fetch, and a joined queue
gives the events of the group. It leaves alone what an application has forwarded (its own mark on the
queue, kept as long as the partition is known), so a partition is cut off, that is forwarded to nothing,
before it is assigned.

What a poll took stays librdkafka's memory, and is given back when the next one takes more.

Not here: how records are read (``in_place``).
"""

from __future__ import annotations

import logging
import os
import select
import time
from collections.abc import Callable

import numpy as np
from confluent_kafka import Consumer, KafkaError

from sentinel_cli.engine import messages
from sentinel_cli.engine.messages import Messages, Part
from sentinel_cli.streaming.batches import B, Listener
from sentinel_cli.streaming.librdkafka import Library
from sentinel_cli.streaming.plain_source import PlainSource, offset_of, partition_of

log = logging.getLogger("sentinel.source")

# What librdkafka may hold ahead. With queues of their own its limit counts for each partition, so they share
# 12 MB, and none is fetched more of at once than it may hold: the 64 MB and 1 MB that are its defaults take
# 200 MB of memory more, and are no faster. With 8 MB a partition that has half of the traffic is waited for.
QUEUED, QUEUED_KBYTES, LEAST_KBYTES = "queued.max.messages.kbytes", 12_288, 128
FETCHED, FETCHED_KBYTES = ("max.partition.fetch.bytes", "fetch.message.max.bytes"), 384
# Most records that are taken of one partition at once.
AT_ONCE = 65_536


def held_ahead(partitions: int) -> dict[str, int]:
    """What a consumer of a topic of so many partitions is told to hold ahead."""
    share = max(QUEUED_KBYTES // partitions, LEAST_KBYTES)
    return {QUEUED: share, FETCHED[0]: 1_024 * min(share, FETCHED_KBYTES)}


class Taken:
    """Messages that are ours until ``give_back``."""

    def __init__(self, library: Library, pointers: messages.Integers) -> None:
        self._library, self.pointers = library, pointers
        self._ours = True

    def check(self) -> None:
        """Raises ValueError when they are no longer ours."""
        if not self._ours:
            raise ValueError("these records were given back when their source was polled again")

    def give_back(self) -> None:
        """Each of them once, whatever happens."""
        if self._ours:
            self._ours = False
            messages.destroy(self.pointers, self._library.destroy)


class NativeSource(PlainSource[B]):
    """``Source`` over ``consumer`` (made by ``streaming.kafka.consumer`` with ``plain_source.CONSUMER``)
    for one topic; ``client_id`` is the consumer's.

    ``make`` turns what one poll took into batches, one for each part of the messages; it gets the lease of
    their memory, too. Raises Unfit.
    """

    def __init__(
        self,
        consumer: Consumer,
        client_id: str,
        topic: str,
        make: Callable[[list[Part], Messages, Taken], list[B]],
        only: list[int] | None = None,
    ) -> None:
        super().__init__(consumer, topic, lambda *_: None, only)  # type: ignore[arg-type]
        self._library = Library()
        self._handle = self._library.handle(consumer, client_id)
        self._make_in_place = make
        self._queues: dict[int, int] = {}  # partitions that were cut off
        self._buffer = np.empty(AT_ONCE, np.int64)  # addresses
        self._place = self._buffer.ctypes.data
        self._taken = Taken(self._library, self._buffer[:0])
        self._told: dict[int, int] = {}  # partition to the offset that its last batch went up to
        self._more = True  # a queue may hold something for which the bell has rung before
        self._turn = 0
        self._ear, self._bell = os.pipe()
        os.set_blocking(self._ear, False)
        os.set_blocking(self._bell, False)
        self._waiter = select.poll()
        self._waiter.register(self._ear, select.POLLIN)
        self._events: int | None = self._library.queue_get_consumer(self._handle)
        self._library.queue_io_event_enable(self._events, self._bell, b"1", 1)

    def open(self, listener: Listener) -> None:
        super().open(_Cutting(listener, self._cut_off, self._let_go))

    def poll(self, timeout: float, limit: int) -> list[B]:
        if self._more:
            self._hush()  # what rang until now is taken now
            self._listen()
            if batches := self._take(limit):
                return batches
        self._wait(timeout)
        self._listen()
        return self._take(limit)

    def _wait(self, timeout: float) -> bool:
        """Whether a queue got something within ``timeout`` seconds."""
        rang = bool(self._waiter.poll(max(timeout, 0.0) * 1_000))
        if rang:
            self._hush()
        return rang

    def _hush(self) -> None:
        try:
            os.read(self._ear, 4_096)
        except BlockingIOError:
            return

    # ---- events of the group, and partitions that come and go

    def _listen(self) -> None:
        while (message := self._consumer.poll(0)) is not None:
            error = message.error()
            if error is None:  # it was under way before: it is asked for again, on its own queue
                self.restart(partition_of(message), offset_of(message))
            elif error.code() != KafkaError._PARTITION_EOF:
                self._raise(partition_of(message), message.offset(), error)

    def _cut_off(self, partitions: list[int]) -> None:
        for partition in set(partitions) - self._queues.keys():
            queue = self._library.queue_get_partition(self._handle, self._topic.encode(), partition)
            self._library.queue_forward(queue, None)
            self._library.queue_io_event_enable(queue, self._bell, b"1", 1)
            self._queues[partition] = queue
            self._told.pop(partition, None)

    def _let_go(self, partitions: list[int]) -> None:
        for partition in partitions:
            queue = self._queues.pop(partition, None)
            if queue is not None:
                self._library.queue_io_event_enable(queue, -1, None, 0)
                self._library.queue_destroy(queue)

    def restart(self, partition: int, offset: int | None) -> None:
        self._told.pop(partition, None)
        super().restart(partition, offset)

    # ---- records

    def _take(self, limit: int) -> list[B]:
        """At most ``limit`` records; a different partition comes first each time."""
        self._taken.give_back()
        partitions = sorted(self._queues)
        self._turn += 1
        first = self._turn % max(len(partitions), 1)
        partitions = partitions[first:] + partitions[:first]
        counts: list[int] = []
        taken, room = 0, min(limit, AT_ONCE)
        for partition in partitions:
            count = self._library.take(self._queues[partition], self._place + 8 * taken, room - taken)
            counts.append(count)
            taken += count
        self._more = taken == room
        self._taken = Taken(self._library, self._buffer[:taken].copy())
        return self._batches_of(partitions, counts) if taken else []

    def _batches_of(self, partitions: list[int], counts: list[int]) -> list[B]:
        pointers = self._taken.pointers
        found, parts, failures = messages.of(pointers, partitions, counts, self._library.timestamp)
        for partition, code, offset in failures:
            self._raise(partition, offset, KafkaError(code))
        news = [part for part in parts if part.stop > part.start or self._is_news(part)]
        self._told.update((part.partition, part.next_offset) for part in news)
        return self._make_in_place(news, found, self._taken)

    def _is_news(self, part: Part) -> bool:
        """Whether a partition ends behind its last record: what ends transactions takes offsets, too."""
        return part.next_offset != self._told.get(part.partition)

    # ---- the rest

    def serve(self, timeout: float) -> None:
        # What was taken stays: whoever waits may have more to do with it.
        self._more = True  # the bell is not kept for the next poll
        until = time.monotonic() + timeout
        self._consumer.pause(self._consumer.assignment())
        try:
            self._listen()
            while (left := until - time.monotonic()) > 0 and self._wait(left):
                self._listen()
        finally:
            self._consumer.resume(self._consumer.assignment())

    def close(self) -> None:
        if self._events is None:
            return
        self._taken.give_back()
        self._let_go(list(self._queues))
        self._library.queue_io_event_enable(self._events, -1, None, 0)
        self._library.queue_destroy(self._events)
        self._events = None
        super().close()
        os.close(self._ear)
        os.close(self._bell)


class _Cutting:
    """A listener whose partitions are cut off before they are fetched, and let go before they leave."""

    def __init__(
        self,
        listener: Listener,
        cut_off: Callable[[list[int]], None],
        let_go: Callable[[list[int]], None],
    ) -> None:
        self._listener, self._cut_off, self._let_go = listener, cut_off, let_go

    def assigned(self, partitions: list[int]) -> dict[int, int | None]:
        starts = self._listener.assigned(partitions)
        self._cut_off(partitions)
        return starts

    def revoked(self, partitions: list[int]) -> None:
        self._listener.revoked(partitions)
        self._let_go(partitions)

    def lost(self, partitions: list[int]) -> None:
        self._listener.lost(partitions)
        self._let_go(partitions)
