"""Kafka: does it answer, does a record come back, are the topics what the environment wants."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ClusterMetadata, ConfigResource, NewTopic, ResourceType

from sentinel_cli import stack
from sentinel_cli.checks.finding import Finding, clock, off_by
from sentinel_cli.config import Settings
from sentinel_cli.errors import KafkaUnreachable, SentinelError
from sentinel_cli.streaming import kafka, topics

# Seconds: for the first answer, and for each step after it.
ANSWER_WITHIN = 6.0
REFUSED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.POLICY_VIOLATION,
)
LATER = ("kafka round trip", "kafka clock", "topics")


def check(settings: Settings) -> list[Finding]:
    try:
        cluster = kafka.reachable(settings, ANSWER_WITHIN)
    except KafkaUnreachable as error:
        skipped = [Finding(name, "skip", "Kafka does not answer") for name in LATER]
        return [Finding("kafka", "fail", str(error), unreachable=True), *skipped]
    return [_answers(settings, cluster), *_round_trip(settings, cluster), _topics(settings)]


def _answers(settings: Settings, cluster: ClusterMetadata) -> Finding:
    count = len(cluster.brokers)
    brokers = f"{count} broker{'s' if count != 1 else ''} at {settings.kafka.servers}"
    if kafka.is_mock(cluster):
        return Finding("kafka", "warn", f"{brokers}: librdkafka's mock cluster, which forgets everything")
    version = _local_version(settings) or _version(kafka.admin(settings), next(iter(cluster.brokers)))
    return Finding("kafka", "ok", f"{brokers}, version {version}, cluster {cluster.cluster_id}")


def _local_version(settings: Settings) -> str | None:
    running = stack.status(settings.home)
    ours = running is not None and running.kafka_servers == settings.kafka.servers
    return running.server("kafka").version if running and ours else None


def _version(client: AdminClient, broker: int) -> str:
    """Brokers do not tell theirs; those before 4.0 tell what they speak among each other."""
    resource = ConfigResource(ResourceType.BROKER, str(broker))
    try:
        properties = client.describe_configs([resource], request_timeout=ANSWER_WITHIN)[resource].result()
    except KafkaException:
        return "unknown (it may not be asked)"
    spoken = properties.get("inter.broker.protocol.version")
    return str(spoken.value) if spoken else "4.0 or newer"


def _round_trip(settings: Settings, cluster: ClusterMetadata) -> Iterator[Finding]:
    """Write a record to a topic of its own, read it back, remove the topic."""
    mock = kafka.is_mock(cluster)
    name = settings.topic("doctor" if mock else f"doctor-{uuid.uuid4().hex[:12]}")
    client = kafka.admin(settings)
    try:
        if not mock:
            _create(client, name)
        try:
            took_ms, skew_ms = _there_and_back(settings, name)
        finally:
            if not mock:
                _delete(client, name)
    except KafkaException as error:
        yield _not_made(error.args[0], settings)
        yield Finding("kafka clock", "skip", "no record came back")
        return
    yield Finding("kafka round trip", "ok", f"its own record came back after {took_ms:.0f} ms")
    yield clock("kafka clock", skew_ms) if not mock else Finding("kafka clock", "skip", "the mock has none")


def _create(client: AdminClient, name: str) -> None:
    # So that the broker's clock, not ours, stamps the record.
    config = {"message.timestamp.type": "LogAppendTime"}
    new = NewTopic(name, num_partitions=1, replication_factor=topics.BROKER_DEFAULT, config=config)
    client.create_topics([new], operation_timeout=ANSWER_WITHIN)[name].result(ANSWER_WITHIN)


def _delete(client: AdminClient, name: str) -> None:
    client.delete_topics([name], operation_timeout=ANSWER_WITHIN)[name].result(ANSWER_WITHIN)


def _there_and_back(settings: Settings, name: str) -> tuple[float, float]:
    """Milliseconds it took, and by how many the broker's clock is off. Raises KafkaException."""
    token = uuid.uuid4().bytes
    producer = kafka.producer(settings, **{"linger.ms": 0, "message.timeout.ms": int(ANSWER_WITHIN * 1000)})
    _write(producer, name, token)  # the first also pays for the connection
    start = time.time()
    record = _write(producer, name, token)
    skew_ms = off_by(record.timestamp()[1], start, time.time())
    _read_back(settings, TopicPartition(name, record.partition(), record.offset()), token)
    return (time.time() - start) * 1000, skew_ms


def _write(producer: Producer, name: str, token: bytes) -> Any:  # a Message with its place
    done: list[Any] = []
    producer.produce(name, token, on_delivery=lambda error, message: done.append(error or message))
    producer.flush(ANSWER_WITHIN)
    record = done[0] if done else KafkaError(KafkaError.REQUEST_TIMED_OUT)
    if isinstance(record, KafkaError):
        raise KafkaException(record)
    return record


def _read_back(settings: Settings, place: TopicPartition, token: bytes) -> None:
    consumer = kafka.consumer(settings, f"{settings.consumer_group}-doctor")
    try:
        consumer.assign([place])
        message = consumer.poll(ANSWER_WITHIN)
        if message is None:
            raise KafkaException(KafkaError(KafkaError.REQUEST_TIMED_OUT))
        if message.error():
            raise KafkaException(message.error())
        if message.value() != token:
            raise KafkaException(KafkaError(KafkaError.INVALID_MSG))
    finally:
        consumer.close()


def _not_made(error: KafkaError, settings: Settings) -> Finding:
    if error.code() in REFUSED:
        return Finding(
            "kafka round trip", "warn", f"not tried, for a topic may not be created: {error.str()}"
        )
    words = f"a record cannot be written to and read from {settings.kafka.servers}: {error.str()}"
    return Finding("kafka round trip", "fail", words)


def _topics(settings: Settings) -> Finding:
    try:
        states = topics.describe(settings)
    except (SentinelError, KafkaException) as error:
        return Finding("topics", "warn", str(error))
    missing = [state.name for state in states if not state.exists]
    if missing:
        return Finding(
            "topics", "warn", f"missing: {', '.join(missing)}; `sentinel topics create` makes them"
        )
    if troubles := [trouble for state in states for trouble in _troubles(state, settings.env)]:
        return Finding("topics", "warn", "; ".join(troubles))
    if any(state.retention_ms is None for state in states):
        return Finding("topics", "ok", f"all {len(states)} there; how long they are kept is not told")
    return Finding("topics", "ok", f"all {len(states)} there, kept as {settings.env} wants it")


def _troubles(state: topics.TopicState, env: str) -> Iterator[str]:
    """What of a topic may hurt. One that is kept longer than asked for does not."""
    kept, wanted = state.retention_ms, state.expected_retention_ms
    if kept is not None and kept != topics.FOR_EVER and (wanted == topics.FOR_EVER or kept < wanted):
        yield f"{state.name} is kept {topics.days(kept)} instead of {topics.days(wanted)}"
    if env == "production" and state.replication == 1:
        yield f"{state.name} has one replica, so that one broker's disk can lose it"
