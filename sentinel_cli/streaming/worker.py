"""The detector's loop: transactions in, alerts out, profiles and offset saved together.

Purpose: the order of delivery that makes each transaction change its user's profile exactly once,
whatever dies. For one batch of one partition, which is what it delivered since its last save:

    Step 1  take records; what is no transaction comes as a value
    Step 2  load the profiles that are not held yet, at the offset that the batch began at
    Step 3  score and learn
    Step 4  send alerts and dead letters at once, and let no save begin before all are acknowledged
    Step 5  one atomic write: every changed profile and the new offset, if the offset is still the old
    Step 6  commit the offset to Kafka, for lag tools alone

With transactional delivery step 4 waits for the save: one Kafka transaction holds the batch's alerts,
its dead letters and the group's new offset, and replaces step 6; what is made again from records
below that offset is kept back.

A crash between any two of them repeats the batch from the state it began with, and makes the same
alerts with the same ids. A refused write (another worker owns the partition now) drops the local
state and starts again from what is stored. While the store is away nothing is scored beyond the
batch, the membership is kept, and the same call is made again.

Design: one thread runs the loop; ``executor`` runs step 5, so that saving one batch overlaps with
scoring the next. Source, sink, store, clock and executor are arguments, so that a test can drive
every interleaving.

Not here: how records become columns (``codec``), what a score is (``engine``).
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import numpy as np

from profiles import layout
from profiles.contract import Blocks, Save, Store, StoreAway
from sentinel_cli.engine import scoring
from sentinel_cli.engine.ids import Ids
from sentinel_cli.engine.scorecard import Scorecard
from sentinel_cli.engine.severity import Policy
from sentinel_cli.errors import KafkaUnreachable, LostStateError, RedisUnreachable, SentinelError
from sentinel_cli.streaming import alerts, poison
from sentinel_cli.streaming.batches import (
    Ack,
    BrokerAway,
    Clock,
    Fenced,
    Letter,
    RecordBatch,
    Sink,
    Source,
    Transactor,
)
from sentinel_cli.streaming.partition import Partition
from sentinel_cli.telemetry.stats import LatencyHistogram

log = logging.getLogger("sentinel.worker")

# Seconds. The first wait for a store that is away, and the longest; each wait doubles.
FIRST_WAIT, LONGEST_WAIT = 0.05, 0.5
# The longest that one poll waits for records when nothing else is due.
IDLE = 0.1
# How long a poll waits while a save is under way, so that its end is seen soon.
BUSY = 0.005
# A partition without traffic looks for new blocks this many save intervals apart.
BLOCKS_EVERY = 5
# A partition that is more than a batch behind saves this many intervals apart, unless its batch is full
# before: its users' rows are written that much less often.
BEHIND_INTERVALS = 10
# Seconds after which a transaction is made for the offset alone.
TELL_KAFKA_EVERY = 5.0
# What a revoked partition may take to be saved before it is left to the next owner to repeat.
HAND_OVER = 10.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plan:
    """What the loop is told: topics, limits, intervals in seconds."""

    topic: str
    alerts_topic: str
    dead_letters_topic: str
    threshold: float
    batch_size: int = 100_000
    poll_limit: int = 10_000
    save_interval: float = 0.1
    save_profiles: int = 6_000
    profile_cache: int = 1_000_000
    largest_dead_letter: int = poison.LARGEST_RECORD
    rebuild: bool = False  # make lost profiles again; what is below the group's offset was said before


@dataclass
class Counts:
    """What the loop has done since it started."""

    processed: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    saves: int = 0
    conflicts: int = 0
    alerts: Counter[str] = field(default_factory=Counter)
    latency: LatencyHistogram = field(default_factory=LatencyHistogram)


@dataclass
class Saving:
    """A save on its way: waiting for acknowledgements, then for the store."""

    save: Save
    ack: Ack
    letters: list[Letter]
    sent: int
    future: Future[tuple[bool, Blocks | None]] | None = None
    not_before: float = 0.0
    wait: float = FIRST_WAIT


def true_offsets(partition: Partition, saving: Saving | None) -> set[int | None]:
    """The stored offsets at which a profile that is not held is what it was when the batch began:
    the batch's own, or that of the save under way, which holds no such profile."""
    return {partition.begin} if saving is None else {partition.begin, saving.save.end}


class Worker:
    """One detector in a consumer group; it is the ``Listener`` of its source."""

    def __init__(
        self,
        plan: Plan,
        source: Source[RecordBatch],
        sink: Sink,
        store: Store,
        clock: Clock,
        executor: Executor,
        scorecard: Scorecard,
        policy: Policy,
        transactor: Transactor | None = None,
    ) -> None:
        self.counts = Counts()
        self.paused = ""
        self.assigned_at: float | None = None  # first, on the monotonic clock: nothing arrives before
        self.scorecard = scorecard
        self.policy = policy
        self._plan = plan
        self._source, self._sink, self._store = source, sink, store
        self._clock, self._executor = clock, executor
        self._transactor = transactor
        self._partitions: dict[int, Partition] = {}
        self._savings: dict[int, Saving] = {}
        self._under_way: dict[int, Future[tuple[bool, Blocks | None]]] = {}  # of partitions let go
        self._capacity = plan.profile_cache  # of each partition that is begun
        self._skipping: set[int] = set()  # begun anew in this turn: what was polled before is void
        self._leaving = False  # partitions are being given back: save, and begin nothing
        self._look: dict[int, float] = {}
        self._told: dict[int, float] = {}
        self._poison_log = poison.PoisonLog(log)
        self._stop = threading.Event()
        self._each_turn: Callable[[], object] = lambda: None

    # ---- the loop

    def run(self, *, until_end: bool = False, each_turn: Callable[[], object] = lambda: None) -> None:
        """Work until ``stop`` is called, or up to the end offsets seen now; then save and leave."""
        ends = (
            {p: end for p, (first, end) in self._source.ends().items() if end > first} if until_end else None
        )
        self._each_turn = each_turn
        self._source.open(self)
        try:
            while not self._stop.is_set():
                self.turn()
                each_turn()
                if ends is not None and self._reached(ends):
                    break
            self._save_all()
        except BaseException:
            self.lost(list(self._partitions))  # what is unsaved is repeated, by whoever comes next
            raise
        finally:
            self._leaving = True
            self._source.close()

    def stop(self) -> None:
        """Finish the turn, save, and return from ``run``. May be called from a signal handler."""
        self._stop.set()

    def turn(self) -> None:
        """Take what has arrived, and move every save on by what can be done now."""
        batches = self._source.poll(self._patience(), self._plan.poll_limit)  # Step 1
        self._skipping.clear()
        for batch in batches:
            if batch.partition not in self._skipping:
                self._take(batch)
        self._sink.poll()
        self._poison_log.tell(self._clock.monotonic())
        for partition in list(self._partitions.values()):
            self._look_for_blocks(partition)
            self._move(partition)

    def lag(self) -> int:
        """Records behind the end, over the partitions this worker holds."""
        behind = (self._source.end(p.number) - (p.next or 0) for p in self._partitions.values())
        return sum(max(records, 0) for records in behind)

    def partitions(self) -> list[int]:
        return sorted(self._partitions)

    def _patience(self) -> float:
        return BUSY if self._savings else min(IDLE, self._plan.save_interval)

    def _reached(self, ends: dict[int, int]) -> bool:
        """Whether everything up to ``ends`` is saved, by whichever worker."""
        saved = {n: p.begin or 0 for n, p in self._partitions.items() if n in ends}
        if any(saved[p] < ends[p] for p in saved):
            return False
        try:
            saved |= {p: self._store.start(p)[0] or 0 for p in ends if p not in saved}
        except StoreAway:
            return False
        return all(saved[p] >= ends[p] for p in ends) and not self._beyond(saved, ends)

    def _beyond(self, saved: dict[int, int], ends: dict[int, int]) -> bool:
        """Whether an offset lies beyond even what came since ``ends``: the next poll says what that means."""
        if saved == ends:
            return False
        now = self._source.ends()
        return any(saved[p] > now[p][1] for p in saved)

    # ---- steps 2 to 4

    def _take(self, batch: RecordBatch) -> None:
        partition = self._partitions.get(batch.partition)
        if partition is None or (partition.next is not None and batch.next_offset <= partition.next):
            return
        if partition.next is not None and batch.first_offset < partition.next:
            log.warning(
                "%s-%d: records from %d came again, %d is next", self._plan.topic, batch.partition,
                batch.first_offset, partition.next,
            )  # fmt: skip
            self._source.restart(batch.partition, partition.next)
            self._skipping.add(batch.partition)
            return
        self._make_room(partition)
        if self._partitions.get(batch.partition) is not partition:
            return
        if not self._load(partition, batch.users):  # Step 2
            self._skipping.add(batch.partition)  # nothing may be scored behind a gap
            return
        slots = partition.slots(batch.users)
        scored = scoring.score(  # Step 3
            partition.rows, slots, batch.columns, self.scorecard, self._plan.threshold
        )
        self._say(partition, batch, scored)  # Step 4
        records, now = len(slots) + len(batch.poison), self._clock.monotonic()
        learnt = partition.learned(slots, scored.status, records, batch.next_offset, now)
        self.counts.processed += len(slots)
        self.counts.duplicates += len(slots) - learnt
        self.counts.latency.add(self._clock.wall() * 1_000 - batch.arrived[batch.arrived >= 0])

    def _make_room(self, partition: Partition) -> None:
        """Back-pressure: a batch that is full waits here until the save before it is done."""
        begun = self._clock.monotonic()
        while self._full(partition) and not self._stop.is_set():
            self._move(partition)
            saving = self._savings.get(partition.number)
            if saving is None or self._partitions.get(partition.number) is not partition:
                return
            self._wait_for(saving)
            if self._clock.monotonic() - begun > LONGEST_WAIT:
                self._serve(IDLE)

    def _wait_for(self, saving: Saving) -> None:
        """Wait a moment for whatever this save waits for."""
        if saving.future is None:
            self._sink.poll(BUSY)
            return
        try:
            saving.future.exception(timeout=BUSY)
        except TimeoutError:
            return

    def _load(self, partition: Partition, users: list[str] | Ids) -> bool:
        """Step 2; False if the partition is no longer ours, or starts again."""
        missing = partition.missing(users)
        if not missing:
            return True
        loaded = self._patiently(partition, lambda: self._store.load(partition.number, missing))
        if loaded is None:
            return False
        if loaded.offset not in true_offsets(partition, self._savings.get(partition.number)):
            self._start_again(partition)
            return False
        partition.admit(missing, loaded.profiles)
        return True

    def _say(self, partition: Partition, batch: RecordBatch, scored: scoring.Scored) -> None:
        """Step 4: alerts and dead letters, sent now or by the save's transaction."""
        letters = [letter for letter in self._letters(batch, scored) if letter.offset >= partition.sent]
        if self._transactor is not None:
            partition.letters += letters
            return
        for letter in letters:  # all are made by now: sent in one go, they share their requests
            self._sink.send(letter, partition.ack)

    def _letters(self, batch: RecordBatch, scored: scoring.Scored) -> Iterator[Letter]:
        plan = self._plan
        for alert in alerts.of_batch(batch, scored, plan.topic, self.scorecard, self.policy):
            self.counts.alerts[alert.severity] += 1
            value, headers = msgspec.json.encode(alert), {"alert_id": alert.alert_id}
            yield Letter(alert.source.offset, plan.alerts_topic, alert.user_id.encode(), value, headers)
        for bad in batch.poison:
            self.counts.dead_letters += 1
            self._poison_log.add(plan.topic, batch.partition, bad, self._clock.monotonic())
            yield poison.letter(
                bad, plan.topic, batch.partition, plan.dead_letters_topic, plan.largest_dead_letter
            )

    # ---- steps 5 and 6

    def _move(self, partition: Partition) -> None:
        """Begin a save that is due, or move the one under way on by what can be done now.

        Nothing for a partition that is no longer held so: while its batch waited for room, it may have gone
        and come back, and what it held then would be saved as if it were what is held now.
        """
        if self._partitions.get(partition.number) is not partition:
            return
        saving = self._savings.get(partition.number)
        if saving is None:
            if not self._due(partition) or not self._load_blocked(partition):
                return
            partition.block()
            saving = self._savings[partition.number] = Saving(*partition.snapshot(), partition.sent)
        if saving.ack.failed:
            raise SentinelError(
                f"Kafka refused an alert or a dead letter of {self._plan.topic}-{partition.number} "
                f"({saving.ack.failed}): nothing of its batch was saved, and it will be repeated."
            )
        if saving.future is None:
            if saving.ack.pending or self._clock.monotonic() < saving.not_before:
                return
            saving.future = self._executor.submit(self._write, saving)  # Step 5
        if saving.future.done():
            self._written(partition, saving)

    def _due(self, partition: Partition) -> bool:
        if not partition.unsaved or partition.next is None:
            return False
        plan, age = self._plan, self._clock.monotonic() - partition.since
        return (
            (age >= plan.save_interval and age >= self._interval(partition))
            or self._full(partition)
            or self._stop.is_set()
        )

    def _full(self, partition: Partition) -> bool:
        plan = self._plan
        return partition.records >= plan.batch_size or (
            partition.records >= plan.save_profiles and partition.changed >= plan.save_profiles
        )

    def _interval(self, partition: Partition) -> float:
        """Seconds between two saves."""
        behind = self._source.end(partition.number) - (partition.next or 0)
        return self._plan.save_interval * (BEHIND_INTERVALS if behind > self._plan.batch_size else 1)

    def _write(self, saving: Saving) -> tuple[bool, Blocks | None]:
        """Step 5, and a look at the blocks; runs in the executor."""
        save = saving.save
        if self._transactor is not None and self._transaction_due(saving):
            self._transactor.transact(saving.letters, save.partition, save.end)  # Steps 4 and 6
            saving.letters = []  # a further try of step 5 has nothing left to send
            self._told[save.partition] = self._clock.monotonic()
        if not self._store.save(save):
            return False, None
        try:
            return True, self._store.blocks(save.partition, save.blocks)
        except StoreAway:
            return True, None  # the save stands; the blocks are seen with the next one

    def _transaction_due(self, saving: Saving) -> bool:
        """A batch that says nothing needs none, but lag tools want to see the offset move: never back,
        or what a failover of the store makes again would be said again."""
        if saving.save.end <= saving.sent:
            return False
        told = self._told.get(saving.save.partition, -np.inf)
        return bool(saving.letters) or self._clock.monotonic() - told > TELL_KAFKA_EVERY

    def _written(self, partition: Partition, saving: Saving) -> None:
        assert saving.future is not None
        try:
            stored, blocks = saving.future.result()
        except (StoreAway, BrokerAway) as error:
            # It may have landed all the same: then the next try is refused, and starts again from it.
            self._pause(str(error))
            saving.future, saving.not_before = None, self._clock.monotonic() + saving.wait
            saving.wait = min(2 * saving.wait, LONGEST_WAIT)
            return
        except Fenced:
            stored, blocks = False, None
        del self._savings[partition.number]
        self._pause("")
        if not stored:
            self._start_again(partition)
            return
        partition.saved(saving.save, self._clock.monotonic())
        partition.new_blocks = blocks
        self.counts.saves += 1
        if self._transactor is None:
            self._source.commit({partition.number: saving.save.end})  # Step 6

    def _load_blocked(self, partition: Partition) -> bool:
        """Hold the profiles of users whose block changed, so that they can take it in."""
        if partition.new_blocks is None:
            return True
        return self._load(partition, list(partition.new_blocks.until))

    def _look_for_blocks(self, partition: Partition) -> None:
        """Without traffic there are no saves that would look; so that the next transaction meets them."""
        now = self._clock.monotonic()
        if (
            partition.unsaved
            or partition.number in self._savings
            or now < self._look.get(partition.number, 0.0)
        ):
            return
        self._look[partition.number] = now + BLOCKS_EVERY * self._plan.save_interval
        try:
            partition.new_blocks = self._store.blocks(partition.number, partition.blocks)
        except StoreAway as error:
            self._pause(str(error))

    # ---- whose partitions they are

    def assigned(self, partitions: list[int]) -> dict[int, int | None]:
        if self.assigned_at is None and partitions:
            self.assigned_at = self._clock.monotonic()
        self._capacity = self._plan.profile_cache // max(len(self._partitions.keys() | set(partitions)), 1)
        starts: dict[int, int | None] = {}
        for number in partitions:
            starts[number] = self._begin(number)
        return starts

    def revoked(self, partitions: list[int]) -> None:
        """Save what is unsaved; what cannot be in time is repeated by the next owner."""
        deadline = self._clock.monotonic() + HAND_OVER
        leaving, self._leaving = self._leaving, True
        for number in partitions:
            while number in self._partitions and self._clock.monotonic() < deadline:
                if not self._finish(self._partitions[number]):
                    break
        self._leaving = leaving
        self.lost(partitions)

    def lost(self, partitions: list[int]) -> None:
        for number in partitions:
            self._partitions.pop(number, None)
            saving = self._savings.pop(number, None)
            # One that waits for its turn is called off: a transaction would be taken for one of the group's
            # next generation, if the partition comes back before it begins.
            if saving is not None and saving.future is not None and not saving.future.cancel():
                self._under_way[number] = saving.future

    def moved(self, number: int, offset: int) -> None:
        """What comes next of a partition is lost, and that is accepted: it goes on at ``offset``."""
        partition = self._partitions[number]
        partition.next = offset
        partition.sent = min(partition.sent, offset)

    def _begin(self, number: int) -> int:
        """Hold ``number`` from what is stored; waits while the store is away.

        A save of ours that is still under way must end before: its transaction would move the group's
        offset after we have read it, and what it sent would be sent again.
        """
        self.lost([number])  # one that went and came back unnoticed may have a save under way, too
        under_way = self._under_way.pop(number, None)
        while under_way is not None and not under_way.done():
            with contextlib.suppress(TimeoutError):
                under_way.exception(timeout=BUSY)
        wait = FIRST_WAIT
        while True:
            try:
                offset, blocks = self._start(number)
                break
            except StoreAway as error:
                self._pause(str(error))
                self._each_turn()
                if self._clock.wait(self._stop, wait):
                    raise RedisUnreachable(
                        f"Stopped while Redis was away ({error}); nothing is lost."
                    ) from error
                wait = min(2 * wait, LONGEST_WAIT)
        self._pause("")
        said = self._transactor is not None or self._plan.rebuild
        sent = self._source.committed(number) if said else None
        self._partitions[number] = Partition(
            number, offset, blocks, self._capacity, self._clock.monotonic(), sent or 0
        )
        self._skipping.add(number)
        return offset

    def _start(self, number: int) -> tuple[int, int]:
        """The stored offset, which a partition seen for the first time is given now.

        So a store without one, of which Kafka knows that it had one, has lost its profiles.
        """
        while True:
            offset, blocks = self._store.start(number)
            if offset is not None:
                return offset, blocks
            known = self._source.committed(number)
            if known is not None and not self._plan.rebuild:
                if self._store.start(number)[0] is not None:
                    continue  # another worker has begun it in between
                raise LostStateError(
                    f"Redis has no profiles of {self._plan.topic}-{number}, but Kafka knows that there were "
                    f"some, true up to offset {known}: restore Redis from a backup, or make them again from "
                    "what Kafka still has with `sentinel profiles rebuild`."
                )
            first = self._source.first(number)
            self._store.save(Save(number, None, first, [], layout.empty(0), 0))

    def _start_again(self, partition: Partition) -> None:
        """Drop what is held of a partition and go on from what is stored."""
        self.counts.conflicts += 1
        log.warning(
            "%s-%d: the stored offset has moved; starting again from it", self._plan.topic, partition.number
        )
        self.lost([partition.number])
        if self._leaving:
            return
        self._source.restart(partition.number, self._begin(partition.number))

    def _finish(self, partition: Partition) -> bool:
        """One try at having nothing unsaved; True if another one is needed."""
        partition.new_blocks = None  # the next owner reads them
        if partition.number not in self._savings and not partition.unsaved:
            return False
        partition.since = -np.inf  # due now
        self._move(partition)
        saving = self._savings.get(partition.number)
        if saving is not None:
            self._wait_for(saving)
        return True

    def _save_all(self) -> None:
        deadline = self._clock.monotonic() + HAND_OVER
        self._leaving = True
        for partition in list(self._partitions.values()):
            while self._partitions.get(partition.number) is partition and self._finish(partition):
                if self._clock.monotonic() > deadline:
                    raise self._given_up(partition)

    def _given_up(self, partition: Partition) -> SentinelError:
        saving = self._savings.get(partition.number)
        if saving is not None and saving.ack.pending:
            return KafkaUnreachable("Stopped while Kafka was away; what was not saved will be repeated.")
        return RedisUnreachable(
            f"Stopped while Redis was away ({self.paused}); what was not saved will be repeated."
        )

    # ---- a store that is away

    def _patiently(self, partition: Partition, call: Callable[[], T]) -> T | None:
        """``call``, again and again while the store is away; None if the partition is lost meanwhile."""
        wait = FIRST_WAIT
        while True:
            try:
                answer = call()
            except StoreAway as error:
                self._pause(str(error))
                if self._stop.is_set():
                    return None
                self._serve(wait)
                wait = min(2 * wait, LONGEST_WAIT)
                if self._partitions.get(partition.number) is not partition:
                    return None
            else:
                self._pause("")
                return answer

    def _serve(self, seconds: float) -> None:
        """Keep the membership, and let the world see that we wait."""
        self._each_turn()
        self._source.serve(seconds)

    def _pause(self, why: str) -> None:
        if why and not self.paused:
            log.warning("paused: %s", why)
        elif self.paused and not why:
            log.warning("going on after: %s", self.paused)
        self.paused = why
