"""A Kafka, a Redis, a network and a clock that one seed drives: every schedule replays exactly.

Purpose: run the real worker loop through interleavings that real servers show once in a year. As
FoundationDB and TigerBeetle do it: one thing at a time, one random generator, and every call that leaves a
worker is a point where anything may happen. The process may die before the call took effect or
after it; the answer may be lost, or the write land long after its time-out; Redis or Kafka may be away
for seconds; the other worker may take a turn; partitions may move, or go and come back, also while a
worker waits, and away from one that stands still and does not know (a zombie); Redis may fall back to an
older copy of itself; acknowledgements may be late, and records come again; and the topic may grow, so
that its users move and `sentinel profiles move` takes their profiles along.

Not here: how likely what is (``weather``), what must be true at the end (``judging``).
"""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
from redis.exceptions import RedisError

from profiles.contract import StoreAway
from sentinel_cli.engine.scorecard import Scorecard
from sentinel_cli.engine.severity import Policy
from sentinel_cli.errors import SentinelError
from sentinel_cli.streaming.batches import Letter
from sentinel_cli.streaming.footing import Outgrown
from tests.simulation.process import KEYS, MOVE, Died, Lane, Process, move_profiles
from tests.simulation.redis import Server
from tests.simulation.traffic import Traffic
from tests.simulation.weather import CALM, OUTAGES, Odds


class World:
    """Everything outside the workers, and the generator that decides. ``trace`` says what happened."""

    def __init__(
        self,
        seed: int,
        traffic: Traffic,
        judges: tuple[Scorecard, Policy],
        *,
        transactional: bool,
        odds: Odds,
    ) -> None:
        self.rng = random.Random(seed)
        self.judges, self.transactional = judges, transactional
        self.weather(odds)
        self.now, self.redis_back, self.kafka_back = 1_000.0, 0.0, 0.0
        self.traffic = traffic
        self.records = {partition: list(records) for partition, records in traffic.first.items()}
        self.later = list(traffic.later)
        self.redis = Server(self.written)
        self.copies = [self.redis.copy()]
        self.letters: list[Letter] = []
        self.committed: dict[int, int] = {}
        self.moved_at: dict[int, int] = {}  # how far the old partitions were when the profiles had moved,
        self.moved_ends: dict[int, int] = {}  # and where they ended
        self.owner: dict[int, Process] = {}
        self.processes: list[Process] = []
        self.late: list[tuple[str, Callable[[], object]]] = []  # whose writes will land
        self.lanes: list[Lane] = []
        self.trace: list[str] = []
        self._depth = 0

    def chance(self, odds: float) -> bool:
        return odds > 0 and self.rng.random() < odds

    def note(self, text: str) -> None:
        self.trace.append(f"{self.now:.3f} {text}")

    # ---- what may happen whenever a worker calls out

    def weather(self, odds: Odds) -> None:
        self.odds = odds
        events: dict[Callable[[Process], None], float] = {
            self.die: odds.die,
            self.move: odds.move,
            self.land: odds.land,
            self.failover: odds.failover,
            self.copy: odds.copy,
            self.outage: odds.outage,
            self.grow: odds.grow,
            self.record: odds.record,
            self.other_turn: odds.other_turn,
            self.stall: odds.stall,
        }
        self._events, self._chances = list(events), list(events.values())
        self._any = sum(self._chances)

    def anything(self, process: Process) -> None:
        """A point where the world goes on: called before and after whatever a worker does outside."""
        process.executor.point()
        if self.rng.random() < self._any:
            (event,) = self.rng.choices(self._events, self._chances)
            event(process)

    def die(self, process: Process) -> None:
        self.note(f"{process} dies")
        process.alive = False
        raise Died

    def other_turn(self, process: Process) -> None:
        others = [p for p in self.processes if p is not process and p.alive]
        if others and self._depth == 0:
            self._depth += 1
            self.rng.choice(others).turn()
            self._depth -= 1

    def stall(self, process: Process) -> None:
        """It stands still in the middle of what it does, the group takes it for dead, others go on."""
        others = [p for p in self.processes if p is not process and p.alive and not p.still]
        if not others or self._depth:
            return
        self.note(f"{process} stands still in the middle of something")
        self._depth, process.still = self._depth + 1, True
        for partition in [p for p in range(self.count) if self.owner.get(p) is process]:
            self.hand(partition, self.rng.choice(others))
        for _ in range(self.rng.choice((2, 5, 10))):
            self.now += 0.05
            self.rng.choice(others).turn()
        self._depth, process.still = self._depth - 1, False

    def land(self, _: Process) -> None:
        """A write that was under way for long arrives."""
        if self.late:
            self.late.pop(self.rng.randrange(len(self.late)))[1]()

    def copy(self, _: Process) -> None:
        """What Redis may fall back to."""
        self.copies.append(self.redis.copy())

    def outage(self, _: Process) -> None:
        """Redis, or the broker that takes the alerts, is away for a while."""
        until = self.now + self.rng.choice(OUTAGES)
        if self.chance(0.5):
            self.redis_back = until
        else:
            self.kafka_back = until
        self.note(f"{'Redis' if self.redis_back == until else 'Kafka'} is away until {until:.3f}")

    def failover(self, _: Process) -> None:
        """To a copy that knows every partition; one that does not stops the workers, and is no schedule."""
        known = self.redis.values.keys()
        needed = [KEYS.offset(p) for p in range(self.count) if KEYS.offset(p) in known]
        layout = self.redis.values.get(KEYS.partitions())
        copies = [
            copy
            for copy in self.copies
            if copy[0].get(KEYS.partitions()) == layout and all(key in copy[0] for key in needed)
        ]
        if copies:
            self.note("Redis falls back to an older copy")
            self.redis.become(self.rng.choice(copies))

    def move(self, _: Process) -> None:
        """Give a partition to a worker that lives; its old owner hears of it at its next poll."""
        alive = [p for p in self.processes if p.alive and not p.still]
        if not alive:
            return
        partition, taker = self.rng.randrange(self.count), self.rng.choice(alive)
        giver = self.owner.get(partition)
        if giver is taker:
            return
        # A worker that lives gives back first (cooperative); a dead or standing one is not asked.
        if giver is not None and giver.alive and not giver.still and giver.source.holds(partition):
            giver.source.leaving[partition] = taker
        else:
            self.hand(partition, taker)

    def hand(self, partition: int, taker: Process) -> None:
        self.note(f"partition {partition} goes to {taker}")
        old = self.owner.get(partition)
        if old is not None and old.source.holds(partition):
            old.source.expelled = True  # nobody asked it: the group took it for dead
        self.owner[partition] = taker
        taker.source.coming.add(partition)

    # ---- the topic

    @property
    def count(self) -> int:
        """Partitions of the topic."""
        return len(self.records)

    @property
    def outgrown(self) -> bool:
        """Whether the profiles are laid out for fewer partitions than there are."""
        layout = self.redis.values.get(KEYS.partitions())
        return layout is not None and msgspec.json.decode(layout)[-1] != self.count

    def grow(self, _: Process | None = None) -> None:
        """Somebody gives the topic more partitions; a detector has seen it with fewer."""
        if self.count < self.traffic.counts[-1] and KEYS.partitions() in self.redis.values:
            self.records |= {p: [] for p in range(self.count, self.traffic.counts[-1])}
            self.note(f"the topic has {self.count} partitions")

    def record(self, _: Process) -> None:
        """Traffic goes on, once it has grown."""
        if self.later and self.count == self.traffic.counts[-1]:
            self.produce()

    def produce(self) -> None:
        partition, record = self.later.pop(0)
        self.records[partition].append(record)

    def written(self, key: str) -> None:
        """A key was set: of the one that lets a new number of partitions count, the moment matters."""
        if key == KEYS.partitions() and self.redis.stamps[key] > 1 and not self.moved_at:
            self.note("the profiles have moved")
            self.moved_at = {p: self.redis.number(KEYS.offset(p)) or 0 for p in self.traffic.first}
            self.moved_ends = {p: len(self.records[p]) for p in self.traffic.first}

    def commit(self, offsets: dict[int, int]) -> None:
        for partition, offset in offsets.items():
            assert offset <= self.redis.furthest.get(KEYS.offset(partition), 0), "Kafka knew it first"
        self.committed.update(offsets)

    # ---- running

    def start(self) -> Process | None:
        """One more worker; None if it does not come that far."""
        name = f"worker {len(self.processes)}"
        try:
            process = Process(self, name)
        except (Died, Outgrown, StoreAway) as error:
            self.note(f"{name} does not start: {error!r}")
            return None
        self.processes.append(process)
        self.note(f"{process} starts")
        return process

    def run(self, turns: int) -> None:
        """``turns`` of trouble, then calm until every record is saved."""
        try:
            for _ in range(turns):
                self._turn()
            self._calm()
        finally:
            for lane in self.lanes:
                lane.abandon()

    def _turn(self) -> None:
        alive = self._staff()
        if self.outgrown and all(process.still for process in alive):
            self._move_profiles()
        elif alive:
            self._go_on(self.rng.choice(alive))
        self.now += self.rng.choice((0.001, 0.03, 0.12))

    def _staff(self) -> list[Process]:
        """Those that live: two, if they can be had; nobody's partitions are theirs."""
        while sum(p.alive for p in self.processes) < 2 and self.start():
            pass
        alive = [p for p in self.processes if p.alive]
        for partition in range(self.count) if alive else ():
            owner = self.owner.get(partition)
            if owner is None or not owner.alive:
                self.hand(partition, self.rng.choice(alive))
        return alive

    def _go_on(self, process: Process) -> None:
        if process.still:
            process.still = not self.chance(0.1)
            return
        process.still = self.chance(self.odds.stand_still)
        process.turn()

    def _move_profiles(self) -> None:
        """Nobody is in the group: one that stands still was taken for dead. What an earlier move had under
        way has come by the time that Redis answers this one."""
        for whose, write in self.late:
            if whose == MOVE:
                write()
        self.late = [each for each in self.late if each[0] != MOVE]
        for process in self.processes:
            process.source.expelled = True
        self.owner.clear()
        try:
            move_profiles(self)
        except (Died, StoreAway, RedisError, SentinelError) as error:
            self.note(f"the move ends with {error!r}")
        self.owner.clear()

    def _calm(self) -> None:
        """Nothing goes wrong any more: the topic grows if it has not, the last records come."""
        self.note("calm")
        self.weather(CALM)
        self.redis_back = self.kafka_back = 0.0
        for _, write in self.late:
            write()
        self.late.clear()
        self.grow()
        while self.later:
            self.produce()
        for process in self.processes:
            process.still, process.alive = False, process.alive and not self.outgrown
        if self.outgrown:
            self._move_profiles()
        for partition, record in self.traffic.last:
            self.records[partition].append(record)
        self._finish()

    def _finish(self) -> None:
        last = self.start()
        assert last is not None
        for partition in range(self.count):
            self.hand(partition, last)
        for _ in range(400):
            for process in self.processes:
                process.turn()
            self.now += 0.05
            if self.saved():
                return
        where = {p: self.redis.number(KEYS.offset(p)) for p in self.records}
        raise AssertionError(f"not saved in calm weather: {where}; Kafka knows {self.committed}")

    def saved(self) -> bool:
        """Whether every record is; and Kafka was told, for which lag tools wait."""
        ends = {partition: len(records) for partition, records in self.records.items()}
        told = self.transactional or self.committed == ends
        return told and all(self.redis.number(KEYS.offset(p)) == end for p, end in ends.items())
