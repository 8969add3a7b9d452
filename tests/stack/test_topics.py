from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import OffsetSpec

from sentinel_cli.streaming import kafka, topics

if TYPE_CHECKING:
    from sentinel_cli.config import Settings

pytestmark = pytest.mark.real


def test_creates_what_is_missing_once(settings: Settings) -> None:
    would = topics.ensure(settings, partitions=4, dry_run=True)
    assert {each.outcome for each in would} == {"would create"}
    assert not any(each.exists for each in topics.describe(settings))

    first = topics.ensure(settings, partitions=4)
    again = topics.ensure(settings, partitions=4)

    assert [each.name for each in first] == [settings.topic(topic.name) for topic in topics.TOPICS]
    assert {each.outcome for each in first} == {"created"}
    assert {each.outcome for each in again} == {"exists"}
    assert all(each.exists and each.partitions == 4 for each in topics.describe(settings))


@pytest.mark.apache
def test_every_partition_of_a_new_topic_answers_at_once(settings: Settings) -> None:
    """A producer that sends to one that does not yet can lose its first batch, and hear that it arrived."""
    client = kafka.admin(settings)
    for number in range(5):
        here = settings.model_copy(update={"prefix": f"{settings.prefix}-{number}"})
        topics.ensure(here)
        places = {
            TopicPartition(here.topic(topic.name), partition): OffsetSpec.latest()  # type: ignore[no-untyped-call]
            for topic in topics.TOPICS
            for partition in range(topics.DEFAULT_PARTITIONS)
        }
        found = client.list_offsets(places, request_timeout=5.0)
        assert [future.result().offset for future in found.values()] == [0] * len(places)


@pytest.mark.apache
@pytest.mark.parametrize("env", ["development", "staging", "production"])
def test_topics_are_kept_as_long_as_the_environment_says(settings: Settings, env: str) -> None:
    here = settings.model_copy(update={"env": env})
    topics.ensure(here, partitions=1)
    kept = {each.name: each.retention_ms for each in topics.describe(here)}
    assert kept == {here.topic(topic.name): topic.retention_ms(env) for topic in topics.TOPICS}
    assert kept[here.topic("audit-log")] == -1


@pytest.mark.apache
def test_a_topic_that_exists_is_not_altered(settings: Settings) -> None:
    topics.ensure(settings, partitions=1)
    topics.ensure(settings.model_copy(update={"env": "production"}), partitions=9)
    assert {each.partitions for each in topics.describe(settings)} == {1}


def test_a_record_comes_back_as_it_was_written(settings: Settings) -> None:
    topics.ensure(settings, partitions=4)
    name = settings.topic(topics.TRANSACTIONS)
    producer = kafka.producer(settings, **{"linger.ms": 0})
    producer.produce(name, key=b"user_1", value=b"{}")
    assert producer.flush(10) == 0
    consumer = kafka.consumer(settings, f"{settings.prefix}-group")
    consumer.subscribe([name])
    message = consumer.poll(20)
    consumer.close()
    assert message is not None
    assert (message.error(), message.key(), message.value()) == (None, b"user_1", b"{}")
