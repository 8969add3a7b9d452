"""A Kafka, a Redis, a network and a clock that one seed drives: every schedule replays exactly.

Purpose: run the real worker loop through interleavings that real servers show once in a year. As
FoundationDB and TigerBeetle do it: one thread, one random generator, and every call that leaves a
worker is a point where anything may happen. The process may die before the call took effect or
after it; the answer may be lost, or the write land long after its time-out; the other worker may
take a turn; partitions may move, also away from a worker that stands still and does not know (a
zombie); Redis may fall back to an older copy of itself; acknowledgements may be late; and new
partitions may appear.

Not here: what must be true at the end (``test_simulation``).
"""

from __future__ import annotations

import copy
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from profiles.contract import Blocks, Loaded, Save, StoreAway
from profiles.memory_store import MemoryStore
from sentinel_cli.engine.scorecard import Scorecard
from sentinel_cli.engine.severity import Policy
from sentinel_cli.streaming.batches import (
    Ack,
    BrokerAway,
    Fenced,
    Letter,
    Listener,
    Poison,
    RecordBatch,
)
from sentinel_cli.streaming.codec import Decoder
from sentinel_cli.streaming.in_place import InPlace
from sentinel_cli.streaming.worker import Plan, Worker
from tests.poison.in_place import laid_out

T = TypeVar("T")
TOPIC = "transactions"
PLAN = Plan(
    TOPIC, "fraud-alerts", "transactions.dlq", threshold=0.08, batch_size=6, save_profiles=4, profile_cache=8
)


class Died(Exception):
    """A worker's process ended here."""


@dataclass(frozen=True)
class Odds:
    """Chances of each fault at each point where it is possible."""

    die: float = 0.004
    away: float = 0.03
    answer_lost: float = 0.02
    lands_late: float = 0.02
    other_turn: float = 0.05
    move: float = 0.04
    stand_still: float = 0.01
    failover: float = 0.003
    late_ack: float = 0.5
    grow: float = 0.003


CALM = Odds(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


class World:
    """Everything outside the workers, and the generator that decides. ``trace`` says what happened."""

    def __init__(
        self,
        seed: int,
        records: dict[int, list[bytes]],
        card: Scorecard,
        policy: Policy,
        *,
        transactional: bool,
        odds: Odds,
        born_late: Sequence[int] = (),
    ) -> None:
        self.rng = random.Random(seed)
        self.odds = odds
        self.now = 1_000.0
        self.records = records
        self.there = [p for p in records if p not in born_late]
        self.born_late = list(born_late)
        self.store = MemoryStore()
        self.copies: list[MemoryStore] = []
        self.letters: list[Letter] = []
        self.committed: dict[int, int] = {}
        self.owner: dict[int, Process] = {}
        self.processes: list[Process] = []
        self.late: list[Callable[[], object]] = []
        self.trace: list[str] = []
        self.transactional = transactional
        self._card, self._policy = card, policy
        self._depth = 0

    def chance(self, odds: float) -> bool:
        return odds > 0 and self.rng.random() < odds

    def note(self, text: str) -> None:
        self.trace.append(f"{self.now:.3f} {text}")

    # ---- what may happen whenever a worker calls out

    def anything(self, process: Process) -> None:
        """A point where the world goes on: called before and after whatever a worker does outside."""
        if self.chance(self.odds.die):
            self.note(f"{process} dies")
            process.alive = False
            raise Died
        if self.chance(self.odds.move):
            self.move()
        if self.late and self.chance(0.2):
            self.late.pop(self.rng.randrange(len(self.late)))()
        if self.chance(self.odds.failover):
            self.failover()
        elif self.chance(0.05):
            self.copies.append(copy.deepcopy(self.store))
        if self.born_late and self.chance(self.odds.grow):
            self.there.append(self.born_late.pop())
            self.note(f"partition {self.there[-1]} appears")
        if self._depth == 0 and self.chance(self.odds.other_turn):
            others = [p for p in self.processes if p is not process and p.alive]
            if others:
                self._depth += 1
                self.rng.choice(others).turn()
                self._depth -= 1

    def failover(self) -> None:
        """To a copy that knows every partition; one that does not stops the workers, and is no schedule."""
        copies = [each for each in self.copies if self.store.offsets.keys() <= each.offsets.keys()]
        if copies:
            self.note("Redis falls back to an older copy")
            self.store = copy.deepcopy(self.rng.choice(copies))

    def move(self) -> None:
        """Give a partition to a worker that lives; its old owner hears of it at its next poll."""
        alive = [p for p in self.processes if p.alive and not p.still]
        if alive and self.there:
            partition = self.rng.choice(self.there)
            taker = self.rng.choice(alive)
            giver = self.owner.get(partition)
            if giver is taker:
                return
            # A worker that lives gives back first (cooperative); a dead or standing one is not asked.
            if giver is not None and giver.alive and not giver.still and partition in giver.source.mine:
                giver.source.leaving.add(partition)
                giver.source.goes_to[partition] = taker
            else:
                self.hand(partition, taker)

    def hand(self, partition: int, taker: Process) -> None:
        self.note(f"partition {partition} goes to {taker}")
        old = self.owner.get(partition)
        if old is not None and old.alive:
            old.source.gone.add(partition)
        self.owner[partition] = taker
        taker.source.coming.add(partition)
        taker.source.gone.discard(partition)

    # ---- running

    def start(self) -> Process:
        process = Process(self, f"worker {len(self.processes)}", self._card, self._policy)
        self.processes.append(process)
        self.note(f"{process} starts")
        return process

    def run(self, turns: int) -> None:
        """``turns`` of trouble, then calm until every record is saved."""
        for _ in range(2):
            self.start()
        for _ in range(turns):
            alive = [p for p in self.processes if p.alive]
            if len(alive) < 2:
                alive.append(self.start())
            for partition in self.there:
                owner = self.owner.get(partition)
                if owner is None or not owner.alive:
                    self.hand(partition, self.rng.choice(alive))
            process = self.rng.choice(alive)
            if process.still:
                process.still = not self.chance(0.1)
                continue
            process.still = self.chance(self.odds.stand_still)
            process.turn()
            self.now += self.rng.choice((0.001, 0.03, 0.12))
        self._calm()

    def _calm(self) -> None:
        self.note("calm")
        self.odds = CALM
        self.there += self.born_late
        self.born_late = []
        while self.late:
            self.late.pop()()
        last = self.start()
        for partition in self.there:
            self.hand(partition, last)
        for process in self.processes:
            process.still = False
        for _ in range(400):
            for process in self.processes:
                if process.alive:
                    process.turn()
            self.now += 0.05
            if self.saved():
                return
        raise AssertionError(f"not saved in calm weather: {self.store.offsets}")

    def saved(self) -> bool:
        return all(self.store.offsets.get(p, 0) >= len(self.records[p]) for p in self.records)


class Process:
    """One worker's process: the real loop over this world."""

    def __init__(self, world: World, name: str, card: Scorecard, policy: Policy) -> None:
        self.world, self.name = world, name
        self.alive, self.still = True, False
        self.source = SimSource(self)
        self.sink = SimSink(self)
        self.executor = SimExecutor(self)
        self.worker = Worker(
            PLAN, self.source, self.sink, SimStore(self), SimClock(world), self.executor, card, policy,
            SimTransactor(self) if world.transactional else None,
        )  # fmt: skip
        self.source.open(self.worker)

    def __repr__(self) -> str:
        return self.name

    def turn(self) -> None:
        try:
            self.worker.turn()
            self.executor.go_on()
        except Died:
            self.alive = False


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


class Memory:
    """Memory that lives as long as a batch points to it."""

    def __init__(self, records: list[bytes]) -> None:
        self.blob = np.frombuffer(b"".join(records), np.uint8)

    def check(self) -> None:
        return


class SimSource:
    """A consumer: hears of its partitions only while it polls."""

    decoder = Decoder(())

    def __init__(self, process: Process) -> None:
        self._process, self._world = process, process.world
        self.mine: dict[int, int] = {}
        self.coming: set[int] = set()
        self.leaving: set[int] = set()
        self.gone: set[int] = set()
        self.goes_to: dict[int, Process] = {}

    def open(self, listener: Listener) -> None:
        self._listener = listener

    def poll(self, timeout: float, limit: int) -> list[RecordBatch]:  # noqa: ARG002 - the world decides
        self._world.anything(self._process)
        self._rebalance()
        batches = []
        for partition, at in list(self.mine.items()):
            if self._world.chance(0.3):
                continue
            records = self._world.records[partition][at : at + self._world.rng.choice((1, 2, 5))]
            if records:
                batches.append(self._batch(partition, at, records))
                self.mine[partition] = at + len(records)
        if not batches:
            self._world.now += timeout
        return batches

    def _rebalance(self) -> None:
        gone = sorted(self.gone & self.mine.keys())
        self.gone.clear()
        if gone:
            self._listener.lost(gone)
            for partition in gone:
                del self.mine[partition]
        leaving = sorted(self.leaving & self.mine.keys())
        self.leaving.clear()
        if leaving:
            self._listener.revoked(leaving)
            for partition in leaving:
                self.mine.pop(partition, None)
                self._world.hand(partition, self.goes_to.pop(partition))
        coming = sorted(p for p in self.coming if self._world.owner.get(p) is self._process)
        self.coming.clear()
        if coming:
            starts = self._listener.assigned(coming)
            self.mine.update({p: at or 0 for p, at in starts.items()})

    def _batch(self, partition: int, at: int, records: list[bytes]) -> RecordBatch:
        """Every second partition's records are read where they stand, as the native source does it."""
        if partition % 2:
            memory = Memory(records)
            messages = laid_out(list(records), memory.blob, first=at)
            return InPlace(self.decoder)(partition, messages, at + len(records), memory)
        decoded = self.decoder.decode(list(records), np.full(len(records), -1, np.int64))
        good = decoded.good
        return RecordBatch(
            partition, at, at + len(records), decoded.users, decoded.columns,
            np.array(good, np.int64) + at, np.full(len(good), -1, np.int64), [records[i] for i in good],
            [Poison(at + i, None, records[i], why) for i, why in decoded.bad],
        )  # fmt: skip

    def serve(self, timeout: float) -> None:
        self._world.now += timeout
        self._world.anything(self._process)
        self._rebalance()

    def restart(self, partition: int, offset: int | None) -> None:
        if partition in self.mine:
            self.mine[partition] = offset or 0

    def commit(self, offsets: dict[int, int]) -> None:
        self._world.committed.update(offsets)

    def committed(self, partition: int) -> int | None:
        return self._world.committed.get(partition)

    def first(self, partition: int) -> int:  # noqa: ARG002 - nothing ever expires here
        return 0

    def end(self, partition: int) -> int:
        return len(self._world.records[partition])

    def ends(self) -> dict[int, tuple[int, int]]:
        return {p: (0, len(self._world.records[p])) for p in self._world.there}

    def close(self) -> None:
        return


class SimSink:
    """Letters arrive when the network brings them; a worker that dies takes some of them along."""

    def __init__(self, process: Process) -> None:
        self._process, self._world = process, process.world
        self._flying: list[tuple[Letter, Ack]] = []

    def send(self, letter: Letter, ack: Ack) -> None:
        self._world.anything(self._process)
        ack.pending += 1
        self._flying.append((letter, ack))

    def poll(self, timeout: float = 0.0) -> None:
        self._world.now += timeout
        while self._flying and not self._world.chance(self._world.odds.late_ack):
            letter, ack = self._flying.pop(0)
            self._world.letters.append(letter)
            self._world.anything(self._process)  # on the topic, and its acknowledgement may never be heard
            ack.done(None)


class SimTransactor:
    """All letters and the offset or nothing; refused to a worker whose partition the group gave away."""

    def __init__(self, process: Process) -> None:
        self._process, self._world = process, process.world

    def transact(self, letters: Sequence[Letter], partition: int, end: int) -> None:
        world = self._world
        world.anything(self._process)
        if world.owner.get(partition) is not self._process:
            raise Fenced
        if world.chance(world.odds.away):
            raise BrokerAway
        world.letters += letters
        world.committed[partition] = end
        world.anything(self._process)


class SimStore:
    """The world's Redis over a network that delays and forgets."""

    def __init__(self, process: Process) -> None:
        self._process, self._world = process, process.world

    def start(self, partition: int) -> tuple[int | None, int]:
        return self._call(lambda: self._world.store.start(partition))

    def load(self, partition: int, users: list[str]) -> Loaded:
        return self._call(lambda: self._world.store.load(partition, users))

    def blocks(self, partition: int, after: int) -> Blocks | None:
        return self._call(lambda: self._world.store.blocks(partition, after))

    def save(self, save: Save) -> bool:
        world = self._world
        if world.chance(world.odds.lands_late):
            world.note(f"{self._process}'s save of {save.partition} to {save.end} is under way for long")
            world.late.append(lambda: world.store.save(save))
            raise StoreAway("timed out; it will land")
        return self._call(lambda: world.store.save(save))

    def _call(self, call: Callable[[], T]) -> T:
        world = self._world
        world.anything(self._process)
        if world.chance(world.odds.away):
            raise StoreAway("away")
        answer = call()
        world.anything(self._process)
        if world.chance(world.odds.answer_lost):
            raise StoreAway("timed out; it has landed")
        return answer


class SimFuture(Future[Any]):
    """Waiting for it lets time and the work go on."""

    executor: SimExecutor

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self.executor.wait(timeout or 0.0)
        if not self.done():
            raise TimeoutError
        return super().exception(0)


@dataclass
class SimExecutor(Executor):
    """Runs what was submitted when the world pleases."""

    process: Process
    waiting: list[tuple[SimFuture, Callable[[], Any]]] = field(default_factory=list)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> SimFuture:
        future = SimFuture()
        future.executor = self
        self.waiting.append((future, lambda: fn(*args, **kwargs)))
        if self.process.world.chance(0.5):
            self.go_on()
        return future

    def wait(self, seconds: float) -> None:
        self.process.world.now += seconds
        self.go_on()

    def go_on(self) -> None:
        while self.waiting and not self.process.world.chance(0.2):
            future, work = self.waiting.pop(0)
            try:
                future.set_result(work())
            except Died:
                raise
            except Exception as error:  # noqa: BLE001 - a future carries whatever its work raised
                future.set_exception(error)


def by_alert(letters: list[Letter]) -> dict[str, list[Letter]]:
    """Alert id to the letters that carry it."""
    found: dict[str, list[Letter]] = defaultdict(list)
    for letter in letters:
        if letter.topic == PLAN.alerts_topic:
            found[letter.headers["alert_id"]].append(letter)
    return found
