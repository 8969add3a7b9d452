"""Kafka transactions: what a save says and the group's new offset, both or neither.

Purpose: ``delivery = "transactional"``. A reader that is `read_committed` sees each alert once,
whatever died: the group's offset K is moved by the very transaction that holds the alerts below it,
and a worker that starts again keeps back what it makes below K.

Design: the group's generation fences (KIP-447), so a worker that lost its partition cannot commit.
The transaction is short and so is its time-out, because an open one of a worker that died holds
back every reader of the topic.

Not here: when a transaction is due, and what follows it (``worker``).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from sentinel_cli.errors import KafkaUnreachable, SentinelError
from sentinel_cli.streaming import kafka
from sentinel_cli.streaming.batches import BrokerAway, Fenced, Letter
from sentinel_cli.streaming.sink import ROOM

if TYPE_CHECKING:
    from sentinel_cli.config import Settings

# Milliseconds. A transaction takes some ten; the broker aborts one that is open for longer than
# this, so that the readers of a dead worker's topics wait no longer.
TRANSACTION_TIMEOUT = 10_000
# Seconds that each call may take before it is asked again.
PATIENCE = 5.0

FENCED = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.FENCED_INSTANCE_ID,
}


def producer(settings: Settings, group: str, index: int) -> Producer:
    """A transactional producer of a worker, ready. Raises KafkaUnreachable.

    A static member's successor has the same transactional id, and so ends what its predecessor left
    open; without one the broker's time-out does.
    """
    return named_producer(
        settings, f"{group}-{kafka.member(settings, index).get('group.instance.id') or uuid.uuid4().hex}"
    )


def named_producer(settings: Settings, identity: str) -> Producer:
    """A transactional producer, ready; any other of this ``identity`` can commit nothing from now on.
    Raises KafkaUnreachable."""
    made = kafka.producer(
        settings,
        **{
            "transactional.id": identity,
            "transaction.timeout.ms": TRANSACTION_TIMEOUT,
            "message.timeout.ms": TRANSACTION_TIMEOUT,
            "linger.ms": 0,
        },
    )
    try:
        made.init_transactions(2 * PATIENCE)
    except KafkaException as error:
        raise KafkaUnreachable(f"Kafka does not begin transactions: {error.args[0].str()}.") from error
    return made


def insist(call: Callable[[], object]) -> None:
    """``call``, again while it is only late: after a time-out its outcome is not known otherwise."""
    while True:
        try:
            call()
        except KafkaException as error:
            if not error.args[0].retriable():
                raise
        else:
            return


class KafkaTransactor:
    """``Transactor`` over a transactional ``producer`` and the ``consumer`` whose group is fenced."""

    def __init__(self, producer: Producer, consumer: Consumer, topic: str) -> None:
        self._producer, self._consumer, self._topic = producer, consumer, topic

    def transact(self, letters: Sequence[Letter], partition: int, end: int) -> None:
        try:
            self._producer.begin_transaction()
            for letter in letters:
                self._send(letter)
            offset = TopicPartition(self._topic, partition, end)
            member = self._consumer.consumer_group_metadata()
            insist(lambda: self._producer.send_offsets_to_transaction([offset], member, PATIENCE))
            insist(lambda: self._producer.commit_transaction(PATIENCE))
        except KafkaException as error:
            self._abort(error.args[0])

    def _send(self, letter: Letter) -> None:
        while True:
            try:
                headers: Any = list(letter.headers.items())
                self._producer.produce(letter.topic, letter.value, letter.key, headers=headers)
            except BufferError:
                self._producer.poll(ROOM)
            else:
                return

    def _abort(self, error: KafkaError) -> None:
        """End the transaction with nothing sent, and say what went wrong."""
        if error.fatal():
            raise SentinelError(
                f"Kafka takes no more transactions from this worker ({error.str()}): is another one running "
                "with the same group.instance.id? Nothing is lost; start it again."
            )
        try:
            insist(lambda: self._producer.abort_transaction(PATIENCE))
        except KafkaException as failed:
            raise SentinelError(
                f"A Kafka transaction could neither be ended nor given up ({failed.args[0].str()}); "
                "nothing is lost; start the worker again."
            ) from failed
        if error.code() in FENCED:
            raise Fenced(error.str())
        raise BrokerAway(error.str())
