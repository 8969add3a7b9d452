"""A Kafka and a Redis that tests may kill, restart, send back in time and starve.

Purpose: servers of the chaos suite's own, started as `sentinel up` starts them, on ports of their own,
so that no other test meets what happens here. Whatever was done to one, its process stands in the
stack's document, and ends with the tests.

Not here: what is done to workers (``scene``), answers that come late (``proxy``).
"""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

from redis import Redis

from profiles import connection
from sentinel_cli import stack as local
from sentinel_cli.stack import broker, jars, lifecycle, processes, valkey
from sentinel_cli.stack.state import LOOPBACK, Server


class Servers:
    """The pair below ``home``."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.stack = local.start(home, local.Silent(), owned=True, warm=False)
        assert self.stack.mode == "kafka", "chaos needs Apache Kafka itself"
        assert self.stack.kafka_servers
        assert self.stack.redis_port
        self.kafka, self.redis_port = self.stack.kafka_servers, self.stack.redis_port

    def client(self) -> Any:
        """A client of Redis, whatever stands between it and the workers."""
        client: Any = connection.connect(LOOPBACK, self.redis_port)
        return client

    def kill(self, name: str) -> None:
        """As a power cut ends it."""
        server = self.stack.server(name)
        os.kill(server.pid, signal.SIGKILL)
        processes.end(server)  # waits until it is gone
        self.stack.servers.remove(server)

    def start_redis(self) -> None:
        folder = self._home / "valkey"
        server = Server("valkey", address=f"{LOOPBACK}:{self.redis_port}", data=str(folder))
        lifecycle._run(self._home, self.stack, server, valkey.command(folder, self.redis_port), folder)
        valkey.wait(server)
        self._only_append()

    def _only_append(self) -> None:
        """No file goes away while it is copied."""
        client = self.client()
        client.config_set("auto-aof-rewrite-percentage", 0)
        client.close()

    def start_kafka(self) -> None:
        folder = self._home / "kafka"
        server = Server("kafka", address=self.kafka, data=str(folder / "data"))
        command = broker.command(jars.ensure(local.Silent()))
        lifecycle._run(self._home, self.stack, server, command, folder)
        broker.wait(server)

    def snapshot(self) -> Path:
        """Redis as its disk has it now: what a copy that lags behind would know."""
        copy = self._home / "snapshot"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self._home / "valkey", copy)
        return copy

    def fall_back(self, snapshot: Path) -> None:
        """Redis dies, and in its place comes the copy."""
        self.kill("valkey")
        shutil.rmtree(self._home / "valkey")
        shutil.copytree(snapshot, self._home / "valkey")
        self.start_redis()

    def calm(self) -> None:
        """Both run, Redis is empty and takes whatever comes."""
        running = {server.name for server in self.stack.servers if server.running}
        if "valkey" not in running:
            self.start_redis()
        if "kafka" not in running:
            self.start_kafka()
        client: Redis = self.client()
        client.replicaof("NO", "ONE")
        client.config_set("maxmemory", 0)
        client.flushall()
        client.close()
        self._only_append()

    def stop(self) -> None:
        local.stop(self._home)
