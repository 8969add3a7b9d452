"""One worker's process: the real loop over the simulated world; and one that moves profiles."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from profiles.keys import Keys
from profiles.redis_store import RedisStore
from sentinel_cli.streaming import footing, moving
from sentinel_cli.streaming.footing import FootedStore, Outgrown
from sentinel_cli.streaming.worker import Plan, Worker
from tests.simulation.kafka import SimSink, SimSource, SimTransactor
from tests.simulation.redis import Connection

if TYPE_CHECKING:
    from tests.simulation.world import World

TOPIC = "transactions"
KEYS = Keys("sim", TOPIC)
PLAN = Plan(
    TOPIC, "fraud-alerts", "transactions.dlq", threshold=0.08, batch_size=6, save_profiles=4, profile_cache=8
)


# The name of the process that moves profiles.
MOVE = "move"


class Died(Exception):
    """A worker's process ended here."""


class Process:
    """A detector as ``detecting.run`` makes it: also what it asks before it begins. ``only``: of these
    partitions, without the group, and whatever the topic has grown to."""

    def __init__(self, world: World, name: str, only: list[int] | None = None) -> None:
        self.world, self.name = world, name
        self.alive, self.still = True, False
        self.executor = SimExecutor(self)
        self.redis: Any = cast("Any", Connection(self))
        if only is None:
            store: RedisStore = FootedStore(self.redis, KEYS, "", lambda: world.count)
        else:
            store = RedisStore(self.redis, KEYS)
        self.source = SimSource(self, footing.homes(self.redis, KEYS), only)
        card, policy = world.judges
        self.worker = Worker(
            PLAN, self.source, SimSink(self), store, SimClock(world), self.executor, card, policy,
            SimTransactor(self) if world.transactional else None,
        )  # fmt: skip
        if only is None:
            self.source.open(self.worker)

    def __repr__(self) -> str:
        return self.name

    def turn(self) -> None:
        if not self.alive:
            return
        try:
            self.worker.turn()
            self.executor.go_on()
        except Died:
            self.alive = False
        except Outgrown as stopped:
            self.world.note(f"{self} stops: {stopped}")
            self.alive = False


def move_profiles(world: World) -> None:
    """What `sentinel profiles move` does, once nobody is in the group. Raises Died, or what Redis is away
    with: then it is called again."""
    old = [p for p in range(world.count) if p in world.traffic.first]
    drain = Process(world, MOVE, only=old)
    found = moving.growth(drain.redis, KEYS, world.count)
    if found is None:
        return
    ends = {p: len(world.records[p]) for p in old}
    world.owner.update(dict.fromkeys(old, drain))
    drain.worker.run(until_end=True, each_turn=drain.executor.go_on)
    moving.move(drain.redis, KEYS, found, ends, {p: world.committed.get(p, 0) for p in old})


@dataclass
class SimClock:
    world: World

    def monotonic(self) -> float:
        return self.world.now

    def wall(self) -> float:
        return 1.7e9 + self.world.now

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.world.now += seconds
        return event.is_set()


class SimFuture(Future[Any]):
    """Waiting for it lets time and the work go on."""

    executor: SimExecutor

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self.executor.process.world.now += timeout or 0.0
        self.executor.go_on()
        if not self.done():
            raise TimeoutError
        return super().exception(0)


class SimExecutor(Executor):
    """Runs what was submitted, one after the other, when the world pleases."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._waiting: list[tuple[SimFuture, Callable[[], Any]]] = []
        self._running: Lane | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> SimFuture:
        future = SimFuture()
        future.executor = self
        self._waiting.append((future, lambda: fn(*args, **kwargs)))
        if self.process.world.chance(0.5):
            self.go_on()
        return future

    def go_on(self) -> None:
        """As far as it pleases the world; raises Died where the process does."""
        world = self.process.world
        while not world.chance(world.odds.save_waits):
            if self._running is None and not self._next():
                return
            lane = self._running
            if lane is not None and not lane.go_on():
                return
            self._running = None

    def _next(self) -> bool:
        """Begin what waits; one that is slow in a thread of its own. False where nothing does."""
        world = self.process.world
        while self._waiting:
            future, work = self._waiting.pop(0)
            if not future.set_running_or_notify_cancel():
                continue
            if world.chance(world.odds.slow_save):
                self._running = Lane(future, work)
                world.lanes.append(self._running)
            else:
                settle(future, work)
            return True
        return False

    def point(self) -> None:
        """The process does something outside: its save may stop there for a while, or go on meanwhile."""
        lane, chance = self._running, self.process.world.chance
        if lane is None:
            return
        if lane.is_here():
            if chance(0.3):
                lane.pause()
        elif not lane.is_going() and chance(0.1) and lane.go_on():
            self._running = None


def settle(future: Future[Any], work: Callable[[], Any]) -> None:
    try:
        future.set_result(work())
    except Died:
        raise
    except Exception as error:  # noqa: BLE001 - a future carries whatever its work raised
        future.set_exception(error)


class Lane:
    """Work in a thread of its own, which goes while whoever asked it to waits: one of the two, never both."""

    def __init__(self, future: SimFuture, work: Callable[[], Any]) -> None:
        self._future, self._work = future, work
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._going = self._ended = self._abandoned = False
        self._died: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def is_here(self) -> bool:
        return threading.current_thread() is self._thread

    def is_going(self) -> bool:
        return self._going

    def go_on(self) -> bool:
        """Whether it has come to its end. Raises Died where its process does."""
        self._going = True
        self._go.release()
        self._back.acquire()
        self._going = False
        if self._died is not None:
            raise self._died
        return self._ended

    def pause(self) -> None:
        self._back.release()
        self._go.acquire()
        if self._abandoned:
            raise Died

    def abandon(self) -> None:
        """It is over: whatever it was at is not done."""
        self._abandoned = True
        self._go.release()
        self._thread.join()

    def _run(self) -> None:
        self._go.acquire()
        try:
            if not self._abandoned:
                settle(self._future, self._work)
        except BaseException as died:  # noqa: BLE001 - whoever let it go on gets to know
            self._died = died
        self._ended = True
        self._back.release()
