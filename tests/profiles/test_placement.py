from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, Message

from profiles.placement import murmur2, partition_of
from sentinel_cli.config import Settings
from sentinel_cli.streaming import kafka, topics

# From the tests of Apache Kafka's own `Utils.murmur2`.
KNOWN = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("key", KNOWN)
def test_it_is_the_hash_of_the_java_client(key: bytes) -> None:
    assert murmur2(key) == KNOWN[key] % 2**32


@pytest.mark.real
def test_users_are_where_the_producer_put_them(settings: Settings) -> None:
    topics.ensure(settings, partitions=5)
    producer, found = kafka.producer(settings), {}

    def note(error: KafkaError | None, message: Message) -> None:
        assert error is None
        found[message.key()] = message.partition()

    partitions = topics.partitions(settings, topics.TRANSACTIONS)
    users = [f"user_{number:0{number % 7}}é" for number in range(300)]
    for user in users:
        producer.produce(settings.topic(topics.TRANSACTIONS), b"", user, on_delivery=note)
    assert producer.flush(30) == 0
    assert found == {user.encode(): partition_of(user, partitions) for user in users}
    assert set(found.values()) == set(range(partitions))
