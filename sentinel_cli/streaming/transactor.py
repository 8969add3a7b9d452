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

import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from sentinel_cli.errors import KafkaUnreachable
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
# Seconds after which a call that is only ever late is given up: by then the broker has aborted the
# transaction; and what a new producer may wait for the end of its predecessor's.
GIVE_UP, INIT_WITHIN = 10.0, 60.0

log = logging.getLogger("sentinel.transactor")

FENCED = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.FENCED_INSTANCE_ID,
}


def of_worker(settings: Settings, group: str, index: int, consumer: Consumer, topic: str) -> KafkaTransactor:
    """The transactor of worker ``index``, whose ``consumer`` reads ``topic``. Raises KafkaUnreachable.

    A static member's successor has the same transactional id, and so ends what its predecessor left
    open; without one the broker's time-out does.
    """
    member = kafka.member(settings, index).get("group.instance.id") or uuid.uuid4().hex
    return KafkaTransactor(lambda: named_producer(settings, f"{group}-{member}"), consumer, topic)


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
        insist(lambda: made.init_transactions(PATIENCE), INIT_WITHIN)
    except KafkaException as error:
        raise KafkaUnreachable(f"Kafka does not begin transactions: {error.args[0].str()}.") from error
    return made


def insist(call: Callable[[], object], within: float = GIVE_UP) -> None:
    """``call``, again while it is only late, for ``within`` seconds: its outcome is not known otherwise."""
    deadline = time.monotonic() + within
    while True:
        try:
            call()
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > deadline:
                raise
        else:
            return


def bounded(call: Callable[[], None], within: float) -> None:
    """``call`` in a thread of its own, which is left behind after ``within`` seconds with TimeoutError.

    When a broker dies at the wrong moment, librdkafka (2.13) waits for ever in
    ``send_offsets_to_transaction``, whatever its time-out says.
    """
    outcome: Future[None] = Future()

    def run() -> None:
        try:
            call()
            outcome.set_result(None)
        except Exception as error:  # noqa: BLE001 - a future carries whatever its work raised
            outcome.set_exception(error)

    threading.Thread(target=run, name="transaction", daemon=True).start()
    outcome.result(within)


class KafkaTransactor:
    """``Transactor`` over a transactional producer, which ``make`` gives, and the ``consumer`` whose group
    is fenced. A producer that can go on no more, as after an outage in the middle of a transaction, is
    replaced: the new one ends what the old one left open."""

    def __init__(self, make: Callable[[], Producer], consumer: Consumer, topic: str) -> None:
        self._make, self._consumer, self._topic = make, consumer, topic
        self._producer: Producer | None = make()

    def transact(self, letters: Sequence[Letter], partition: int, end: int) -> None:
        if self._producer is None:
            self._replace()
        producer = self._producer
        assert producer is not None
        try:
            bounded(lambda: self._transaction(producer, letters, partition, end), 2 * GIVE_UP)
        except KafkaException as error:
            self._abort(producer, error.args[0])
        except TimeoutError as error:
            self._give_up("no answer")
            raise BrokerAway("Kafka does not end a transaction") from error

    def _transaction(self, producer: Producer, letters: Sequence[Letter], partition: int, end: int) -> None:
        member = self._consumer.consumer_group_metadata()  # first: what is sent is of this generation
        producer.begin_transaction()
        for letter in letters:
            _send(producer, letter)
        offset = TopicPartition(self._topic, partition, end)
        insist(lambda: producer.send_offsets_to_transaction([offset], member, PATIENCE))
        insist(lambda: producer.commit_transaction(PATIENCE))

    def _abort(self, producer: Producer, error: KafkaError) -> None:
        """End the transaction with nothing sent, and say what went wrong."""
        try:
            bounded(lambda: insist(lambda: producer.abort_transaction(PATIENCE)), 2 * GIVE_UP)
        except (KafkaException, TimeoutError) as failed:  # always after an error that was fatal
            self._give_up(failed)
            raise BrokerAway(error.str()) from failed
        if error.code() in FENCED:
            raise Fenced(error.str())
        raise BrokerAway(error.str())

    def _give_up(self, why: object) -> None:
        self._producer = None
        log.warning("a Kafka transaction could not be ended (%s); its producer is replaced", why)

    def _replace(self) -> None:
        """Raises BrokerAway, or Fenced: what became of the old one's transaction only Kafka knows now, and
        whoever starts again asks it."""
        try:
            self._producer = self._make()
        except KafkaUnreachable as error:
            raise BrokerAway(str(error)) from error
        raise Fenced("a transaction was given up")


def _send(producer: Producer, letter: Letter) -> None:
    while True:
        try:
            headers: Any = list(letter.headers.items())
            producer.produce(letter.topic, letter.value, letter.key, headers=headers)
        except BufferError:
            producer.poll(ROOM)
        else:
            return
