"""The topics: what they are called, what keys them, how long each environment keeps them.

Purpose: create the topics that are missing, and say what is there. A topic that exists is never
altered: its partitions and retention may be the company's own decision.

Not here: the records on them (``sentinel_cli.records``), the clients (``streaming.kafka``).
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    ClusterMetadata,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
    TopicMetadata,
)

from sentinel_cli.errors import KafkaUnreachable, SentinelError
from sentinel_cli.streaming import kafka

if TYPE_CHECKING:
    from sentinel_cli.config import Settings

log = logging.getLogger("sentinel.topics")

DAY_MS = 24 * 3600 * 1000
FOR_EVER = -1

TRANSACTIONS = "transactions"
LABELS = "labels"
FRAUD_ALERTS = "fraud-alerts"
ALERT_RESPONSES = "alert-responses"
AUDIT_LOG = "audit-log"
TRANSACTIONS_DLQ = "transactions.dlq"
FRAUD_ALERTS_DLQ = "fraud-alerts.dlq"

# Bytes. A dead letter is a record that its own topic took, and headers; ten times Kafka's default leaves
# room for topics that take more than that.
LARGEST_DEAD_LETTER = 10 * 1024 * 1024

# Twelve divides evenly among 1, 2, 3, 4, 6 and 12 workers.
DEFAULT_PARTITIONS = 12
BROKER_DEFAULT = -1  # replication: what the cluster's own default.replication.factor says


@dataclass(frozen=True)
class Topic:
    """One topic's contract; retention in milliseconds, -1 for ever."""

    name: str
    key: str
    development_ms: int
    production_ms: int
    largest: int | None = None  # bytes of a batch of records, where it is not the cluster's default

    def config(self, env: str) -> dict[str, str]:
        """Kafka's configuration of a topic that is made."""
        config = {"retention.ms": str(self.retention_ms(env))}
        return config | ({"max.message.bytes": str(self.largest)} if self.largest else {})

    def retention_ms(self, env: str) -> int:
        """Staging keeps what production keeps: it is there to rehearse it."""
        return self.development_ms if env == "development" else self.production_ms


TOPICS = (
    Topic(TRANSACTIONS, "user_id", 7 * DAY_MS, 30 * DAY_MS),
    Topic(LABELS, "user_id", 30 * DAY_MS, 400 * DAY_MS),
    Topic(FRAUD_ALERTS, "user_id", 7 * DAY_MS, 30 * DAY_MS),
    Topic(ALERT_RESPONSES, "user_id", 7 * DAY_MS, 30 * DAY_MS),
    Topic(AUDIT_LOG, "chain id", FOR_EVER, FOR_EVER),
    Topic(TRANSACTIONS_DLQ, "as the source", 30 * DAY_MS, 30 * DAY_MS, LARGEST_DEAD_LETTER),
    Topic(FRAUD_ALERTS_DLQ, "as the source", 30 * DAY_MS, 30 * DAY_MS, LARGEST_DEAD_LETTER),
)


@dataclass(frozen=True)
class TopicState:
    """What the cluster has under one topic's name; None where it does not say."""

    name: str
    key: str
    exists: bool
    partitions: int | None
    replication: int | None
    retention_ms: int | None
    expected_retention_ms: int


@dataclass(frozen=True)
class Ensured:
    name: str
    outcome: Literal["created", "exists", "would create"]


def ensure(
    settings: Settings,
    partitions: int = DEFAULT_PARTITIONS,
    replication: int = BROKER_DEFAULT,
    *,
    dry_run: bool = False,
) -> list[Ensured]:
    """Create every topic that is missing, and return what was done with each, in the table's order.

    Raises KafkaUnreachable when no broker answers, SentinelError when the cluster refuses.
    """
    cluster = kafka.reachable(settings)
    missing = [topic for topic in TOPICS if settings.topic(topic.name) not in cluster.topics]
    if dry_run:
        made = "would create"
    else:
        made = "created"
        _create(settings, cluster, missing, partitions, replication)
    return [Ensured(settings.topic(t.name), made if t in missing else "exists") for t in TOPICS]  # type: ignore[arg-type]


def describe(settings: Settings) -> list[TopicState]:
    """Every topic of the table as the cluster has it; raises KafkaUnreachable."""
    cluster = kafka.reachable(settings)
    names = [settings.topic(topic.name) for topic in TOPICS]
    there = [name for name in names if name in cluster.topics]
    kept = {} if kafka.is_mock(cluster) else _config(kafka.admin(settings), there, "retention.ms")
    return [_state(topic, settings.topic(topic.name), settings.env, cluster, kept) for topic in TOPICS]


def days(retention_ms: int) -> str:
    """A retention in words: "7 d", "for ever"."""
    return "for ever" if retention_ms == FOR_EVER else f"{retention_ms / DAY_MS:.3g} d"


def partitions(settings: Settings, name: str) -> int:
    """How many partitions a topic of the table has. Raises KafkaUnreachable, or SentinelError without it."""
    full = settings.topic(name)
    found = kafka.reachable(settings).topics.get(full)
    if found is None:
        raise _missing(full)
    return len(found.partitions)


def retention_ms(env: str, name: str) -> int:
    """How long an environment keeps the records of a topic of the table."""
    return next(topic.retention_ms(env) for topic in TOPICS if topic.name == name)


def identity(settings: Settings, name: str) -> str:
    """Kafka's own id of a topic of the table, another one when it is made again; empty on the mock cluster.
    Raises KafkaUnreachable, or SentinelError without the topic."""
    full, cluster = settings.topic(name), kafka.reachable(settings)
    if kafka.is_mock(cluster):
        return ""
    if full not in cluster.topics:
        raise _missing(full)
    client = kafka.admin(settings)
    try:
        asked = client.describe_topics(TopicCollection([full]), request_timeout=8.0)
        return str(asked[full].result().topic_id)
    except KafkaException as error:
        raise _refused(f"describe topic {full}", error) from error


def largest_record(settings: Settings, name: str) -> int | None:
    """Bytes, all counted, of the largest record that a topic of the table takes from our producer; None
    where the cluster does not say. Raises KafkaUnreachable."""
    full, cluster = settings.topic(name), kafka.reachable(settings)
    if kafka.is_mock(cluster) or full not in cluster.topics:
        return None
    takes = _config(kafka.admin(settings), [full], "max.message.bytes").get(full)
    ours = int(kafka.properties(settings, kafka.PRODUCER, {})["message.max.bytes"])
    return takes and min(takes, ours)


def _state(
    topic: Topic, name: str, env: str, cluster: ClusterMetadata, retention: dict[str, int]
) -> TopicState:
    found = cluster.topics.get(name)
    layout = list(found.partitions.values()) if found else []
    return TopicState(
        name=name,
        key=topic.key,
        exists=found is not None,
        partitions=len(layout) or None,
        replication=len(layout[0].replicas) if layout else None,
        retention_ms=retention.get(name),
        expected_retention_ms=topic.retention_ms(env),
    )


def _config(client: AdminClient, names: list[str], key: str) -> dict[str, int]:
    """A number of each topic's configuration, where we may see it."""
    if not names:
        return {}
    wanted = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    found = {}
    for resource, future in client.describe_configs(wanted, request_timeout=8.0).items():
        try:
            found[resource.name] = int(future.result()[key].value)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise _refused(f"describe topic {resource.name}", error) from error
    return found


def _create(
    settings: Settings, cluster: ClusterMetadata, topics: list[Topic], partitions: int, replication: int
) -> None:
    if kafka.is_mock(cluster):
        _touch(settings, [settings.topic(topic.name) for topic in topics])
        return
    new = [
        NewTopic(
            settings.topic(topic.name),
            num_partitions=partitions,
            replication_factor=replication,
            config=topic.config(settings.env),
        )
        for topic in topics
    ]
    client = kafka.admin(settings)
    if new:
        for name, future in client.create_topics(new, operation_timeout=10.0, request_timeout=10.0).items():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # someone was faster: fine
                    raise _refused(f"create topic {name}", error) from error
        _await_leaders(settings, client, [topic.topic for topic in new])


def _await_leaders(settings: Settings, client: AdminClient, names: list[str], timeout: float = 10.0) -> None:
    """A topic is usable when every partition's leader answers for it. Kafka answers creation, and names
    leaders, before that.

    To a producer that sends before, a leader may refuse the first batch and take the second, after which the
    first, sent again, counts as acknowledged: its records are lost and nobody says so.
    """
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        known = client.list_topics(timeout=timeout).topics
        if all(name in known for name in names) and _answer(client, {name: known[name] for name in names}):
            return
        time.sleep(0.02)
    raise KafkaUnreachable(
        f"Kafka at {settings.kafka.servers} created {', '.join(names)} but not all partitions have a leader "
        f"that answers after {timeout:.0f} s: check that enough brokers are up."
    )


def _answer(client: AdminClient, topics: dict[str, TopicMetadata]) -> bool:
    """Whether every partition's leader says where it begins."""
    first: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
    places = {TopicPartition(name, p): first for name, topic in topics.items() for p in topic.partitions}
    try:
        for future in client.list_offsets(places, request_timeout=2.0).values():
            future.result()
    except KafkaException as error:
        log.debug("waiting for leaders: %s", error)
        return False
    return True


def _touch(settings: Settings, names: list[str]) -> None:
    """The mock cluster makes a topic when a producer asks for it, always with four partitions."""
    client = kafka.producer(settings)
    for name in names:
        client.list_topics(name, timeout=8.0)


def _missing(full: str) -> SentinelError:
    return SentinelError(f"Kafka has no topic {full!r}: create it with `sentinel topics create`.")


def _refused(what: str, error: KafkaException) -> SentinelError:
    return SentinelError(f"Kafka refused to {what}: {error.args[0].str()}.")
