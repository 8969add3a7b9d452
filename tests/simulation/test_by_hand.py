"""Schedules that chance finds once in thousands, made by hand."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import pytest

from sentinel_cli.errors import SentinelError
from sentinel_cli.streaming import moving
from sentinel_cli.streaming.moving import Growth
from sentinel_cli.streaming.worker import Worker
from tests.simulation import judging
from tests.simulation.mutations import rewrite
from tests.simulation.process import KEYS, settle
from tests.simulation.traffic import traffic
from tests.simulation.weather import CALM
from tests.simulation.world import World


class Held(Future[Any]):
    """A save that has begun, and goes on when it is waited for, or let go."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__()
        self.set_running_or_notify_cancel()
        self._work = work

    def let_go(self) -> None:
        if not self.done():
            settle(self, self._work)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self.let_go()
        return super().exception(timeout)


class Holding(Executor):
    def __init__(self) -> None:
        self.held: list[Held] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.held.append(Held(lambda: fn(*args, **kwargs)))
        return self.held[-1]


def schedule() -> None:
    """Redis falls back while the transaction of a save is under way, and the next batch meets that."""
    world = World(1, traffic(0), judging.judges(), transactional=True, odds=CALM)
    process = world.start()
    assert process is not None
    process.worker._executor = holding = Holding()
    world.hand(0, process)
    while KEYS.offset(0) not in world.redis.values:
        process.turn()
    before = world.redis.copy()
    while len(holding.held) < 2:
        process.turn()
        world.now += 2.0
        if len(holding.held) == 1:
            holding.held[0].let_go()
    assert process.worker._savings[0].letters, "the second batch has nothing to say"
    world.redis.become(before)
    process.worker._start_again(process.worker._partitions[0])
    holding.held[1].let_go()
    process.worker._executor = process.executor
    for _ in range(20):
        process.turn()
        world.now += 0.2
    world.run(0)
    judging.check(world)


def test_a_partition_is_begun_when_the_save_of_it_has_ended() -> None:
    schedule()


def test_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """What its transaction sends after the group's offset was read would be sent again."""
    waiting = "while under_way is not None and not under_way.done():"
    rewrite(Worker, "_begin", (waiting, "while False:"))(monkeypatch)
    with pytest.raises(AssertionError, match="stands twice"):
        schedule()


def test_profiles_do_not_move_when_redis_forgot_what_was_finished() -> None:
    """It fell back between the last look at the old partitions and the move."""
    world = World(0, traffic(1), judging.judges(), transactional=False, odds=CALM)
    process = world.start()
    assert process is not None
    world.redis.put(KEYS.offset(0), 5)
    world.redis.put(KEYS.offset(1), 7)
    before = dict(world.redis.values)
    for least in ({0: 5, 1: 8}, {0: 6, 1: 7}):
        with pytest.raises(SentinelError, match="fell back"):
            moving.move(process.redis, KEYS, Growth(KEYS.topic, 2, 4), {0: 0, 1: 0}, least)
    assert world.redis.values == before
