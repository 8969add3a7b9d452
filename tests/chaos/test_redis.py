"""Redis that dies, forgets, fills up, is demoted or slow, while traffic goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from sentinel_cli.telemetry import board
from tests.chaos.conftest import Size
from tests.chaos.proxy import Proxy
from tests.chaos.scene import PARTITIONS, Scene

pytestmark = [pytest.mark.real, pytest.mark.apache]

DELIVERIES = ["idempotent", "transactional"]
both = pytest.mark.parametrize("scene", DELIVERIES, indirect=True)
# The second one only in the full suite.
either = pytest.mark.parametrize(
    "scene", ["idempotent", pytest.param("transactional", marks=pytest.mark.full)], indirect=True
)

ALL = list(range(PARTITIONS))
OUTAGES = 2


@either
def test_redis_that_is_killed_comes_back(scene: Scene, size: Size, outcome: Callable[..., None]) -> None:
    scene.traffic.start()
    scene.start()
    for _ in range(OUTAGES):
        scene.moves()
        scene.servers.kill("valkey")
        scene.pauses("ConnectionError")
        scene.lasts(size.outage)
        scene.servers.start_redis()  # it answers PING when this returns
        scene.recovery.append(scene.moves())
    outcome(f"Redis killed for {size.outage:.0f} s", OUTAGES, scene.settle(), within=1.0)


@both
def test_redis_falls_back_to_an_older_copy(scene: Scene, size: Size, outcome: Callable[..., None]) -> None:
    """A fail-over that lost its last writes lost profiles and offsets together."""
    scene.traffic.start()
    scene.start()
    scene.begins()
    times = max(size.kills // 4, 1)
    for _ in range(times):
        snapshot: Path = scene.servers.snapshot()
        enough = scene.position() + 300
        scene.reaches(enough)
        scene.servers.fall_back(snapshot)
        scene.recovery.append(scene.moves())
    outcome("Redis falls back to an older copy", times, scene.settle())


@either
def test_redis_that_lost_everything_is_filled_again(scene: Scene, outcome: Callable[..., None]) -> None:
    scene.traffic.start()
    scene.start()
    scene.reaches(2_000)
    scene.redis.flushall()
    assert scene.ended() == 1
    assert "`sentinel profiles rebuild`" in scene.said()
    begun = time.monotonic()
    scene.start("one", "rebuild", "--yes", command="profiles")
    assert scene.ended() == 0, scene.said()
    scene.start()
    scene.moves()
    scene.recovery.append(time.monotonic() - begun)
    outcome("Redis emptied, then `profiles rebuild`", 1, scene.settle())


@either
def test_redis_without_memory(scene: Scene, size: Size, outcome: Callable[..., None]) -> None:
    scene.traffic.start()
    scene.start()
    scene.moves()
    scene.redis.config_set("maxmemory", 1_000_000)
    scene.pauses("OutOfMemory")
    scene.lasts(size.outage)
    scene.redis.config_set("maxmemory", 0)
    scene.recovery.append(scene.moves())
    outcome("Redis out of memory (noeviction)", 1, scene.settle())


@either
def test_redis_that_is_demoted(scene: Scene, size: Size, outcome: Callable[..., None]) -> None:
    scene.traffic.start()
    scene.start()
    scene.moves()
    scene.redis.replicaof("127.0.0.1", 1)  # where nobody is: it keeps what it has, and takes nothing
    scene.pauses("ReadOnly")
    scene.lasts(size.outage)
    scene.redis.replicaof("NO", "ONE")
    scene.recovery.append(scene.moves())
    outcome("Redis read-only", 1, scene.settle())


def test_redis_that_is_slow(scene: Scene, size: Size, outcome: Callable[..., None]) -> None:
    """200 ms an answer: memory stays bounded, the group stays as it is, the lag is seen, and it recovers."""
    place = scene.redis, scene.settings.redis_prefix
    with Proxy(scene.servers.redis_port) as wire:
        scene.redis_port = wire.port
        worker = scene.start()
        scene.traffic.start()
        scene.moves()
        scene.wait(
            lambda: all(s.partitions == ALL for s in board.read(*place)), "a word about all partitions"
        )
        before = psutil.Process(worker.pid).memory_info().rss
        wire.delay = 0.2
        lags, largest = [], 0
        deadline = time.monotonic() + 3 * size.outage
        while time.monotonic() < deadline:
            scene.moves()
            largest = max(largest, psutil.Process(worker.pid).memory_info().rss)
            for seen in board.read(*place):
                assert seen.partitions == ALL
                lags.append(seen.lag)
        wire.delay = 0.0
        scene.recovery.append(scene.moves())
        verdict = scene.settle()
    assert max(lags) > 0
    assert largest - before < 200_000_000
    assert "starting again" not in scene.said()
    outcome("Redis slow (200 ms an answer)", 1, verdict, f"(grew by {(largest - before) / 1e6:.0f} MB)")
