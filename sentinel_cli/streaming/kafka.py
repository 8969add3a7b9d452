"""Clients of Apache Kafka: the one place where librdkafka's keys are chosen.

Purpose: hand out a producer, a consumer or an admin client that is configured for this work.
Ours are defaults; what the user put in the ``[kafka]`` table wins over them, and what the caller
passes (``**{"linger.ms": 0}``) wins over both.

librdkafka's log lines go to the Python logger ``sentinel.kafka``, and the last failure it met is
kept by address, so that an error can say why a broker does not answer.

Not here: topics (``streaming.topics``), what is done with the records.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, ClusterMetadata

from sentinel_cli.errors import ConfigError, KafkaUnreachable, SentinelError

if TYPE_CHECKING:
    from sentinel_cli.config import Settings


def _worth_a_line(record: logging.LogRecord) -> bool:
    """What librdkafka tries again by itself, up to twenty times a second, whoever waits says once.
    And one table of properties serves producers and consumers, each of which ignores some."""
    text = record.getMessage()
    noise = text.startswith(("FAIL ", "GETPID ")) or "will be ignored by this" in text
    return not noise or log.isEnabledFor(logging.DEBUG)


log = logging.getLogger("sentinel.kafka")
log.addFilter(_worth_a_line)
log.addHandler(logging.NullHandler())  # silent until the application sets logging up

CLIENT: dict[str, Any] = {
    "client.id": "sentinel",
    "socket.keepalive.enable": True,
    "socket.connection.setup.timeout.ms": 5_000,
    # A broker that restarts is found again within a second; the default waits up to ten.
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 1_000,
    # Brokers close idle connections all the time; that is no news.
    "log.connection.close": False,
}

PRODUCER: dict[str, Any] = {
    "enable.idempotence": True,
    "acks": "all",
    # As Java clients do it, so that a user's records meet on one partition whoever produced them.
    "partitioner": "murmur2_random",
    "linger.ms": 5,
    "compression.type": "lz4",
    # Never give up on a record: the caller pauses while Kafka is away.
    "message.timeout.ms": 0,
    # A dead letter is as large as what others wrote; how large that may be, the topic says.
    "message.max.bytes": 10 * 1024 * 1024,
    "queue.buffering.max.messages": 1_000_000,
    "queue.buffering.max.kbytes": 524_288,
}

CONSUMER: dict[str, Any] = {
    # Offsets live with the state; the worker commits to Kafka for lag tools alone.
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",
    "partition.assignment.strategy": "cooperative-sticky",
    "isolation.level": "read_committed",
    # A worker that was killed holds its partitions for this long; librdkafka's 45 s is a long time to
    # score nothing. A restart with a `group.instance.id` of its own does not wait at all.
    "session.timeout.ms": 10_000,
    "allow.auto.create.topics": False,
    "enable.partition.eof": False,
    # With the defaults the fetcher rests for a whole second whenever its queue is full:
    # 265,000 records a second instead of 1,200,000.
    "queued.min.messages": 1_000_000,
    "fetch.queue.backoff.ms": 2,
    # The broker answers as soon as it has a byte; this bounds only how long it holds an empty fetch.
    "fetch.wait.max.ms": 10,
}

_last_failure: dict[str, str] = {}
_STATE = re.compile(r" \(after \d+ms in state .*\)$")  # librdkafka's own affairs

C = TypeVar("C")


def producer(settings: Settings, **overrides: Any) -> Producer:
    """A producer that is idempotent and never gives up; raises ConfigError for a wrong property."""
    return _make(Producer, settings, PRODUCER, overrides)


def consumer(settings: Settings, group: str, **overrides: Any) -> Consumer:
    """A consumer of ``group`` that commits nothing by itself; raises ConfigError."""
    return _make(Consumer, settings, {**CONSUMER, "group.id": group}, overrides)


def member(settings: Settings, index: int) -> dict[str, Any]:
    """What sets worker ``index`` of one command apart: static members must not share an identity."""
    identity = settings.kafka.properties.get("group.instance.id")
    return {"group.instance.id": f"{identity}-{index}"} if identity else {}


def admin(settings: Settings, **overrides: Any) -> AdminClient:
    """A client for topics and cluster facts; raises ConfigError."""
    return _make(AdminClient, settings, {}, overrides)


def group(settings: Settings, role: str = "") -> str:
    """The consumer group of the detectors, or of the workers of another ``role``, under the prefix."""
    name = f"{settings.consumer_group}-{role}" if role else settings.consumer_group
    return f"{settings.prefix}.{name}" if settings.prefix else name


def reachable(settings: Settings, timeout: float = 8.0) -> ClusterMetadata:
    """The cluster's brokers and topics, once one broker answers.

    Raises KafkaUnreachable, naming the addresses and the last failure, after ``timeout`` seconds:
    after two when waiting has no sense, as when nothing listens there.
    """
    client = admin(settings)
    start = time.monotonic()
    while (waited := time.monotonic() - start) < timeout:
        try:
            return client.list_topics(timeout=min(0.5, timeout - waited))
        except KafkaException as error:
            client.poll(0)  # serves the error callback
            if not error.args[0].retriable() and error.args[0].code() not in _STILL_TRYING:
                break
        if waited > 2.0 and any(word in last_failure(settings) for word in _HOPELESS):
            break
    raise KafkaUnreachable(unreachable_sentence(settings))


_HOPELESS = ("Connection refused", "Failed to resolve", "authentication")
_STILL_TRYING = {KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN}


def last_failure(settings: Settings) -> str:
    """What librdkafka last said went wrong with these brokers, or an empty string."""
    return _last_failure.get(settings.kafka.servers, "")


def unreachable_sentence(settings: Settings) -> str:
    reason = last_failure(settings)
    return (
        f"Kafka does not answer at {settings.kafka.servers}{f' ({reason})' if reason else ''}: "
        "check KAFKA_SERVERS, or start the local stack with `sentinel up`."
    )


def standing_still(settings: Settings) -> None:
    """Raises SentinelError while a detector or a responder is in its group, KafkaUnreachable."""
    client = admin(settings)
    for role, command in (("", "detect"), ("respond", "respond")):
        name = group(settings, role)
        try:
            members = client.describe_consumer_groups([name], request_timeout=8.0)[name].result().members
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                continue  # nobody ever joined
            raise KafkaUnreachable(f"Kafka does not describe group {name}: {error.args[0].str()}.") from error
        if members:
            raise SentinelError(
                f"{len(members)} `sentinel {command}` run in group {name}: stop them first (one that was "
                "killed leaves when its session times out)."
            )


def is_mock(cluster: ClusterMetadata) -> bool:
    """True for librdkafka's mock cluster, which has no topic administration."""
    return str(cluster.cluster_id).startswith("mockCluster")


def properties(settings: Settings, role: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """All librdkafka properties of one client: ours, then the user's, then the caller's."""
    chosen = {"bootstrap.servers": settings.kafka.servers, **CLIENT, **role}
    if settings.kafka.debug:
        chosen["debug"] = settings.kafka.debug
    return {**chosen, **settings.kafka.properties, **overrides}


def _make(
    kind: Callable[[dict[str, Any]], C], settings: Settings, role: dict[str, Any], overrides: dict[str, Any]
) -> C:
    conf = properties(settings, role, overrides)
    conf.setdefault("logger", log)
    conf.setdefault("error_cb", _remember(settings.kafka.servers))
    try:
        return kind(conf)
    except KafkaException as error:
        raise ConfigError(
            f"A Kafka client cannot be made from these settings: {error.args[0].str()}; "
            "correct the [kafka] table or the environment (`sentinel config show` tells where each is from)."
        ) from error


def _remember(servers: str) -> Callable[[KafkaError], None]:
    def note(error: KafkaError) -> None:
        # "all brokers are down" only follows the failure that says why
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            _last_failure[servers] = _STATE.sub("", error.str())

    return note
