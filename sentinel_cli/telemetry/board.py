"""The notice board: each worker's latest snapshot, in Redis, for whoever wants to look.

Purpose: `sentinel top` sees every worker on every machine without asking any of them.

Design: a snapshot is one JSON value under its own key, gone five seconds after its worker stopped
writing. A sorted set lists the ids, because a SCAN would walk over every profile to find a handful
of workers.

Not here: what a snapshot holds (``telemetry.stats``).
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from profiles.connection import Client
from sentinel_cli.telemetry.stats import WorkerSnapshot

# Workers write once a second; one that missed five is gone, or as good as.
EXPIRY_S = 5
# The list of ids forgets the dead after this long: far beyond any difference between clocks.
FORGET_S = 3600


def publish(client: Client, prefix: str, snapshot: WorkerSnapshot) -> None:
    """Show ``snapshot`` for the next five seconds. Raises redis.RedisError."""
    with cast("Any", client).pipeline(transaction=False) as pipe:
        pipe.set(_key(prefix, snapshot.worker_id), msgspec.json.encode(snapshot), ex=EXPIRY_S)
        pipe.zadd(_ids(prefix), {snapshot.worker_id: snapshot.published_at})
        pipe.zremrangebyscore(_ids(prefix), "-inf", snapshot.published_at - FORGET_S)
        pipe.expire(_ids(prefix), FORGET_S)
        pipe.execute()


def read(client: Client, prefix: str) -> list[WorkerSnapshot]:
    """The workers that are alive, by role and id. Raises redis.RedisError."""
    ids = cast("list[bytes]", client.zrange(_ids(prefix), 0, -1))
    with cast("Any", client).pipeline(transaction=False) as pipe:
        for worker_id in ids:
            pipe.get(_key(prefix, worker_id.decode()))
        found = pipe.execute()
    alive = [msgspec.json.decode(value, type=WorkerSnapshot) for value in found if value]
    return sorted(alive, key=lambda worker: (worker.role, worker.worker_id))


def withdraw(client: Client, prefix: str, worker_id: str) -> None:
    """Take a worker that ends off the board at once. Raises redis.RedisError."""
    with cast("Any", client).pipeline(transaction=False) as pipe:
        pipe.delete(_key(prefix, worker_id))
        pipe.zrem(_ids(prefix), worker_id)
        pipe.execute()


def _ids(prefix: str) -> str:
    return f"{prefix}:workers"


def _key(prefix: str, worker_id: str) -> str:
    return f"{prefix}:workers:{worker_id}"
