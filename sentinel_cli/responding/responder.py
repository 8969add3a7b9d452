"""The responder's loop: each alert is acted on exactly once, whatever dies.

Purpose: the order of delivery. For one batch, which is what one poll took of one partition:

    Step 1  take records; what is no alert comes as a value
    Step 2  look up which of the alerts were acted on before, and the open cases of their users
    Step 3  act on each of the others: severity, block, case
    Step 4  send responses and dead letters, and wait until the broker has acknowledged them all
    Step 5  one atomic write: ids acted on, cases and the new offset, if the offset is still the old
    Step 6  commit the offset to Kafka, for lag tools alone

With transactional delivery one Kafka transaction holds what step 4 sends and the group's new offset,
and replaces step 6; what is made again from alerts below that offset is kept back.

A crash between any two of them repeats the batch. Blocks are idempotent by the alert's id; the case
does not exist before step 5; a response that is sent again has the same id. A refused write (another
worker owns the partition now, or a case was closed) starts again from what is stored.

Design: one thread, and nothing unsaved between two turns; so a partition that is revoked in the
middle of one is simply let go, and its next owner repeats the batch. Source, sink, store and clock
are arguments, so that a test can drive every step.

Not here: what is done about an alert (``actions``), clients and settings (``responding.run``).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from profiles.contract import StoreAway
from sentinel_cli.errors import KafkaUnreachable, RedisUnreachable, SentinelError
from sentinel_cli.records import Response, Source
from sentinel_cli.responding.actions import Actions, OpenCases
from sentinel_cli.responding.counts import Counts
from sentinel_cli.responding.incoming import AlertBatch, Incoming
from sentinel_cli.responding.store import Save, Store
from sentinel_cli.streaming import poison
from sentinel_cli.streaming.batches import Ack, BrokerAway, Clock, Fenced, Letter, Sink, Transactor
from sentinel_cli.streaming.batches import Source as RecordSource

log = logging.getLogger("sentinel.respond")

# Seconds. The first wait for a server that is away, and the longest; each wait doubles.
FIRST_WAIT, LONGEST_WAIT = 0.05, 0.5
# The longest that one poll waits for records.
IDLE = 0.1
# Acknowledgements come within milliseconds; after this long the group is served as well.
PATIENCE = 1.0
# How long a stop waits for acknowledgements before it leaves the batch to be repeated.
HAND_OVER = 10.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plan:
    """Topics by their full names, and the most records that one turn takes."""

    topic: str
    responses_topic: str
    dead_letters_topic: str
    batch_size: int = 1_000
    largest_dead_letter: int = poison.LARGEST_RECORD


@dataclass
class Held:
    """A partition that is ours: ``begin`` is its offset in the store, and what lies below ``next`` is
    done or, if that was accepted, lost. What comes of alerts below ``sent`` is on the topics already
    (transactional delivery)."""

    number: int
    begin: int | None
    next: int
    sent: int = 0


@dataclass(frozen=True)
class Acted:
    """A batch after step 3, with what is sent, or has to be acknowledged, before it is saved."""

    held: Held
    batch: AlertBatch
    responses: list[Response]
    save: Save
    letters: list[Letter]
    ack: Ack


class LetGo(Exception):
    """The partition went to another worker in the middle of a batch."""


class Responder:
    """One responder in a consumer group; it is the ``Listener`` of its source."""

    def __init__(
        self,
        plan: Plan,
        source: RecordSource[AlertBatch],
        sink: Sink,
        store: Store,
        clock: Clock,
        actions: Actions,
        transactor: Transactor | None = None,
    ) -> None:
        self.counts = Counts()
        self.paused = ""
        self._plan = plan
        self._source, self._sink, self._store = source, sink, store
        self._clock, self._actions = clock, actions
        self._transactor = transactor
        self._held: dict[int, Held] = {}
        self._poison_log = poison.PoisonLog(log)
        self._stale: set[int] = set()  # placed anew since the poll: records it took are from before
        self._stop = threading.Event()
        self._each_turn: Callable[[], object] = lambda: None

    # ---- the loop

    def run(self, *, until_end: bool = False, each_turn: Callable[[], object] = lambda: None) -> None:
        """Work until ``stop`` is called, or up to the end offsets seen now."""
        self._each_turn = each_turn
        ends = self._ends() if until_end else None
        self._source.open(self)
        try:
            while not self._stop.is_set():
                self.turn()
                each_turn()
                if ends is not None and self._reached(ends):
                    break
        finally:
            self._source.close()

    def stop(self) -> None:
        """Finish the turn and return from ``run``. May be called from a signal handler."""
        self._stop.set()

    def turn(self) -> None:
        """Take what has arrived and act on it; everything is saved when this returns."""
        batches = self._source.poll(IDLE, self._plan.batch_size)  # Step 1
        self._stale.clear()
        self._poison_log.tell(self._clock.monotonic())
        waiting: dict[int, Acted] = {}
        for batch in batches:
            if batch.partition in waiting:  # what comes next builds on what is stored of it
                self._settle(waiting.values())
                waiting.clear()
            acted = self._act(batch)
            if acted:
                waiting[batch.partition] = acted
        self._settle(waiting.values())

    def lag(self) -> int:
        """Records behind the end, over the partitions this worker holds."""
        return sum(max(self._source.end(held.number) - (held.begin or 0), 0) for held in self._held.values())

    def partitions(self) -> list[int]:
        return sorted(self._held)

    def _ends(self) -> dict[int, int]:
        """The end offset of every partition that holds something."""
        return {partition: end for partition, (first, end) in self._source.ends().items() if end > first}

    def _reached(self, ends: dict[int, int]) -> bool:
        """Whether everything up to ``ends`` is saved, by whichever worker."""
        mine = {number: held.begin or 0 for number, held in self._held.items() if number in ends}
        if any(mine[p] < ends[p] for p in mine) or self._beyond(mine, ends):
            return False
        try:
            return all((self._store.start(p) or 0) >= end for p, end in ends.items() if p not in mine)
        except StoreAway:
            return False

    def _beyond(self, mine: dict[int, int], ends: dict[int, int]) -> bool:
        """Whether an offset lies beyond even what came since ``ends``: the next poll says what that means."""
        if all(mine[p] == ends[p] for p in mine):
            return False
        now = self._source.ends()
        return any(mine[p] > now[p][1] for p in mine)

    # ---- steps 2 to 4

    def _act(self, batch: AlertBatch) -> Acted | None:
        """The batch, acted on and sent; None where there is nothing to save, or it is not ours."""
        held = self._held.get(batch.partition)
        if held is None or batch.partition in self._stale or batch.next_offset <= held.next:
            return None
        try:
            return self._sent(held, batch)
        except LetGo:
            return None

    def _sent(self, held: Held, batch: AlertBatch) -> Acted | None:
        alerts: dict[str, Incoming] = {}
        for each in batch.alerts:
            alerts.setdefault(each.alert.alert_id, each)  # delivery may repeat an alert
        users = list({each.alert.user_id for each in alerts.values()})
        known = self._patiently(held, lambda: self._store.look(held.number, list(alerts), users))  # Step 2
        if known.offset != held.begin:
            self._start_again(held)
            return None
        cases = OpenCases(known.open_cases)
        new = [each for each in alerts.values() if each.alert.alert_id not in known.acted]
        responses = [self._respond(held, each, cases) for each in new]
        letters = [self._answer(each, response) for each, response in zip(new, responses, strict=True)]
        letters += self._bury(batch)
        ack = Ack()
        if self._transactor is None:
            for letter in letters:
                self._sink.send(letter, ack)  # Step 4
        acted = [response.alert_id for response in responses]
        save = Save(held.number, held.begin, batch.next_offset, acted, cases.changes(), self._clock.wall())
        return Acted(held, batch, responses, save, letters, ack)

    def _respond(self, held: Held, incoming: Incoming, cases: OpenCases) -> Response:
        def block(partition: int, user_id: str, until_us: int, alert_id: str) -> bool:
            return self._patiently(held, lambda: self._store.block(partition, user_id, until_us, alert_id))

        source = Source(self._plan.topic, held.number, incoming.offset)
        return self._actions.take(incoming, source, block, cases)  # Step 3

    def _answer(self, incoming: Incoming, response: Response) -> Letter:
        headers = {"alert_id": response.alert_id, "response_id": response.response_id}
        key, value = response.user_id.encode(), msgspec.json.encode(response)
        return Letter(incoming.offset, self._plan.responses_topic, key, value, headers)

    def _bury(self, batch: AlertBatch) -> Iterator[Letter]:
        plan = self._plan
        for bad in batch.poison:
            self._poison_log.add(plan.topic, batch.partition, bad, self._clock.monotonic())
            yield poison.letter(
                bad, plan.topic, batch.partition, plan.dead_letters_topic, plan.largest_dead_letter
            )

    # ---- steps 4 to 6

    def _settle(self, batches: Iterable[Acted]) -> None:
        for acted in batches:
            try:
                if self._transactor is None:
                    self._await(acted)
                else:
                    self._transact(acted, self._transactor)
                self._save(acted)
            except LetGo:
                continue

    def _await(self, acted: Acted) -> None:
        """Step 4's end: all acknowledged, however long Kafka is away."""
        begun = self._clock.monotonic()
        while acted.ack.pending:
            self._sink.poll(IDLE)
            if acted.ack.pending and self._clock.monotonic() - begun > PATIENCE:
                self._wait_for_kafka(acted, begun)
        if acted.ack.failed:
            raise SentinelError(
                f"Kafka refused a response or a dead letter of {self._plan.topic}-{acted.held.number} "
                f"({acted.ack.failed}): nothing of its batch was saved, and it will be repeated."
            )
        self._ours(acted.held)
        self._pause("")

    def _transact(self, acted: Acted, transactor: Transactor) -> None:
        """Steps 4 and 6 at once, but for what was sent before. Never moves the group's offset back."""
        held, end = acted.held, acted.save.end
        if end <= held.sent:
            return
        new = [letter for letter in acted.letters if letter.offset >= held.sent]
        try:
            self._patiently(held, lambda: transactor.transact(new, held.number, end))
        except Fenced as error:
            self._start_again(held)
            raise LetGo from error
        held.sent = end

    def _wait_for_kafka(self, acted: Acted, begun: float) -> None:
        self._pause(f"Kafka does not acknowledge {acted.ack.pending} records")
        if self._stop.is_set() and self._clock.monotonic() - begun > HAND_OVER:
            raise KafkaUnreachable("Stopped while Kafka was away; what was not saved will be repeated.")
        self._keep_waiting(acted.held, IDLE)

    def _save(self, acted: Acted) -> None:
        held, save = acted.held, acted.save
        if not self._patiently(held, lambda: self._store.save(save)):  # Step 5
            self._start_again(held)
            return
        held.begin = held.next = save.end
        self.counts.add(acted.batch, acted.responses, acted.save)
        if self._transactor is None:
            self._source.commit({held.number: save.end})  # Step 6

    # ---- whose partitions they are

    def assigned(self, partitions: list[int]) -> dict[int, int | None]:
        return {number: self._hold(number) for number in partitions}

    def revoked(self, partitions: list[int]) -> None:
        """Nothing is unsaved but in the middle of a turn, and then the next owner repeats it."""
        self.lost(partitions)

    def lost(self, partitions: list[int]) -> None:
        for number in partitions:
            self._held.pop(number, None)

    def moved(self, number: int, offset: int) -> None:
        """What comes next of a partition is lost, and that is accepted: it goes on at ``offset``."""
        held = self._held[number]
        held.next = offset
        held.sent = min(held.sent, offset)

    def _hold(self, number: int) -> int | None:
        """Hold ``number`` from what is stored; waits while the store is away."""
        begin = self._retrying(
            lambda: self._store.start(number), lambda seconds: self._clock.wait(self._stop, seconds)
        )
        if begin is None and (known := self._source.committed(number)):
            log.warning(
                "%s-%d: Redis has no record of what was done, and Kafka knows that it reached offset %d; "
                "acting again on all that Kafka still has",
                self._plan.topic,
                number,
                known,
            )
        sent = self._source.committed(number) if self._transactor is not None else None
        self._held[number] = Held(number, begin, begin or 0, sent or 0)
        self._stale.add(number)
        return begin

    def _start_again(self, held: Held) -> None:
        self.counts.conflicts += 1
        log.warning("%s-%d: what is stored has moved; starting again from it", self._plan.topic, held.number)
        self._source.restart(held.number, self._hold(held.number))

    def _ours(self, held: Held) -> None:
        if self._held.get(held.number) is not held:
            raise LetGo

    # ---- a store that is away

    def _patiently(self, held: Held, call: Callable[[], T]) -> T:
        """``call``, again and again while the store is away. Raises LetGo if ``held`` goes meanwhile."""
        self._ours(held)
        return self._retrying(call, lambda seconds: self._keep_waiting(held, seconds))

    def _keep_waiting(self, held: Held, seconds: float) -> None:
        """Keep the membership, and let the world see that we wait."""
        self._each_turn()
        self._source.serve(seconds)
        self._ours(held)

    def _retrying(self, call: Callable[[], T], wait: Callable[[float], object]) -> T:
        seconds = FIRST_WAIT
        while True:
            try:
                answer = call()
            except (StoreAway, BrokerAway) as error:
                self._pause(str(error))
                if self._stop.is_set():
                    kind, who = (
                        (RedisUnreachable, "Redis")
                        if isinstance(error, StoreAway)
                        else (KafkaUnreachable, "Kafka")
                    )
                    raise kind(
                        f"Stopped while {who} was away ({error}); what was not saved will be repeated."
                    ) from error
                wait(seconds)
                seconds = min(2 * seconds, LONGEST_WAIT)
            else:
                self._pause("")
                return answer

    def _pause(self, why: str) -> None:
        if why and not self.paused:
            log.warning("paused: %s", why)
        elif self.paused and not why:
            log.warning("going on after: %s", self.paused)
        self.paused = why
