"""`sentinel produce` on a real broker: what it reports is what is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from contextlib import closing
from subprocess import PIPE
from typing import TYPE_CHECKING

import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import NewTopic

from sentinel_cli.records import Label, Transaction
from sentinel_cli.streaming import kafka, producing, topics
from sentinel_cli.streaming.delivery import Delivery
from sentinel_cli.streaming.producing import Order

if TYPE_CHECKING:
    from sentinel_cli.config import Settings

pytestmark = pytest.mark.real


def ends(settings: Settings, topic: str) -> int:
    """How many records the broker has on a topic that nobody has deleted from."""
    with closing(kafka.consumer(settings, "reader")) as consumer:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        return sum(
            consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in partitions
        )


def await_first(settings: Settings, topic: str) -> None:
    with closing(kafka.consumer(settings, "first")) as consumer:
        consumer.assign(
            [
                TopicPartition(topic, p, 0)
                for p in consumer.list_topics(topic, timeout=10).topics[topic].partitions
            ]
        )
        assert consumer.poll(30) is not None


def read(settings: Settings, topic: str) -> list[tuple[int, bytes, bytes]]:
    """Partition, key and value of everything on a topic."""
    consumer: Consumer = kafka.consumer(settings, "reader")
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        ends = {
            p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in partitions
        }
        consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
        found: list[tuple[int, bytes, bytes]] = []
        while len(found) < sum(ends.values()):
            for message in consumer.consume(5_000, 0.5):
                assert message.error() is None
                found.append((message.partition(), message.key(), message.value()))  # type: ignore[arg-type]
        return found
    finally:
        consumer.close()


def test_what_is_reported_is_what_the_broker_has(settings: Settings) -> None:
    summary = producing.run(settings, Order(count=10_000, seed=7), threading.Event())
    assert (summary.produced, summary.labels, summary.failed) == (10_000, 10_000, 0)

    transactions = read(settings, settings.topic("transactions"))
    labels = read(settings, settings.topic("labels"))
    assert len(transactions) == len(labels) == 10_000
    decoded = [msgspec.json.decode(value, type=Transaction) for _, _, value in transactions]
    truth = {
        label.transaction_id: label for label in (msgspec.json.decode(v, type=Label) for _, _, v in labels)
    }
    assert {record.transaction_id for record in decoded} == set(truth)
    assert sum(label.is_fraud for label in truth.values()) == summary.fraud

    partitions, times = defaultdict(set), defaultdict(list)
    for (partition, key, _), record in zip(transactions, decoded, strict=True):
        assert key == record.user_id.encode()
        partitions[key].add(partition)
        times[key].append(record.timestamp)
    assert all(len(on) == 1 for on in partitions.values())  # a user's records keep together
    assert all(in_order == sorted(in_order) for in_order in times.values())  # and in order


@pytest.mark.apache
def test_a_record_that_the_broker_refuses_is_not_counted(settings: Settings) -> None:
    topic = settings.topic("small")
    small = NewTopic(topic, 1, config={"max.message.bytes": "1000"})
    admin = kafka.admin(settings)
    admin.create_topics([small])[topic].result()
    delivery = Delivery(settings, threading.Event())
    for value in (b"{}", os.urandom(5_000), b"{}"):
        delivery.send(topic, [b"key"], [value])
        delivery.finish()
    assert delivery.acknowledged(topic) == 2
    assert delivery.failed() == 1
    assert "size" in delivery.reason
    assert [value for _, _, value in read(settings, topic)] == [b"{}", b"{}"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_what_the_broker_has(settings: Settings, number: signal.Signals) -> None:
    topics.ensure(settings)
    topic = settings.topic("transactions")
    arguments = ["produce", "--tps", "500", "--users", "50", "--json", "--prefix", settings.prefix]
    environment = {**os.environ, "KAFKA_SERVERS": settings.kafka.servers}
    command = [sys.executable, "-m", "sentinel_cli", *arguments]
    with subprocess.Popen(command, env=environment, stdout=PIPE, stderr=PIPE) as process:
        try:
            await_first(settings, topic)
            process.send_signal(number)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0, err
    summary = msgspec.json.decode(out)
    assert summary["ended"] == "stopped"
    assert summary["produced"] == ends(settings, topic) > 0
    assert summary["labels"] == ends(settings, settings.topic("labels"))
    assert b"\x1b" not in err  # no animation without a terminal
