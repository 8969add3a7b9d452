"""What came of it: alerts and responses against the truth.

Purpose: take in transactions, labels, alerts and responses in any order, and say how much fraud was
caught, how fast, and for how much money.

Definitions. An *episode* is everything that one thief did, as the labels have it. It is *caught*
when any of its transactions raised an alert. Seconds and money *until the first alert* count from
the episode's first transaction, in the transactions' own time, to the first that raised an alert:
the money is what was taken before that one. Precision is the share of alerted transactions that
were fraud, recall the share of fraudulent transactions that were alerted. Money is added up in
units of currency, whichever currency.

Design: pure, each record looked at once, so that it can run beside the traffic; honest transactions
are forgotten as soon as their label is there.

Not here: reading the topics (``watching.reading``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import NamedTuple

from msgspec import Struct


class Transaction(Struct, gc=False):
    """The part of a transaction that is looked at."""

    transaction_id: str
    timestamp: str
    amount: float


class Label(Struct, gc=False):
    transaction_id: str
    is_fraud: bool
    scenario: str = ""
    episode_id: str = ""


class _Details(Struct, gc=False):
    transaction_id: str


class Alert(Struct, gc=False):
    alert_id: str
    transaction_details: _Details


class _Action(Struct, gc=False):
    action: str
    status: str


class Response(Struct, gc=False):
    response_id: str
    user_id: str
    actions: list[_Action]


class Count(Struct):
    """Of one scenario, or of all. ``amount`` is all that was taken; the medians are over the caught."""

    transactions: int
    alerted: int
    amount: float
    episodes: int
    caught: int
    missed: int
    recall: float | None
    median_seconds_to_first_alert: float | None
    median_amount_lost: float | None


class Result(Struct):
    transactions: int
    alerts: int
    alerts_on_fraud: int
    responses: int
    blocked_users: int
    cases: int
    precision: float | None
    fraud: Count
    scenarios: dict[str, Count]


class SoFar(NamedTuple):
    """What can be said at any time at no cost."""

    alerts: int
    responses: int
    blocked_users: int
    episodes: int
    caught: int


class _Theft(NamedTuple):
    seconds: float  # since 1970
    amount: float
    transaction_id: str


@dataclass
class _Episode:
    scenario: str
    thefts: list[_Theft] = field(default_factory=list)


class Outcome:
    def __init__(self) -> None:
        self.transactions = 0
        self._waiting: dict[str, Transaction] = {}  # for their label
        self._labels: dict[str, Label] = {}  # for their transaction
        self._episodes: dict[str, _Episode] = {}
        self._episode_of: dict[str, str] = {}  # of fraudulent transactions
        self._caught: set[str] = set()  # episodes
        self._alerts: set[str] = set()
        self._alerted: set[str] = set()  # transactions
        self._responses: set[str] = set()
        self._blocked: set[str] = set()
        self._cases = 0

    def transaction(self, one: Transaction) -> None:
        self.transactions += 1
        if label := self._labels.pop(one.transaction_id, None):
            self._join(one, label)
        else:
            self._waiting[one.transaction_id] = one

    def label(self, one: Label) -> None:
        if transaction := self._waiting.pop(one.transaction_id, None):
            self._join(transaction, one)
        else:
            self._labels[one.transaction_id] = one

    def alert(self, one: Alert) -> None:
        transaction_id = one.transaction_details.transaction_id
        self._alerts.add(one.alert_id)
        self._alerted.add(transaction_id)
        if episode := self._episode_of.get(transaction_id):
            self._caught.add(episode)

    def response(self, one: Response) -> None:
        """A response that was sent twice has the same id and counts once."""
        if one.response_id in self._responses:
            return
        self._responses.add(one.response_id)
        taken = {(action.action, action.status) for action in one.actions}
        if {("block", "done"), ("block", "already")} & taken:
            self._blocked.add(one.user_id)
        self._cases += ("case", "opened") in taken

    def _join(self, transaction: Transaction, label: Label) -> None:
        if not label.is_fraud:
            return
        episode = self._episodes.setdefault(label.episode_id, _Episode(label.scenario))
        seconds = datetime.fromisoformat(transaction.timestamp).timestamp()
        episode.thefts.append(_Theft(seconds, transaction.amount, transaction.transaction_id))
        self._episode_of[transaction.transaction_id] = label.episode_id
        if transaction.transaction_id in self._alerted:
            self._caught.add(label.episode_id)

    def so_far(self) -> SoFar:
        counted = self._alerts, self._responses, self._blocked, self._episodes, self._caught
        return SoFar(*map(len, counted))

    def result(self) -> Result:
        """As of now: an episode that is still going on counts as it stands."""
        episodes = list(self._episodes.values())
        names = sorted({episode.scenario for episode in episodes})
        fraud = self._count(episodes)
        return Result(
            transactions=self.transactions,
            alerts=len(self._alerts),
            alerts_on_fraud=fraud.alerted,
            responses=len(self._responses),
            blocked_users=len(self._blocked),
            cases=self._cases,
            precision=_share(fraud.alerted, len(self._alerted)),
            fraud=fraud,
            scenarios={name: self._count([e for e in episodes if e.scenario == name]) for name in names},
        )

    def _count(self, episodes: list[_Episode]) -> Count:
        thefts = [theft for episode in episodes for theft in episode.thefts]
        alerted = sum(theft.transaction_id in self._alerted for theft in thefts)
        first = [found for episode in episodes if (found := self._until_first_alert(episode))]
        return Count(
            transactions=len(thefts),
            alerted=alerted,
            amount=round(sum(theft.amount for theft in thefts), 2),
            episodes=len(episodes),
            caught=len(first),
            missed=len(episodes) - len(first),
            recall=_share(alerted, len(thefts)),
            median_seconds_to_first_alert=_median([seconds for seconds, _ in first]),
            median_amount_lost=_median([lost for _, lost in first]),
        )

    def _until_first_alert(self, episode: _Episode) -> tuple[float, float] | None:
        """Seconds, and money taken before; None when no alert was raised."""
        thefts = sorted(episode.thefts)
        lost = 0.0
        for theft in thefts:
            if theft.transaction_id in self._alerted:
                return theft.seconds - thefts[0].seconds, lost
            lost += theft.amount
        return None


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _median(values: list[float]) -> float | None:
    return round(median(values), 2) if values else None
