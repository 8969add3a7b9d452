"""What runs, written down: `<home>/stack.json`.

Purpose: one document that says which processes the stack has, and from the moment that all of them
answer, at which addresses. The settings read ``kafka_servers``, ``redis_host`` and ``redis_port``
from it, so those stand there only then. It is replaced whole, and gone when nothing runs.

Beside it `ports.json` keeps the ports between starts, so that addresses stay what they were.
"""

from __future__ import annotations

import random
import socket
import time
from pathlib import Path
from typing import Literal

import msgspec

from sentinel_cli.errors import StackError
from sentinel_cli.stack import processes

LOOPBACK = "127.0.0.1"
# Below the ports that Linux (32768 up) and macOS (49152 up) hand to outgoing connections, so that
# no client of ours can sit on a server's port while that is down.
PORTS = range(20_000, 32_000)


class Server(msgspec.Struct, omit_defaults=True):
    """One process: ``started`` in seconds since 1970, ``data`` a folder or what is said instead."""

    name: str
    pid: int = 0
    started: float = 0.0
    version: str = ""
    address: str = ""
    data: str = ""
    log: str = ""

    @property
    def running(self) -> bool:
        return processes.alive(self)

    @property
    def uptime_s(self) -> float:
        return max(0.0, time.time() - self.started)


class Owner(msgspec.Struct):
    """Who the stack ends with."""

    pid: int
    started: float


class Stack(msgspec.Struct, omit_defaults=True):
    """The stack of one home. ``mode`` says whether Kafka is Apache's or librdkafka's mock cluster."""

    mode: Literal["kafka", "mock"]
    servers: list[Server]
    kafka_servers: str | None = None
    redis_host: str | None = None
    redis_port: int | None = None
    owner: Owner | None = None

    @property
    def ready(self) -> bool:
        """Whether the start was finished and everything still runs."""
        return self.kafka_servers is not None and all(server.running for server in self.servers)

    def server(self, name: str) -> Server:
        return next(server for server in self.servers if server.name == name)


def read(home: Path) -> Stack | None:
    """What stands in stack.json; None without one, or where it says nothing that could be used."""
    try:
        return msgspec.json.decode((home / "stack.json").read_bytes(), type=Stack)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise StackError(
            f"{home / 'stack.json'} is damaged ({error}): end the servers it names by hand, then remove it."
        ) from error


def write(home: Path, stack: Stack) -> None:
    _replace(home / "stack.json", msgspec.json.format(msgspec.json.encode(stack)))


def remove(home: Path) -> None:
    (home / "stack.json").unlink(missing_ok=True)


def ports(home: Path, names: tuple[str, ...]) -> dict[str, int]:
    """A free port for each name: the one it had, else any."""
    path = home / "ports.json"
    kept = _kept(path)
    chosen: dict[str, int] = {}
    for name in names:
        port = kept.get(name, 0)
        chosen[name] = port if _free(port) and port not in chosen.values() else _any(set(chosen.values()))
    if chosen != kept:
        _replace(path, msgspec.json.encode(chosen))
    return chosen


def _kept(path: Path) -> dict[str, int]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, int])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def _any(taken: set[int]) -> int:
    for port in random.sample(PORTS, 200):
        if port not in taken and _free(port):
            return port
    raise StackError(f"no port from {PORTS[0]} to {PORTS[-1]} is free on {LOOPBACK}: end what listens there.")


def _free(port: int) -> bool:
    if port not in PORTS:
        return False
    with socket.socket() as probe:
        # As servers do it: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)
