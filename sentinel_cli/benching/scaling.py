"""What so many transactions a second and so many users need: the tables of docs/scaling.md.

Purpose: arithmetic on what `sentinel bench all` measured, so that the page follows the code.

Design: planned is with the hard shape, whose users fit the worker's cache least, so that nearly every
transaction reads a profile and writes one; large systems are like that. A core or a shard is filled to half.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from profiles.layout import ROW_BYTES
from sentinel_cli.benching.page import rows

TPS = (10_000, 100_000, 1_000_000, 10_000_000)
USERS = (10_000_000, 100_000_000, 1_000_000_000)

FULL = 0.5  # of a core's or a shard's time: the rest is for peaks and for catching up
RECORD = 280  # bytes
COPIES = 3  # of each record on Kafka
SHARD_GB = 32  # of profiles in one shard: what is copied to a new replica in minutes
REPLICAS = 2  # of each shard, itself included
PARTITIONS_A_WORKER = 4  # so that work divides evenly, and there is room to grow


@dataclass(frozen=True)
class Costs:
    """Microseconds of CPU a transaction, and bytes."""

    worker: float
    read: float  # the broker, handing out
    written: float  # the broker, taking in
    redis: float
    sent: float  # to Redis
    profile: float  # in Redis's memory
    process: float  # all that a worker holds when it remembers the most users

    @classmethod
    def of(cls, document: dict[str, Any]) -> Costs:
        """From the hard shape, except for a worker's memory: that is of the most users."""
        results = document["results"]
        detect = [each for each in results if each["bench"] == "detect"]
        hard = max(detect, key=lambda each: each["users"] / each["cache"])
        produced = next(each for each in results if each["bench"] == "produce")
        return cls(
            worker=hard["cpu_us_per_tx"],
            read=hard["broker_cpu_us_per_tx"],
            written=produced["broker_cpu_us_per_tx"],
            redis=hard["redis_cpu_us_per_tx"],
            sent=hard["redis_bytes_per_tx"],
            profile=hard["redis_bytes_per_profile"],
            process=max(detect, key=lambda each: each["users"])["peak_rss_mb"] * 2**20,
        )

    def cores(self, microseconds: float, tps: float) -> int:
        return math.ceil(microseconds * tps / 1e6 / FULL)


def by_rate(costs: Costs) -> str:
    """One line for each of TPS."""
    return rows(
        (
            "tps",
            "workers",
            "their memory, GB",
            "partitions",
            "Redis shards, for the work",
            "broker cores",
            "Kafka in, MB/s",
            "Redis in, MB/s",
            "Redis out, MB/s",
            "Kafka a day, TB",
        ),
        (
            (
                f"{tps:,}",
                f"{costs.cores(costs.worker, tps):,}",
                f"{costs.cores(costs.worker, tps) * costs.process / 1e9:,.1f}",
                f"{PARTITIONS_A_WORKER * costs.cores(costs.worker, tps):,}",
                f"{costs.cores(costs.redis, tps):,}",
                f"{costs.cores(costs.read + COPIES * costs.written, tps):,}",
                f"{tps * RECORD * COPIES / 1e6:,.0f}",
                f"{tps * costs.sent * REPLICAS / 1e6:,.0f}",
                f"{tps * ROW_BYTES / 1e6:,.0f}",
                f"{tps * RECORD * COPIES * 86_400 / 1e12:,.1f}",
            )
            for tps in TPS
        ),
    )


def by_users(costs: Costs) -> str:
    """One line for each of USERS."""
    return rows(
        ("users", "profiles, GB", "with a replica, GB", "Redis shards, for the memory"),
        (
            (
                f"{users:,}",
                f"{users * costs.profile / 1e9:,.0f}",
                f"{users * costs.profile * REPLICAS / 1e9:,.0f}",
                f"{math.ceil(users * costs.profile / 1e9 / SHARD_GB):,}",
            )
            for users in USERS
        ),
    )


def costs_table(costs: Costs) -> str:
    return rows(
        ("part", "a transaction"),
        (
            ("worker", f"{costs.worker:.2f} µs of CPU"),
            ("broker, taking it in with its label", f"{costs.written:.2f} µs of CPU"),
            ("broker, handing it out", f"{costs.read:.2f} µs of CPU"),
            ("Redis, reading and writing its profile", f"{costs.redis:.2f} µs of CPU"),
            ("network to Redis", f"{costs.sent:,.0f} bytes"),
            ("network from Redis, a profile", f"{ROW_BYTES} bytes"),
            ("network to Kafka", f"{RECORD} bytes, {COPIES} times with its copies"),
            ("memory of Redis, for each user", f"{costs.profile:,.0f} bytes"),
            ("memory of a worker, its cache being full", f"{costs.process / 1e6:,.0f} MB"),
        ),
    )


def two_workers(document: dict[str, Any]) -> str:
    """One worker and two, over the same records on the same machine."""
    detect = [each for each in document["results"] if each["bench"] == "detect"]
    two = next(each for each in detect if each["workers"] == 2)
    same = ("source", "delivery", "records", "users", "hot", "features", "partitions")
    one = next(each for each in detect if each["workers"] == 1 and all(each[k] == two[k] for k in same))
    return rows(
        ("", "tps", "CPU of the workers", "of one's", "of the broker", "of Redis"),
        (
            (
                name,
                f"{each['tps']:,}",
                f"{each['cpu_us_per_tx']:.2f} µs",
                f"{each['cpu_us_per_tx'] / one['cpu_us_per_tx']:.2f}",
                f"{each['broker_cpu_us_per_tx']:.2f} µs",
                f"{each['redis_cpu_us_per_tx']:.2f} µs",
            )
            for name, each in (("one worker", one), ("two workers", two))
        ),
    )
