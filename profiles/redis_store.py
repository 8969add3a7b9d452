"""Profiles in Redis, changing together with the offset that they are true for.

Purpose: the store of a live worker. A partition's profiles and its offset share a hash tag, so one
MULTI covers them, on one server or on one shard of a cluster.

Design: WATCH on the offset is the fence: a worker that lost the partition finds another offset, or
finds at EXEC that somebody wrote it, and writes nothing. One MSET for all rows, because a SET each
costs Redis eleven times as much. Values are rows as they are in memory (``layout``).

Beside the offset stands the identity of the topic that it is of, which Kafka gives a topic when it is
made: a topic that was deleted and made again has other records at the same offsets.

Not here: retries and what to do after a refusal (``sentinel_cli.streaming.worker``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from redis import exceptions

from profiles import blocks, layout
from profiles.connection import Client
from profiles.contract import Blocks, Loaded, Save, StoreAway
from profiles.keys import Keys
from sentinel_cli.errors import LostRangeError

# What a server says while it is away, full, loading or demoted, and a cluster while it moves slots:
# conditions that pass. A WatchError that reaches `away` is redis-py's word for a connection that broke
# behind WATCH: at EXEC it is caught before. RedisClusterException: no node answers.
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
    exceptions.WatchError,
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
        stored: list[bytes | None] = []
        seen: set[int | None] = set()
        for at in range(0, len(users), READ_AT_ONCE):
            part = users[at : at + READ_AT_ONCE]
            keys = [self._keys.offset(partition), *(self._keys.profile(partition, user) for user in part)]
            offset, *rows = away(lambda keys=keys: self._client.mget(keys))  # type: ignore[misc]
            seen.add(_number(offset))
            stored += rows
        if len(seen) > 1:
            return self.load(partition, users)
        return Loaded(seen.pop() if seen else self.start(partition)[0], layout.from_bytes(stored))

    def save(self, save: Save) -> bool:
        return away(lambda: self._save(save))

    def _save(self, save: Save) -> bool:
        offset_key = self._keys.offset(save.partition)
        with self._client.pipeline(transaction=True) as pipe:
            pipe.watch(offset_key)
            if _number(pipe.get(offset_key)) != save.begin:
                return False
            pipe.multi()
            pipe.execute_command("MSET", *self._assignments(save))
            try:
                pipe.execute()
            except exceptions.WatchError:
                return False
        return True

    def _assignments(self, save: Save) -> list[Any]:
        """MSET's arguments: key, value, key, value ..."""
        partition = save.partition
        pairs: list[Any] = [
            self._keys.offset(partition),
            save.end,
            self._keys.blocks_applied(partition),
            save.blocks,
        ]
        if self._topic_id:
            pairs += [self._keys.topic_id(partition), self._topic_id]
        prefix = self._keys.profile(partition, "")
        for user, row in zip(save.users, layout.to_bytes(save.rows), strict=True):
            pairs.append(prefix + user)
            pairs.append(row)
        return pairs

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
        raise StoreAway(_sentence(error)) from error
    except exceptions.RedisError as error:
        if any(code in str(error) for code in PASSING_CODES):
            raise StoreAway(_sentence(error)) from error
        raise


def _number(value: bytes | None) -> int | None:
    return None if value is None else int(value)


def _sentence(error: Exception) -> str:
    if isinstance(error, exceptions.WatchError):
        return "ConnectionError: the connection broke in the middle of a save"
    return f"{type(error).__name__}: {error}"
