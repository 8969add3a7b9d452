"""Profiles in Redis, changing together with the offset that they are true for.

Purpose: the store of a live worker. A partition's profiles and its offset share a hash tag, so one
MULTI covers them, on one server or on one shard of a cluster.

Design: WATCH on the offset is the fence: a worker that lost the partition finds another offset, or
finds at EXEC that somebody wrote it, and writes nothing. All of it goes over one connection and is never
said again on another, where nothing would be watched. One MSET for all rows, because a SET each
costs Redis eleven times as much. Values are rows as they are in memory (``layout``).

Beside the offset stands the identity of the topic that it is of, which Kafka gives a topic when it is
made: a topic that was deleted and made again has other records at the same offsets.

Not here: retries and what to do after a refusal (``sentinel_cli.streaming.worker``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from redis import exceptions

from profiles import blocks, layout, wire
from profiles.connection import Client, line
from profiles.contract import Blocks, Loaded, Save, StoreAway
from profiles.keys import Keys
from sentinel_cli.errors import LostRangeError

# What a server says while it is away, full, loading or demoted, and a cluster while it moves slots:
# conditions that pass. RedisClusterException: no node answers.
PASSING = (
    exceptions.AskError,
    exceptions.BusyLoadingError,
    exceptions.ClusterError,
    exceptions.ConnectionError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.RedisClusterException,
    exceptions.TimeoutError,
    exceptions.TryAgainError,
)
# Of our own making, although redis-py has them below RedisClusterException.
MISTAKES = (exceptions.CrossSlotTransactionError, exceptions.InvalidPipelineStack)
# What passes without a class of its own; a pipeline puts the command before them.
PASSING_CODES = ("MISCONF", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "EXECABORT")
# Answers of one MGET, bounded so that no reply holds up the server for long: 2,000 rows are 750 kB.
READ_AT_ONCE = 2_000

T = TypeVar("T")


class RedisStore:
    """``Store`` on a Redis or Valkey, alone or as a cluster, for the topic with this ``topic_id``, empty
    where Kafka does not say. ``start_over``: what follows a topic made anew is its beginning."""

    def __init__(self, client: Client, keys: Keys, topic_id: str = "", *, start_over: bool = False) -> None:
        self._client: Any = client
        self._keys = keys
        self._topic_id = topic_id.encode()
        self._start_over = start_over

    def start(self, partition: int) -> tuple[int | None, int]:
        """Raises LostRangeError when the offset is of another topic of this name."""
        key = self._keys
        keys = [key.offset(partition), key.blocks_applied(partition), key.topic_id(partition)]
        offset, applied, topic_id = away(lambda: self._client.mget(keys))
        if topic_id is not None and self._topic_id and topic_id != self._topic_id:
            if not self._start_over:
                raise LostRangeError(
                    f"{key.topic} was made anew since offset {int(offset)} of partition {partition} was "
                    "reached: what the old one still held is lost. `--accept-loss` takes the new one from "
                    "its beginning, and keeps the profiles."
                )
            self.save(Save(partition, int(offset), 0, [], layout.empty(0), int(applied)))
            return self.start(partition)
        return _number(offset), _number(applied) or 0

    def load(self, partition: int, users: list[str]) -> Loaded:
        """The offset is read with each part and must be the same in all, else it is read again."""
        if not users:
            return Loaded(self.start(partition)[0], layout.empty(0))
        found = layout.empty(len(users))
        seen: set[int | None] = set()
        for at in range(0, len(users), READ_AT_ONCE):
            part = users[at : at + READ_AT_ONCE]
            offset, places, rows = away(lambda part=part: self._read(partition, part))  # type: ignore[misc]
            seen.add(offset)
            layout.whole(found)[places + at] = layout.whole(layout.from_bytes(rows))
        if len(seen) > 1:
            return self.load(partition, users)
        return Loaded(seen.pop(), found)

    def _read(
        self, partition: int, users: list[str]
    ) -> tuple[int | None, npt.NDArray[np.intp], list[bytes | None]]:
        """The offset, and the rows of the users at those places."""
        key = self._keys.offset(partition)
        asked, places = wire.mget(key, self._keys.profile(partition, ""), users)
        with line(self._client, key) as server:
            [[offset, *rows]] = server.ask(asked)
        return _number(offset), places, rows

    def save(self, save: Save) -> bool:
        return away(lambda: self._save(save))

    def _save(self, save: Save) -> bool:
        offset_key = self._keys.offset(save.partition)
        with line(self._client, offset_key) as server:
            _, stored = server.ask(wire.command("WATCH", offset_key), wire.command("GET", offset_key))
            if _number(stored) != save.begin:
                server.ask(wire.command("UNWATCH"))
                return False
            *_, done = server.ask(wire.command("MULTI"), self._write(save), wire.command("EXEC"))
            return done is not None  # nothing is what EXEC says when a watched key has changed

    def _write(self, save: Save) -> list[wire.Piece]:
        partition = save.partition
        pairs: list[wire.Argument] = [
            self._keys.offset(partition),
            save.end,
            self._keys.blocks_applied(partition),
            save.blocks,
        ]
        if self._topic_id:
            pairs += [self._keys.topic_id(partition), self._topic_id]
        return wire.mset(pairs, self._keys.profile(partition, ""), save.users, save.rows)

    def blocks(self, partition: int, after: int) -> Blocks | None:
        version = away(lambda: self._client.get(self._keys.blocks_version(partition)))
        if (_number(version) or 0) <= after:
            return None
        return Blocks(*away(lambda: blocks.read(self._client, self._keys, partition, after)))


def away(call: Callable[[], T]) -> T:
    """What ``call`` returns. Raises StoreAway for what a server says while it is away."""
    try:
        return call()
    except MISTAKES:
        raise
    except PASSING as error:
        raise StoreAway(f"{type(error).__name__}: {error}") from error
    except exceptions.RedisError as error:
        if any(code in str(error) for code in PASSING_CODES):
            raise StoreAway(f"{type(error).__name__}: {error}") from error
        raise


def _number(value: bytes | None) -> int | None:
    return None if value is None else int(value)
