"""Questions about profiles: one user's, and everybody's.

Purpose: read what the detectors wrote, in the words of people instead of the layout's.

Design: one SCAN over the whole keyspace finds every profile, since one a partition would walk all
keys each time; what it finds is fetched a thousand at a time, so memory stays small however many
there are. SCAN promises every profile that was there all along; one may come twice if the server
shrinks its table meanwhile.

Not here: writing profiles (``redis_store``), how answers are shown (``commands.profiles``).
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from msgspec import Struct

from datasets.geography import alpha2
from profiles import blocks, layout, placement
from profiles.connection import Client
from profiles.keys import Keys
from profiles.layout import Profiles
from sentinel_cli.errors import SentinelError
from sentinel_cli.records import rfc3339

# Profiles fetched at once, and keys that one SCAN looks at: a millisecond of the server's time each.
AT_ONCE = 1_000

Order = Literal["transactions", "amount", "alerts", "last-seen"]


class Chunk(NamedTuple):
    """Some profiles: where each is (partition, user_id), and its row, in the same order."""

    places: list[tuple[int, str]]
    rows: Profiles


class Summary(Struct, frozen=True):
    """A profile in a list. Amounts are in the records' own currency; times are RFC 3339, event time."""

    user_id: str
    partition: int
    total_transactions: int
    total_amount: float
    average_amount: float
    alerts: int
    last_seen: str | None


class Window(Struct, frozen=True):
    """What a user spent in the time that ends with the latest transaction."""

    count: int
    amount: float


class BlockState(Struct, frozen=True):
    """A block as it was decided: ``until`` is None once it was lifted; ``applied`` tells whether the
    profile, and so scoring, has taken it in; ``alerts`` are the latest that led to it."""

    until: str | None
    applied: bool
    alerts: list[str]


class Details(Struct, frozen=True):
    """Everything known about a user. ``countries`` are ISO alpha-2, the latest first; ``devices``
    counts those remembered, at most ``layout.DEVICES``; ``hours`` are shares of this user's
    transactions by UTC hour, 24 numbers that add up to 1; ``windows`` by their length."""

    user_id: str
    partition: int
    total_transactions: int
    total_amount: float
    average_amount: float
    alerts: int
    first_seen: str | None
    last_seen: str | None
    last_alert: str | None
    blocked_until: str | None
    block: BlockState | None
    countries: list[str]
    devices: int
    merchant_categories: int
    hours: list[float]
    windows: dict[str, Window]


def find(client: Client, keys: Keys, partitions: int, user_id: str) -> Details | None:
    """Everything about one user of a topic of ``partitions``; None if no partition has a profile.

    Looks where murmur2 puts the user, and then everywhere else: the topic may have had another
    number of partitions once, or a producer another partitioner.
    """
    expected = placement.partition_of(user_id, partitions)
    others = [partition for partition in range(partitions) if partition != expected]
    for places in ([expected], others):
        with cast("Any", client).pipeline(transaction=False) as pipe:
            for partition in places:
                pipe.get(keys.profile(partition, user_id))
            stored = pipe.execute()
        for partition, value in zip(places, stored, strict=True):
            if value is not None:
                block = blocks.get(client, keys, partition, user_id)
                return details(partition, user_id, _rows([value])[0], block)
    return None


def scan(client: Client, keys: Keys, partition: int | None = None) -> Iterator[Chunk]:
    """Every profile of the topic, or of one partition, in the server's order.

    Raises SentinelError for a profile that this program cannot read.
    """
    names = cast("Any", client).scan_iter(match=keys.profile_pattern(partition), count=AT_ONCE)
    while batch := list(islice(names, AT_ONCE)):
        places = [place for place in map(keys.parse_profile, batch) if place is not None]
        yield _fetch(client, keys, places)


def summaries(chunks: Iterable[Chunk]) -> Iterator[Summary]:
    return chain.from_iterable(map(_summaries, chunks))


def largest(found: Iterable[Summary], order: Order, limit: int) -> list[Summary]:
    """The ``limit`` first of ``found``, the largest by ``order`` first."""
    return heapq.nlargest(limit, found, key=ORDERS[order])


ORDERS: dict[Order, Callable[[Summary], Any]] = {
    "transactions": lambda summary: summary.total_transactions,
    "amount": lambda summary: summary.total_amount,
    "alerts": lambda summary: summary.alerts,
    "last-seen": lambda summary: summary.last_seen or "",
}


def details(partition: int, user_id: str, row: np.void, block: blocks.Block | None) -> Details:
    """A row in words; ``block`` is the user's entry among the blocks, if there is one."""
    count, amount = int(row["total_transactions"]), float(row["total_amount"])
    hours = row["hours"].astype(float)
    return Details(
        user_id=user_id,
        partition=partition,
        total_transactions=count,
        total_amount=amount,
        average_amount=amount / count if count else 0.0,
        alerts=int(row["alerts"]),
        first_seen=_time(row["first_time"]),
        last_seen=_time(row["last_time"]),
        last_alert=_time(row["last_alert_time"]),
        blocked_until=_time(row["blocked_until"]),
        block=_block(row, block),
        countries=[alpha2(code) for code in row["countries"].tolist() if code],
        devices=int(np.count_nonzero(row["devices"])),
        merchant_categories=int(np.count_nonzero(row["categories"])),
        hours=(hours / max(hours.sum(), 1.0)).round(4).tolist(),
        windows=_windows(row),
    )


def _windows(row: np.void) -> dict[str, Window]:
    """The rings as they stand at the latest transaction, whose step is their newest."""
    rings = {"1m": "minute", "5m": "five_minutes", "1h": "hour", "24h": "day_ring"}
    found = {
        name: Window(int(row[f"{ring}_count"].sum()), round(float(row[f"{ring}_amount"].sum()), 2))
        for name, ring in rings.items()
    }
    return {**found, "day": Window(int(row["day_count"]), round(float(row["day_amount"]), 2))}


def _block(row: np.void, block: blocks.Block | None) -> BlockState | None:
    if block is None:
        return None
    return BlockState(_time(block.until_us), block.until_us == int(row["blocked_until"]), block.alerts)


def _fetch(client: Client, keys: Keys, places: list[tuple[int, str]]) -> Chunk:
    """One MGET a partition, since a cluster answers for one slot at a time."""
    users: defaultdict[int, list[str]] = defaultdict(list)
    for partition, user_id in places:
        users[partition].append(user_id)
    with cast("Any", client).pipeline(transaction=False) as pipe:
        for partition, mine in users.items():
            # said by hand: redis-py refuses mget() in a cluster's pipeline, although one slot holds all
            pipe.execute_command("MGET", *(keys.profile(partition, user_id) for user_id in mine))
        stored = list(chain.from_iterable(pipe.execute()))
    found = [(partition, user_id) for partition, mine in users.items() for user_id in mine]
    there = [at for at, value in enumerate(stored) if value is not None]  # one may have gone meanwhile
    return Chunk([found[at] for at in there], _rows([stored[at] for at in there]))


def _rows(stored: list[bytes]) -> Profiles:
    try:
        return layout.from_bytes(stored)
    except layout.UnknownLayout as error:
        raise SentinelError(f"Redis holds profiles of another version of this program: {error}.") from error


def _summaries(chunk: Chunk) -> Iterator[Summary]:
    rows = chunk.rows
    counts, amounts = rows["total_transactions"], rows["total_amount"]
    averages = amounts / np.maximum(counts, 1)
    columns = (counts, amounts, averages, rows["alerts"], rows["last_time"])
    for (partition, user_id), count, amount, average, alerts, last in zip(
        chunk.places, *(column.tolist() for column in columns), strict=True
    ):
        yield Summary(user_id, partition, count, amount, average, alerts, _time(last))


def _time(microseconds: int) -> str | None:
    return rfc3339(int(microseconds)) if microseconds else None
