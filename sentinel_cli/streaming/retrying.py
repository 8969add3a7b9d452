"""Dead letters back onto their source topic, each once, whatever dies.

Purpose: `sentinel dlq retry`, for when what was wrong is fixed.

Design: one Kafka transaction holds both the record on its source topic and the marker beside its
letter, so that for every `read_committed` reader, which workers are, both are there or neither. All
retries of one topic have the same transactional id: who begins ends what another has open, and that
other can commit nothing any more. Which letters wait is read after that.

Not here: reading letters (``dead_letters``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, Producer
from msgspec import Struct

from sentinel_cli.errors import SentinelError
from sentinel_cli.streaming import kafka, transactor
from sentinel_cli.streaming.dead_letters import RETRIED, SOURCES, DeadLetter, Wanted, letters, places
from sentinel_cli.streaming.sink import ROOM

if TYPE_CHECKING:
    from sentinel_cli.config import Settings

# Letters and bytes of one transaction, which has to be over within seconds.
AT_ONCE, BYTES_AT_ONCE = 500, 8_000_000


class Retried(Struct):
    """How many letters were ``put_back``; of the others ``left`` had left their value at the source."""

    put_back: int = 0
    left: int = 0


def retry(settings: Settings, name: str, where: Wanted, advance: Callable[[int], None]) -> Retried:
    """Put the letters that wait back, of those that are wanted; ``advance`` is told how many at a time.

    Raises KafkaUnreachable, or SentinelError: what was put back until then stays so.
    """
    check(settings)
    producer = transactor.named_producer(settings, f"{kafka.group(settings, 'dlq')}-retry-{name}")
    waiting = places(settings, name, where)
    done = Retried()
    for some in _portions(letters(settings, name, waiting)):
        whole = [letter for letter in some if letter.left is None]
        try:
            _put_back(producer, whole, settings.topic(SOURCES[name]), settings.topic(name))
        except KafkaException as error:
            raise _given_up(producer, error.args[0], done) from error
        done.put_back += len(whole)
        done.left += len(some) - len(whole)
        advance(len(some))
    return done


def check(settings: Settings) -> None:
    """Raises SentinelError where Kafka has no transactions to rely on."""
    if kafka.is_mock(kafka.reachable(settings)):
        raise SentinelError(
            "The mock cluster has no transactions to rely on, and without them a letter could go back twice: "
            "retry needs Apache Kafka."
        )


def _portions(found: Iterable[DeadLetter]) -> Iterator[list[DeadLetter]]:
    some: list[DeadLetter] = []
    size = 0
    for letter in found:
        some.append(letter)
        size += len(letter.value or b"")
        if len(some) == AT_ONCE or size >= BYTES_AT_ONCE:
            yield some
            some, size = [], 0
    if some:
        yield some


def _put_back(producer: Producer, some: Sequence[DeadLetter], source: str, topic: str) -> None:
    producer.begin_transaction()
    for letter in some:
        _produce(producer, source, letter.value, letter.key, _back_to(letter), {})
        _produce(producer, topic, None, None, letter.partition, {RETRIED: str(letter.offset)})
    transactor.insist(lambda: producer.commit_transaction(transactor.PATIENCE))


def _back_to(letter: DeadLetter) -> int:
    """A key finds the partition that its user has now; without one the record goes where it was."""
    return letter.source.partition if letter.source and letter.key is None else -1


def _produce(
    producer: Producer, topic: str, value: bytes | None, key: bytes | None, to: int, headers: dict[str, str]
) -> None:
    pairs: Any = list(headers.items())
    while True:
        try:
            producer.produce(topic, value, key, partition=to, headers=pairs)
        except BufferError:
            producer.poll(ROOM)
        else:
            return


def _given_up(producer: Producer, error: KafkaError, done: Retried) -> SentinelError:
    so_far = f"{done.put_back:,} letters were put back, and none twice"
    if error.fatal():
        return SentinelError(f"Another `sentinel dlq retry` has taken over ({error.str()}): {so_far}.")
    with suppress(KafkaException):  # then the next retry ends it
        transactor.insist(lambda: producer.abort_transaction(transactor.PATIENCE))
    return SentinelError(f"Kafka refused to take letters back ({error.str()}): {so_far}; try again.")
