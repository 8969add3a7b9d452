"""`sentinel replay` without its command line: a file's transactions to Kafka, in the order of their time.

Purpose: send transactions at the pace at which they happened, times a speed, or as fast as the broker
takes them; send each label when, in event time, it becomes known.

Design: event time has a *now*. At a pace it follows the clock, else it is the time of the latest
transaction that was sent. Transactions and labels up to now are due, and two indices say how far each
has come; together they are the position that a later run goes on from. Every other second the broker
is asked to acknowledge everything, and the position is saved.

When the file, the limit or ``until`` ends a run, event time is over: labels that were still to come
are sent. A run that is stopped keeps them for the one that resumes it.

Not here: what the records look like (`replay_json`), which transactions there are (`datasets.events`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from datasets.events import DAY, Events
from sentinel_cli.records import rfc3339
from sentinel_cli.streaming import replay_json, replay_position, topics
from sentinel_cli.streaming.delivery import Delivery
from sentinel_cli.streaming.replay_position import Position

if TYPE_CHECKING:
    from sentinel_cli.config import Settings

SECOND = 1_000_000  # event time is in microseconds since 1970, UTC

_SLICE = 4096  # records made and sent between two looks at the clock
_SAVE_S = 2.0
_LONGEST_PAUSE_S = 0.5  # librdkafka has to be served even while nothing happens for hours

End = Literal["end", "limit", "stopped", "failed"]


@dataclass(frozen=True)
class Order:
    """``speed`` is None for as fast as possible; ``limit`` counts this run's transactions."""

    speed: float | None = None
    limit: int | None = None
    loop: bool = False
    label_delay: int = 0  # microseconds of event time


@dataclass(frozen=True)
class Summary:
    """``produced`` and ``labels`` are what the broker acknowledged in this run; ``position`` of ``of``
    transactions have been sent so far, and ``labels_to_come`` of their labels not yet."""

    produced: int
    labels: int
    failed: int
    reason: str
    position: int
    of: int
    labels_to_come: int
    event_time: tuple[str, str] | None
    elapsed_s: float
    tps: int
    ended: End


def run(
    settings: Settings,
    events: Events,
    order: Order,
    stop: threading.Event,
    place: Path,
    position: Position,
    advance: Callable[[int], None] = lambda _: None,
) -> Summary:
    """Send what is left after ``position`` until it is done or ``stop`` is set; save it at ``place``.

    ``advance`` is told of transactions. Raises KafkaUnreachable if no broker answers at the start.
    """
    topics.ensure(settings)
    names = settings.topic(topics.TRANSACTIONS), settings.topic(topics.LABELS)
    return Replay(Delivery(settings, stop), names, events, order, stop, place, position, advance).run()


class _Laps:
    """The transactions of a file again and again: index i of pass k is transaction k * n + i.

    A pass begins on the day after the last day of the one before, at the same hours.
    """

    def __init__(self, events: Events) -> None:
        self.events, self.n = events, len(events)
        self._span = (int(events.time[-1] - events.time[0]) // DAY + 1) * DAY

    def time(self, index: int) -> int:
        lap, at = divmod(index, self.n)
        return int(self.events.time[at]) + lap * self._span

    def due(self, index: int, now: int) -> int:
        """How many from ``index`` on, of the same pass, happen up to ``now``."""
        lap, at = divmod(index, self.n)
        return max(int(np.searchsorted(self.events.time, now - lap * self._span, "right")) - at, 0)

    def left(self, index: int) -> int:
        """How many of the same pass, from ``index`` on."""
        return self.n - index % self.n

    def part(self, index: int, n: int) -> tuple[Events, int, int]:
        """Those of one pass, the number of the pass, and how much later than in the file they happen."""
        lap, at = divmod(index, self.n)
        return self.events.part(at, at + n), lap, lap * self._span


class Replay:
    """One run: the loop, and how far it came. ``names`` are the topics of transactions and labels."""

    def __init__(
        self,
        delivery: Delivery,
        names: tuple[str, str],
        events: Events,
        order: Order,
        stop: threading.Event,
        place: Path,
        position: Position,
        advance: Callable[[int], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._delivery, self._order, self._stop, self._place = delivery, order, stop, place
        self._transactions, self._labels = names
        self._laps, self._at = _Laps(events), position
        self._advance, self._clock = advance, clock
        self._first = position.transaction
        end = np.inf if order.loop else len(events)
        self._end = min(end, np.inf if order.limit is None else self._first + order.limit)
        self._begun = self._saved = clock()

    def run(self) -> Summary:
        ended = self._send()
        if ended in {"end", "limit"}:
            self._send_labels(self._laps.time(self._at.transaction - 1) + self._order.label_delay)
        if self._stop.is_set():
            ended = "stopped"
        self._delivery.finish()
        if self._delivery.failed():
            ended = "failed"
        else:
            replay_position.save(self._place, self._at)
        return self._summary(ended)

    def _send(self) -> End:
        """Send until something ends it, and say what did."""
        while self._at.transaction < self._end:
            now = self._now()
            n = self._due(now)
            if n:
                self._send_transactions(n)
            self._send_labels(now if self._order.speed else self._laps.time(self._at.transaction - 1))
            self._delivery.serve()
            if self._stop.is_set() or not self._save_sometimes():
                return "stopped"
            if not n:
                self._stop.wait(self._pause(now))
        return "end" if self._at.transaction == self._laps.n and not self._order.loop else "limit"

    def _now(self) -> int:
        """Event time that has come; at a pace, it passes ``speed`` times as fast as the clock's."""
        if self._order.speed is None:
            return self._laps.time(
                self._at.transaction + min(_SLICE, self._laps.left(self._at.transaction)) - 1
            )
        passed = (self._clock() - self._begun) * self._order.speed
        return self._laps.time(self._first) + int(passed * SECOND)

    def _due(self, now: int) -> int:
        due = self._laps.due(self._at.transaction, now)
        return int(min(due, _SLICE, self._end - self._at.transaction))

    def _pause(self, now: int) -> float:
        assert self._order.speed
        next_one = self._laps.time(self._at.transaction) - now
        if self._at.label < self._at.transaction:
            next_one = min(next_one, self._laps.time(self._at.label) + self._order.label_delay - now)
        return min(max(next_one / SECOND / self._order.speed, 0.001), _LONGEST_PAUSE_S)

    def _send_transactions(self, n: int) -> None:
        events, lap, later = self._laps.part(self._at.transaction, n)
        sent = self._delivery.send(self._transactions, *replay_json.transactions(events, lap, later))
        self._at.transaction += sent
        self._advance(sent)

    def _send_labels(self, now: int) -> None:
        """Those of transactions that were sent, as far as they are known at ``now``."""
        while not self._stop.is_set():
            known = self._laps.due(self._at.label, now - self._order.label_delay)
            n = min(known, _SLICE, self._at.transaction - self._at.label)
            if n <= 0:
                return
            events, lap, later = self._laps.part(self._at.label, n)
            keys, values = replay_json.labels(events, self._order.label_delay, lap, later)
            if self._delivery.send(self._labels, keys, values) < len(keys):
                return
            self._at.label += n

    def _save_sometimes(self) -> bool:
        """False when a record was refused."""
        if self._clock() - self._saved >= _SAVE_S:
            self._delivery.finish()
            if not self._delivery.failed():
                replay_position.save(self._place, self._at)
            self._saved = self._clock()
        return not self._delivery.failed()

    def _summary(self, ended: End) -> Summary:
        elapsed = self._clock() - self._begun
        produced = self._delivery.acknowledged(self._transactions)
        span = (self._first, self._at.transaction - 1)
        return Summary(
            produced=produced,
            labels=self._delivery.acknowledged(self._labels),
            failed=self._delivery.failed(),
            reason=self._delivery.reason,
            position=self._at.transaction,
            of=self._laps.n,
            labels_to_come=self._at.transaction - self._at.label,
            event_time=tuple(rfc3339(self._laps.time(each)) for each in span) if produced else None,  # type: ignore[arg-type]
            elapsed_s=round(elapsed, 3),
            tps=round(produced / elapsed) if elapsed else 0,
            ended=ended,
        )
