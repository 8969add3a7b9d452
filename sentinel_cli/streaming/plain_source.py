"""The plain source: confluent-kafka's Consumer, which works everywhere.

Purpose: batches of one partition each, from a consumer in a group.

Design: the group only shares partitions out; where a partition begins is the listener's answer, so
`auto.offset.reset` is "error" and an offset that Kafka no longer has is an error with the range,
never a silent jump. End-of-partition events tell a batch run that it is done, also when the last
offsets belong to a transaction's markers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Generic

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from sentinel_cli.errors import KafkaUnreachable, LostRangeError, SentinelError
from sentinel_cli.streaming.batches import B, Listener

log = logging.getLogger("sentinel.source")

# What a ``PlainSource`` asks of its consumer, beside ``kafka.CONSUMER``.
CONSUMER = {"auto.offset.reset": "error", "enable.partition.eof": True}
# Seconds that a question to the broker may take, and after which one that came too early is put again.
ANSWER_WITHIN = 10.0
AGAIN = 0.05


class PlainSource(Generic[B]):
    """``Source`` over ``consumer`` (made by ``streaming.kafka.consumer`` with ``CONSUMER``) for one topic.

    ``make`` turns what one poll took of a partition into a batch: its number, its messages in order
    (none at its end), and the offset after them. ``only`` are the partitions to read without joining the
    group, which must have no other member.
    """

    def __init__(
        self,
        consumer: Consumer,
        topic: str,
        make: Callable[[int, list[Message], int], B],
        only: list[int] | None = None,
    ) -> None:
        self._only = only
        self._make = make
        self._consumer = consumer
        self._topic = topic
        self.on_loss: Callable[[int, int], None] | None = None  # told instead of raising LostRangeError
        self._closing = False
        self._fresh: dict[int, int | None] = {}  # assigned since the poll began: partition to its start

    def open(self, listener: Listener) -> None:
        def assign(consumer: Consumer, partitions: list[TopicPartition]) -> None:
            if self._closing:
                return  # they go back at once, and where they would begin can no longer be asked
            starts = listener.assigned([p.partition for p in partitions])
            self._fresh.update(starts)
            consumer.incremental_assign([self._at(p.partition, starts[p.partition]) for p in partitions])
            # A partition that went while `serve` had it paused would come back paused.
            consumer.resume(partitions)

        def revoke(consumer: Consumer, partitions: list[TopicPartition]) -> None:
            listener.revoked([p.partition for p in partitions])
            consumer.incremental_unassign(partitions)

        def lost(consumer: Consumer, partitions: list[TopicPartition]) -> None:
            listener.lost([p.partition for p in partitions])
            consumer.incremental_unassign(partitions)

        if self._only is not None:
            starts = listener.assigned(self._only)
            self._consumer.assign([self._at(partition, starts[partition]) for partition in self._only])
            return
        self._consumer.subscribe([self._topic], on_assign=assign, on_revoke=revoke, on_lost=lost)

    def poll(self, timeout: float, limit: int) -> list[B]:
        # A full `limit` would wait out its timeout; so one is awaited, and the rest taken as it is.
        self._fresh.clear()
        messages = self._consumer.consume(1, timeout)
        if messages:
            messages += self._consumer.consume(limit - 1, 0)
        if self._fresh:
            messages = self._after_assignment(messages)
        return list(self._batches(messages))

    def _after_assignment(self, messages: list[Message]) -> list[Message]:
        """A poll that handed out a partition may hold records from before it: they are asked for again."""
        for partition in {partition_of(m) for m in messages} & self._fresh.keys():
            self.restart(partition, self._fresh[partition])
        return [m for m in messages if partition_of(m) not in self._fresh]

    def _batches(self, messages: list[Message]) -> Iterator[B]:
        for partition, group in groupby(messages, partition_of):
            run = list(group)
            records = [message for message in run if message.error() is None]
            if records:
                yield self._make(partition, records, offset_of(records[-1]) + 1)
            for message in run:
                error = message.error()
                if error is not None and error.code() == KafkaError._PARTITION_EOF:
                    yield self._make(partition, [], offset_of(message))
                elif error is not None:
                    self._raise(partition, message.offset(), error)

    def _raise(self, partition: int, offset: int | None, error: KafkaError) -> None:
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            assert offset is not None, "librdkafka names the offset that it did not find"
            self._lost(partition, offset)
        elif error.fatal() or not error.retriable():
            if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
                raise SentinelError(
                    f"Kafka has no topic {self._topic!r}: create it with `sentinel topics create`."
                )
            if error.code() in PASSING:
                return
            raise SentinelError(f"Kafka stopped the consumer of {self._topic}: {error.str()}.")

    def _lost(self, partition: int, wanted: int) -> None:
        first, end = self._watermarks(partition)
        if self.on_loss is not None:
            log.warning("%s-%d: going on at %d instead of %d", self._topic, partition, first, wanted)
            self.on_loss(partition, first)
            self.restart(partition, first)
            return
        where = f"{self._topic}, partition {partition}"
        if wanted < first:
            raise LostRangeError(
                f"Kafka no longer has the offsets {wanted} to {first - 1} of {where}, which come next: "
                f"they were deleted before they were processed. It begins at {first} now. Nothing was "
                "skipped; `--accept-loss` goes on without them."
            )
        raise LostRangeError(
            f"Offset {wanted} comes next in {where}, and it ends at {end}: was the topic made anew, or does "
            "Redis belong to another Kafka? `--accept-loss` takes it from its beginning."
        )

    def _watermarks(self, partition: int) -> tuple[int, int]:
        try:
            return self._consumer.get_watermark_offsets(
                TopicPartition(self._topic, partition), timeout=ANSWER_WITHIN, cached=False
            )
        except KafkaException as error:
            raise KafkaUnreachable(f"Kafka does not say what {self._topic} holds: {error}.") from error

    def serve(self, timeout: float) -> None:
        assigned = self._consumer.assignment()
        self._consumer.pause(assigned)
        try:
            for message in self._consumer.consume(1, timeout):
                self._put_back(message)
        finally:
            self._consumer.resume(self._consumer.assignment())

    def _put_back(self, message: Message) -> None:
        """A record that was on its way when its partition was paused is asked for again."""
        if message.error() is None:
            self._consumer.seek(TopicPartition(self._topic, partition_of(message), offset_of(message)))

    def restart(self, partition: int, offset: int | None) -> None:
        place = self._at(partition, offset)
        try:
            self._consumer.seek(place)
        except KafkaException:
            # Not fetching yet: assigned anew it begins there. No longer ours: the next poll says so.
            if any(p.partition == partition for p in self._consumer.assignment()):
                self._assign_anew(place)

    def _assign_anew(self, place: TopicPartition) -> None:
        self._consumer.incremental_unassign([place])
        self._consumer.incremental_assign([place])

    def commit(self, offsets: dict[int, int]) -> None:
        places = [TopicPartition(self._topic, partition, offset) for partition, offset in offsets.items()]
        try:
            self._consumer.commit(offsets=places, asynchronous=True)
        except KafkaException as error:
            # Lag tools are told late; the truth is in the store.
            if not error.args[0].retriable() and error.args[0].code() != KafkaError._NO_OFFSET:
                raise

    def committed(self, partition: int) -> int | None:
        place = TopicPartition(self._topic, partition)
        while True:
            try:
                (found,) = self._consumer.committed([place], timeout=ANSWER_WITHIN)
                error = found.error
            except KafkaException as raised:
                error = raised.args[0]
            if error is None:
                return None if found.offset < 0 else int(found.offset)
            # Waiting is right: what a pending transaction has sent is not known before it ends.
            if not error.retriable() and error.code() not in PASSING:
                raise SentinelError(
                    f"Kafka does not say how far {self._topic}-{partition} is: {error.str()}."
                )
            time.sleep(AGAIN)

    def first(self, partition: int) -> int:
        return self._watermarks(partition)[0]

    def end(self, partition: int) -> int:
        _, end = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), cached=True)
        return int(end)

    def ends(self) -> dict[int, tuple[int, int]]:
        try:
            known = self._consumer.list_topics(self._topic, timeout=ANSWER_WITHIN).topics[self._topic]
        except KafkaException as error:
            raise KafkaUnreachable(f"Kafka does not answer about {self._topic}: {error}.") from error
        if known.error is not None:
            raise SentinelError(
                f"Kafka has no topic {self._topic!r}: create it with `sentinel topics create`."
            )
        wanted = known.partitions if self._only is None else self._only
        return {partition: self._watermarks(partition) for partition in wanted}

    def close(self) -> None:
        self._closing = True
        self._consumer.close()

    def _at(self, partition: int, offset: int | None) -> TopicPartition:
        return TopicPartition(self._topic, partition, OFFSET_BEGINNING if offset is None else offset)


# Conditions that librdkafka gets over by itself.
PASSING = {
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
    KafkaError._RESOLVE,
    KafkaError._MAX_POLL_EXCEEDED,
}


def partition_of(message: Message) -> int:
    partition = message.partition()
    return -1 if partition is None else partition


def offset_of(message: Message) -> int:
    """The offset of a message that came from Kafka."""
    offset = message.offset()
    assert offset is not None, "a record that was consumed has an offset"
    return offset


def arrived_ms(message: Message) -> int:
    """Kafka's timestamp, milliseconds since 1970, or -1."""
    kind, milliseconds = message.timestamp()
    return -1 if kind == TIMESTAMP_NOT_AVAILABLE else milliseconds
