"""What the responder keeps: its offset, the alerts it acted on, the cases, all in one guarded write.

Purpose: the contract between the loop and its store, and the store in Redis.

Design: WATCH on the offset is the fence, as in ``profiles.redis_store``; the open cases are watched
too, since an analyst may close one at any time. Ids acted on are one sorted set a partition by the
time of acting, cut off with every save: a key each would make every SCAN over profiles longer.
Blocks sit with the transactions' partitions, maybe on another shard; they are idempotent and come
before the write.

Not here: retries and what to do after a refusal (``responder``).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple, Protocol

from profiles import blocks, cases
from profiles.cases import Case, CaseChange
from profiles.connection import Client, Line, line
from profiles.keys import Keys
from profiles.redis_store import away
from profiles.wire import Argument, Piece, command


class Known(NamedTuple):
    """What the store knew of a batch: its partition's offset (None: never saved), which of its
    alerts were acted on, and the open cases of its users."""

    offset: int | None
    acted: set[str]
    open_cases: dict[str, Case]


class Save(NamedTuple):
    """One atomic write: if the partition's offset is still ``begin``, it becomes ``end``, the
    ``acted`` ids are remembered as of ``now`` (seconds since 1970) and the cases change."""

    partition: int
    begin: int | None
    end: int
    acted: list[str]
    cases: list[CaseChange]
    now: float


class Store(Protocol):
    """Every method may raise StoreAway."""

    def start(self, partition: int) -> int | None:
        """The partition's next offset, None if it was never saved."""

    def look(self, partition: int, alert_ids: list[str], users: list[str]) -> Known:
        """What is known about these alerts and users."""

    def block(self, partition: int, user_id: str, until_us: int, alert_id: str) -> bool:
        """``profiles.blocks.block`` on this partition of the transactions."""

    def save(self, save: Save) -> bool:
        """True if it is saved, also when it was already; False, and nothing written, if the stored
        offset is another one, or a case was closed or opened since ``look``."""


class RedisStore:
    """``Store`` on a Redis or Valkey, alone or as a cluster. ``remember`` is how many seconds an id
    acted on is kept, infinity for ever."""

    def __init__(self, client: Client, alerts: Keys, transactions: Keys, remember: float) -> None:
        self._client: Any = client
        self._keys = alerts
        self._transactions = transactions
        self._remember = remember

    def start(self, partition: int) -> int | None:
        return _number(away(lambda: self._client.get(self._keys.offset(partition))))

    def look(self, partition: int, alert_ids: list[str], users: list[str]) -> Known:
        return away(lambda: self._look(partition, alert_ids, users))

    def _look(self, partition: int, alert_ids: list[str], users: list[str]) -> Known:
        offset = _number(self._client.get(self._keys.offset(partition)))
        times = self._client.zmscore(self._keys.done(partition), alert_ids) if alert_ids else []
        acted = {alert_id for alert_id, time in zip(alert_ids, times, strict=True) if time is not None}
        return Known(offset, acted, cases.open_cases(self._client, self._keys, partition, users))

    def block(self, partition: int, user_id: str, until_us: int, alert_id: str) -> bool:
        return away(
            lambda: blocks.block(self._client, self._transactions, partition, user_id, until_us, alert_id)
        )

    def save(self, save: Save) -> bool:
        return away(lambda: self._save(save))

    def _save(self, save: Save) -> bool:
        offset_key, open_key = self._keys.offset(save.partition), self._keys.open_cases(save.partition)
        with line(self._client, offset_key) as server:
            _, stored = server.ask(command("WATCH", offset_key, open_key), command("GET", offset_key))
            if _number(stored) != save.begin or not _as_expected(server, open_key, save.cases):
                server.ask(command("UNWATCH"))
                return _number(stored) == save.end  # an answer was lost, and the write was not
            *_, done = server.ask(command("MULTI"), *self._commands(save), command("EXEC"))
            return done is not None  # nothing is what EXEC says when a watched key has changed

    def _commands(self, save: Save) -> Iterator[list[Piece]]:
        done = self._keys.done(save.partition)
        yield command("SET", self._keys.offset(save.partition), save.end)
        if save.acted:
            times: list[Argument] = [save.now] * len(save.acted)
            yield command("ZADD", done, *chain.from_iterable(zip(times, save.acted, strict=True)))
        yield command("ZREMRANGEBYSCORE", done, "-inf", save.now - self._remember)
        for change in save.cases:
            yield from cases.commands(self._keys, save.partition, change)


def _as_expected(server: Line, open_key: str, changes: list[CaseChange]) -> bool:
    """Whether every case that is added to is still open, and no other one was opened."""
    if not changes:
        return True
    [found] = server.ask(command("HMGET", open_key, *(change.case.user_id for change in changes)))
    expected = [None if c.opened is not None else c.case.case_id.encode() for c in changes]
    return bool(found == expected)


def _number(value: bytes | None) -> int | None:
    return None if value is None else int(value)
