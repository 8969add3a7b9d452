"""`sentinel produce` without its command line: synthetic traffic to Kafka, delivery confirmed.

Purpose: turn an order (how many, how fast, which users) into a plan of traffic, send it at its
pace, and say what arrived.

Event time, which is all that detectors look at:

    live      paced, with neither seed nor start: timestamps are the present, the i-th transaction
              is stamped and sent at start + i / tps.
    natural   everything else: users live at their own pace (`datasets.traffic.stream`), however fast
              their records are sent. It begins at ``start``; else, with a seed, at ORIGIN, so that the
              same seed gives the same records; else, with a count, so that it ends about now.

Detectors refuse transactions from the future, so natural time ends at the present.

Not here: how a transaction comes about (`datasets.traffic`), JSON (`traffic_json`).
"""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from datasets.traffic import FRAUD_RATE, HONEST, SCENARIO_NAMES, USERS, Plan, Traffic, TransactionRows
from sentinel_cli.engine import compiled, jsonrows
from sentinel_cli.errors import UsageError
from sentinel_cli.records import rfc3339
from sentinel_cli.streaming import topics
from sentinel_cli.streaming.delivery import Delivery
from sentinel_cli.streaming.pacing import Pacer
from sentinel_cli.streaming.traffic_json import Records, TrafficWriter

if TYPE_CHECKING:
    from sentinel_cli.config import Settings

SECOND = 1_000_000  # event time is in microseconds since 1970, UTC
DAY = 86_400 * SECOND

# Where natural time begins for a seed: the usual assumption of where the IEEE-CIS file begins.
# 20,000 users reach the present only after 30 million transactions.
ORIGIN = 1_512_086_400 * SECOND  # 2017-12-01T00:00:00Z
EARLIEST = 946_684_800 * SECOND  # 2000-01-01: what is older is refused by detectors, too

_AHEAD = 4096  # transactions made at once
_UNPACED_SLICE = 1024  # sent between two looks at the clock
_REPORT_S = 0.2
# Live traffic begins this long from now, when its users have been drawn.
_LEAD_S, _LEAD_A_USER_S = 0.2, 3e-6
_LONGEST_PAUSE_S = 0.5  # librdkafka has to be served even at one transaction an hour


@dataclass(frozen=True)
class Order:
    """What is wanted. None: no limit of ``count`` or ``duration`` (seconds), no pace, any seed."""

    count: int | None = None
    duration: float | None = None
    tps: float | None = None
    users: int = USERS
    fraud_rate: float = FRAUD_RATE
    scenarios: tuple[str, ...] = SCENARIO_NAMES
    seed: int | None = None
    start: int | None = None  # microseconds since 1970 UTC

    @property
    def live(self) -> bool:
        return self.tps is not None and self.seed is None and self.start is None

    def limit(self) -> float:
        """Transactions after which it is done; at a pace, ``duration`` is a number of them."""
        limit = math.inf if self.count is None else self.count
        if self.tps is not None and self.duration is not None:
            limit = min(limit, math.ceil(self.tps * self.duration))
        return limit


@dataclass
class OfScenario:
    transactions: int = 0
    episodes: int = 0


@dataclass
class Progress:
    """So far. ``fraud`` and ``scenarios`` are of what was sent."""

    sent: int = 0
    fraud: int = 0
    fraud_amount: float = 0.0
    elapsed_s: float = 0.0
    first_time: int = 0
    last_time: int = 0
    scenarios: dict[str, OfScenario] = field(
        default_factory=lambda: {name: OfScenario() for name in SCENARIO_NAMES}
    )
    _episodes: set[int] = field(default_factory=set)

    def add(self, rows: TransactionRows) -> None:
        if not len(rows):
            return
        self.first_time = self.first_time or int(rows["time"][0])
        self.last_time = int(rows["time"][-1])
        self.sent += len(rows)
        stolen = rows[rows["scenario"] != HONEST]
        self.fraud += len(stolen)
        self.fraud_amount += float(stolen["amount"].sum()) / 1000
        for scenario, episode in zip(stolen["scenario"].tolist(), stolen["episode"].tolist(), strict=True):
            of = self.scenarios[SCENARIO_NAMES[scenario]]
            of.transactions += 1
            of.episodes += episode not in self._episodes
            self._episodes.add(episode)


End = Literal["count", "duration", "stopped", "present"]


@dataclass(frozen=True)
class Summary:
    """``produced`` and ``labels`` are what the broker acknowledged; amounts are in units of currency.

    ``ended`` says why: the count or the duration was reached, a stop was asked for, or natural time
    reached the present.
    """

    produced: int
    labels: int
    failed: int
    reason: str
    fraud: int
    fraud_amount: float
    episodes: int
    scenarios: dict[str, OfScenario]
    users: int
    seed: int
    event_time: tuple[str, str] | None  # of the first and the last that were sent
    elapsed_s: float
    tps: int
    ended: End


def plan_of(order: Order, now: int) -> Plan:
    """The plan that an order comes to at ``now``; raises UsageError when it would leave our time."""
    seed = order.seed if order.seed is not None else secrets.randbits(32)
    plan = Plan(
        seed, ORIGIN if order.start is None else order.start, order.users, order.fraud_rate, order.scenarios
    )
    if order.live:
        return replace(plan, start=now, rate=order.tps)
    limit = order.limit()
    if math.isinf(limit):
        return plan
    span = int(limit / plan.mean_rate * SECOND)
    if order.start is None and order.seed is None:
        # Some more, since days are uneven and chance is what it is.
        plan = replace(plan, start=now - int(1.05 * span + 10 * SECOND / plan.mean_rate) - DAY)
    if plan.start < EARLIEST or plan.start + span > now:
        since = rfc3339(max(plan.start, EARLIEST))
        raise UsageError(
            f"{limit:,.0f} transactions of {order.users:,} users take {span / DAY / 365:,.1f} years, more "
            f"than lie between {since} and now: give more --users or another --start."
        )
    return plan


def run(
    settings: Settings,
    order: Order,
    stop: threading.Event,
    progress: Callable[[Progress], None] = lambda _: None,
    report: Callable[[str], None] = lambda _: None,
) -> Summary:
    """Send what was ordered until it is done or ``stop`` is set, and wait for the broker's word.

    ``progress`` is told some five times a second. Raises KafkaUnreachable if no broker answers at
    the start, UsageError for an impossible order.
    """
    plan = plan_of(order, _now())
    topics.ensure(settings)
    if not compiled.is_cached():
        report("Compiling the record writer for this machine; this is done once.")
    jsonrows.warm()
    if order.live:
        plan = replace(plan, start=_now() + int((_LEAD_S + _LEAD_A_USER_S * plan.users) * SECOND))
    sender = _Sender(settings, order, plan, stop, progress)
    return sender.summary(sender.send())


class _Ahead:
    """Makes records in good time: some thousands at once, handed out in slices."""

    def __init__(self, plan: Plan) -> None:
        self._traffic = Traffic(plan)
        self._writer = TrafficWriter(self._traffic)
        self._fill()

    def _fill(self) -> None:
        first = self._traffic.taken
        self._rows = self._traffic.take(_AHEAD)
        self._records = self._writer.write(first, self._rows)
        self._at = 0

    def take(self, n: int) -> tuple[TransactionRows, Records]:
        """The next ``n`` at most."""
        if self._at == _AHEAD:
            self._fill()
        part = slice(self._at, self._at + n)
        self._at = min(self._at + n, _AHEAD)
        return self._rows[part], Records(*(column[part] for column in self._records))


class _Sender:
    """One run: the loop, and what it counted."""

    def __init__(
        self,
        settings: Settings,
        order: Order,
        plan: Plan,
        stop: threading.Event,
        progress: Callable[[Progress], None],
    ) -> None:
        self._order, self._plan, self._stop, self._tell = order, plan, stop, progress
        self._delivery = Delivery(settings, stop)
        self._transactions = settings.topic(topics.TRANSACTIONS)
        self._labels = settings.topic(topics.LABELS)
        self._ahead = _Ahead(plan)
        self._progress = Progress()
        self._limit = order.limit()
        self._begun = time.monotonic()
        if order.live:
            self._begun += (plan.start - _now()) / SECOND
        self._told = self._begun

    def send(self) -> End:
        """Send until something ends it, and say what did."""
        order, so_far = self._order, self._progress
        pacer = Pacer(order.tps, self._begun, time.monotonic) if order.tps else None
        while not self._stop.is_set():
            if so_far.sent >= self._limit:
                return "count" if so_far.sent == order.count else "duration"
            n = min(pacer.due(so_far.sent) if pacer else _UNPACED_SLICE, self._limit - so_far.sent)
            if n and not self._slice(int(n)):
                return "present"
            if order.duration is not None and self._elapsed() >= order.duration:
                return "duration"
            self._delivery.serve()
            self._tell_sometimes()
            if pacer:
                self._stop.wait(min(pacer.pause(so_far.sent), _LONGEST_PAUSE_S))
        return "stopped"

    def _slice(self, n: int) -> bool:
        """Hand over the next ``n`` at most; False if they lie in the future."""
        rows, records = self._ahead.take(n)
        if not self._order.live and int(rows["time"][-1]) > _now():
            return False
        sent = self._delivery.send(self._transactions, records.keys, records.transactions)
        self._delivery.send(self._labels, records.keys[:sent], records.labels[:sent])
        self._progress.add(rows[:sent])
        return True

    def _elapsed(self) -> float:
        return max(time.monotonic() - self._begun, 0.0)

    def _tell_sometimes(self) -> None:
        if time.monotonic() - self._told >= _REPORT_S:
            self._told = time.monotonic()
            self._progress.elapsed_s = self._elapsed()
            self._tell(self._progress)

    def summary(self, ended: End) -> Summary:
        """Wait for the broker's word on everything that was sent."""
        self._delivery.finish()
        elapsed, so_far = self._elapsed(), self._progress
        produced = self._delivery.acknowledged(self._transactions)
        return Summary(
            produced=produced,
            labels=self._delivery.acknowledged(self._labels),
            failed=self._delivery.failed(),
            reason=self._delivery.reason,
            fraud=so_far.fraud,
            fraud_amount=round(so_far.fraud_amount, 2),
            episodes=sum(of.episodes for of in so_far.scenarios.values()),
            scenarios={name: of for name, of in so_far.scenarios.items() if of.transactions},
            users=self._plan.users,
            seed=self._plan.seed,
            event_time=(rfc3339(so_far.first_time), rfc3339(so_far.last_time)) if so_far.sent else None,
            elapsed_s=round(elapsed, 3),
            tps=round(produced / elapsed) if elapsed else 0,
            ended=ended,
        )


def _now() -> int:
    return time.time_ns() // 1000
