"""One benchmark's place and means: servers, a prefix of its own, and the commands as processes.

Purpose: fill the topic, run a command over it and measure the process, make everything as it was for
the next round. When it ends, however it ends, its topics, groups and keys are gone.

Design: the command is what users run. Its own summary says what it did; its memory is looked at from
outside, some twenty times a second; so is when it first saved something.

Not here: which figures come of it (``detecting``, ``responding``, …).
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil

from profiles import connection
from profiles.keys import Keys
from sentinel_cli import stack
from sentinel_cli.benching import machine, records
from sentinel_cli.benching.draining import Offsets, ends
from sentinel_cli.benching.records import Ints, Shape
from sentinel_cli.config import Settings
from sentinel_cli.demo.child import PYTHON, Child
from sentinel_cli.demo.servers import remove_keys, servers
from sentinel_cli.errors import SentinelError
from sentinel_cli.streaming import kafka, topics
from sentinel_cli.streaming.delivery import Delivery

NAME = "bench"
LOOK_EVERY_S = 0.05
PY_SPY = "py-spy"

Say = Callable[[str], None]
Python = tuple[str, ...]


@dataclass(frozen=True)
class Filled:
    """What stands on `transactions`, and the indexes of those that have to alert."""

    shape: Shape
    alerts: Ints


@dataclass(frozen=True)
class Ran:
    """How one process went. ``start_s``: from its start to the first offset that it saved.
    ``memory_mb``: the most that it and its children held. ``others``: how many cores worked meanwhile for
    whoever else uses this machine, the kernel's own work included. ``document`` is what it closed with."""

    document: dict[str, Any]
    start_s: float
    memory_mb: float
    others: float


class Trial:
    """Made by ``trial``."""

    def __init__(self, settings: Settings, flags: Mapping[str, object], folder: Path, say: Say) -> None:
        self.settings, self.say = settings, say
        self.client: Any = connection.connect_to(settings.redis)
        self.running = _local(settings)
        self.broker = machine.broker(settings, self.running)
        self.store = machine.store(self.client, self.running)
        self._flags = {
            **flags,
            "prefix": settings.prefix,
            "kafka.servers": settings.kafka.servers,
            "redis.host": settings.redis.host,
            "redis.port": settings.redis.port,
        }
        self._scorecard = folder / "scorecard.toml"
        self._scorecard.write_text(records.scorecard(), encoding="utf-8")
        self._log = settings.home / "logs" / "bench.log"
        self._present = [psutil.Process()]  # what works for this benchmark beside the command
        if self.running is not None:
            self._present += [psutil.Process(server.pid) for server in self.running.servers]
        self._groups = 0

    def topic(self, name: str) -> str:
        return self.settings.topic(name)

    def ends(self, name: str) -> Offsets:
        return ends(self.settings, self.topic(name))

    def fill(self, shape: Shape) -> Filled:
        """Put the records of ``shape`` on `transactions`. Raises SentinelError when not all arrive."""
        self.say(f"Writing {shape.records:,} records of {shape.users:,} users …")
        delivery = Delivery(self.settings, threading.Event())
        topic, alerts = self.topic(topics.TRANSACTIONS), []
        for part in records.slices(shape, time.time_ns() // 1000):
            delivery.send(topic, part.keys, part.values)
            delivery.serve()
            alerts.append(part.alerts)
        delivery.finish()
        if delivery.acknowledged(topic) != shape.records:
            raise SentinelError(f"Kafka did not take {delivery.failed():,} records: {delivery.reason}.")
        return Filled(shape, np.concatenate(alerts))

    def environment(self, **more: str) -> dict[str, str]:
        """Settings of a worker: the scorecard of these records, and what the caller adds."""
        return {
            "CONSUMER_GROUP": f"{NAME}-{self._groups}",
            "FRAUD_THRESHOLD": str(records.THRESHOLD),
            "SENTINEL_DETECT_SCORECARD": str(self._scorecard),
            **more,
        }

    @contextmanager
    def child(
        self,
        name: str,
        arguments: list[str],
        environment: Mapping[str, str],
        python: Python = PYTHON,
    ) -> Iterator[Child]:
        """`sentinel NAME ARGUMENTS`, which does not outlive the block."""
        child = Child(name, self._flags, arguments, self._log, environment=environment, python=python)
        with closing(child):
            yield child

    def run(
        self,
        name: str,
        arguments: list[str],
        environment: Mapping[str, str],
        saves: str = "",
        python: Python = PYTHON,
    ) -> Ran:
        """Run a command to its end, watched; ``saves`` is the topic whose offsets it stores, if any.
        Raises SentinelError when it fails."""
        offsets = self._offsets(saves) if saves else []
        begun, start, memory = time.monotonic(), 0.0, 0
        busy, spent, ours = machine.busy(), machine.spent(self._present), 0.0
        with self.child(name, arguments, environment, python) as child:
            family = [psutil.Process(child.pid)]
            while not child.ended:
                memory, ours = max(memory, _memory(family)), max(ours, machine.spent(family))
                if not start and any(self.client.get(key) for key in offsets):
                    start = time.monotonic() - begun
                    family += family[0].children()  # it has all that it will have: finding them takes time
                time.sleep(LOOK_EVERY_S)
            ours += machine.spent(self._present) - spent
            others = (machine.busy() - busy - ours) / (time.monotonic() - begun)
            return Ran(child.document(), start, memory / 2**20, round(max(others, 0.0), 2))

    def profile(self, name: str, arguments: list[str], environment: Mapping[str, str], saves: str) -> None:
        """One more run that does not count, under py-spy if it is installed, else under cProfile; leaves
        its report in the current folder."""
        if spy := shutil.which(PY_SPY):
            report = Path(f"bench-{name}.svg")
            python: Python = (spy, "record", "--output", str(report), "--", *PYTHON)
        else:
            report = Path(f"bench-{name}.prof")
            python = (*PYTHON, "-m", "cProfile", "-o", str(report))
        self.run(name, arguments, environment, saves, python)
        self.say(f"The profile of one more run is in {report.absolute()}.")

    def forget(self) -> None:
        """Profiles, offsets, blocks, cases and the consumer group are as if there never were any."""
        remove_keys(self.settings, self.client)
        self._groups += 1

    def _offsets(self, name: str) -> list[str]:
        keys = Keys(self.settings.redis_prefix, self.topic(name))
        return [keys.offset(partition) for partition in range(topics.partitions(self.settings, name))]


@contextmanager
def trial(flags: Mapping[str, object], report: stack.Report, partitions: int) -> Iterator[Trial]:
    """Servers and topics for one benchmark. Raises SentinelError on the mock cluster, which measures
    nothing; StackError, KafkaUnreachable, RedisUnreachable, ConfigError."""
    with (
        servers(flags, report, NAME, partitions) as settings,
        TemporaryDirectory() as folder,
    ):
        if kafka.is_mock(kafka.reachable(settings)):
            raise SentinelError(
                "A benchmark needs Apache Kafka, and here is only librdkafka's mock cluster: let `sentinel "
                "up` fetch Kafka's jars, or name servers with KAFKA_SERVERS and REDIS_HOST."
            )
        made = Trial(settings, flags, Path(folder), report.say)
        try:
            yield made
        finally:
            made.client.close()


def _local(settings: Settings) -> stack.Stack | None:
    """The stack of this home, or the benchmark's own, if that is what is measured."""
    for home in (settings.home, settings.home / NAME):
        running = stack.status(home)
        if running is not None and running.kafka_servers == settings.kafka.servers:
            return running
    return None


def _memory(processes: list[psutil.Process]) -> int:
    """Bytes that they hold now; none once they have ended."""
    with suppress(psutil.NoSuchProcess):
        return sum(process.memory_info().rss for process in processes)
    return 0
