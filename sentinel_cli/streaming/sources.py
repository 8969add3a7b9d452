"""Which source a detector takes transactions from, and why that one.

Purpose: the native source where it can run, else the plain one; `[kafka] source` can ask for either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from confluent_kafka import Consumer

from sentinel_cli.errors import ConfigError
from sentinel_cli.streaming import avro, kafka, librdkafka, native_source, plain_source, topics
from sentinel_cli.streaming.batches import RecordBatch
from sentinel_cli.streaming.codec import Decoder
from sentinel_cli.streaming.columnar import Columnar
from sentinel_cli.streaming.footing import Homes
from sentinel_cli.streaming.in_place import InPlace
from sentinel_cli.streaming.native_source import NativeSource
from sentinel_cli.streaming.plain_source import PlainSource

if TYPE_CHECKING:
    from sentinel_cli.config import Settings


Maker: TypeAlias = Columnar | InPlace


class Choice(NamedTuple):
    """``text`` makes JSON of records that a registry's serializer wrote, where there may be such."""

    kind: Literal["native", "plain"]
    why: str
    text: avro.Text | None = None


def choose(settings: Settings) -> Choice:
    """The source for these settings. Raises ConfigError when the one that is asked for cannot run."""
    asked, text = settings.kafka.source, avro.reader(settings)
    if asked == "plain":
        return Choice("plain", "[kafka] source asks for it", text)
    unfit = "with a schema registry records may be Avro" if text else librdkafka.unfit()
    if unfit and asked == "native":
        raise ConfigError(f'[kafka] source = "native" cannot run here: {unfit}; leave it to "auto".')
    return Choice("plain", unfit, text) if unfit else Choice("native", "everything it needs is there")


def consumer(settings: Settings, group: str, choice: Choice, **overrides: Any) -> Consumer:
    """A consumer of ``group`` for `transactions` as the chosen source wants it.

    Raises ConfigError, KafkaUnreachable; SentinelError where there is no such topic.
    """
    wanted: dict[str, Any] = dict(plain_source.CONSUMER)
    theirs = settings.kafka.properties.keys() & {native_source.QUEUED, *native_source.FETCHED}
    if choice.kind == "native" and not theirs:
        wanted |= native_source.held_ahead(topics.partitions(settings, topics.TRANSACTIONS))
    return kafka.consumer(settings, group, **wanted, **overrides)


def maker(choice: Choice, decoder: Decoder, homes: Homes | None) -> Maker:
    """What makes batches of transactions for the chosen source."""
    return InPlace(decoder, homes) if choice.kind == "native" else Columnar(decoder, homes, choice.text)


def over(
    settings: Settings, consumer: Consumer, topic: str, maker: Maker, only: list[int] | None = None
) -> PlainSource[RecordBatch]:
    """The source over ``consumer`` that ``maker`` makes the batches of."""
    if isinstance(maker, Columnar):
        return PlainSource(consumer, topic, maker, only)
    client_id = str(kafka.properties(settings, kafka.CONSUMER, {})["client.id"])
    return NativeSource(consumer, client_id, topic, maker, only)
