"""``python -m sentinel_cli.stack.mock FILE``: librdkafka's mock cluster, for where no jars can be had.

Purpose: a process that holds the cluster, which lives in memory: it speaks Kafka's protocol and other
processes can join, but it has four partitions a topic, no administration, and forgets beyond some
5 MB a partition. The address, which librdkafka chooses, is written into FILE.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from sentinel_cli.errors import StackError
from sentinel_cli.stack import processes
from sentinel_cli.stack.state import Server

READY_WITHIN = 30.0


def command(home: Path) -> list[str]:
    _address_file(home).unlink(missing_ok=True)
    return [sys.executable, "-P", "-m", __name__, str(_address_file(home))]


def wait(server: Server, home: Path, timeout: float = READY_WITHIN) -> str:
    """Until it has said its address; returns that. Raises StackError."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if _address_file(home).exists():
            return _address_file(home).read_text(encoding="utf-8")
        if not processes.alive(server):
            raise StackError(f"the mock cluster ended while it started: {processes.last_words(server.log)}")
        time.sleep(0.02)
    raise StackError(f"the mock cluster does not answer after {timeout:.0f} s; its log is {server.log}.")


def serve(path: Path) -> None:
    from confluent_kafka import Producer

    holder = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1})
    (broker,) = holder.list_topics(timeout=READY_WITHIN).brokers.values()
    new = path.with_suffix(".new")
    new.write_text(f"{broker.host}:{broker.port}", encoding="utf-8")
    new.replace(path)
    while True:
        holder.poll(3600)


def _address_file(home: Path) -> Path:
    return home / "mock.address"


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    serve(Path(sys.argv[1]))
