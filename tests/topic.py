"""Reading a topic back."""

from __future__ import annotations

from confluent_kafka import OFFSET_BEGINNING, KafkaError, Message, TopicPartition

from sentinel_cli.config import Settings
from sentinel_cli.streaming import kafka

# Seconds without any answer, on a machine that others use, too.
PATIENCE = 60


def read(settings: Settings, topic: str) -> list[Message]:
    """Every record of a topic of the table as it stands, each partition in order."""
    consumer = kafka.consumer(settings, "test-reader", **{"enable.partition.eof": True})
    name = settings.topic(topic)
    left = set(consumer.list_topics(name, timeout=PATIENCE).topics[name].partitions)
    consumer.assign([TopicPartition(name, partition, OFFSET_BEGINNING) for partition in left])
    found = []
    while left:
        message = consumer.poll(PATIENCE)
        assert message is not None, f"{name} does not answer"
        error = message.error()
        if error is None:
            found.append(message)
        else:
            assert error.code() == KafkaError._PARTITION_EOF, error
            left.discard(message.partition())
    consumer.close()
    return found
