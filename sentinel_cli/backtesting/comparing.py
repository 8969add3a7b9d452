"""Another scorecard beside this one: what it would have gained and lost, alert by alert.

    gained    fraud that only the other one sees
    lost      fraud that only this one sees
    declined  honest purchases that only the other one stops
    spared    honest purchases that only this one stops
    unknown   alerts of only one of them on transactions without a label

Not here: each scorecard's own numbers (`measuring`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from msgspec import Struct

from sentinel_cli.backtesting.decisions import Decisions
from sentinel_cli.backtesting.measuring import Measures
from sentinel_cli.backtesting.transactions import Bools, Transactions
from sentinel_cli.records import rfc3339
from sentinel_cli.streaming.alerts import alert_id

Kind = Literal["gained", "lost", "declined", "spared", "unknown"]
KINDS: tuple[Kind, ...] = ("gained", "lost", "declined", "spared", "unknown")


class Change(Struct, frozen=True):
    """An alert that one of the two raises and the other does not; scores as each of them has it."""

    alert_id: str
    user_id: str
    timestamp: str
    amount: float
    change: Kind
    scenario: str
    score: float
    other_score: float


class Total(Struct, frozen=True):
    alerts: int
    amount: float


class Comparison(Struct, frozen=True):
    """``balance`` is what the other scorecard would have brought more, ``costs`` what it costs more in
    reviews and in honest purchases declined; below 0 for less."""

    balance: float
    costs: float
    totals: dict[str, Total]
    changes: list[Change]


def compare(
    transactions: Transactions, here: tuple[Decisions, Measures], other: tuple[Decisions, Measures]
) -> Comparison:
    """``here`` and ``other`` are decisions about the same transactions, and their measures."""
    (mine, of_mine), (theirs, of_theirs) = here, other
    kinds = _kinds(transactions, mine.alert, theirs.alert)
    amount = transactions.rows["amount"]
    ours, others = of_mine.money, of_theirs.money
    costs = others.declined_cost + others.review_cost - ours.declined_cost - ours.review_cost
    changes = [
        _change(transactions, mine, theirs, int(at), kind)
        for kind, where in kinds.items()
        for at in np.flatnonzero(where)
    ]
    return Comparison(
        balance=round(others.balance - ours.balance, 2),
        costs=round(costs, 2),
        totals={kind: Total(int(w.sum()), round(float(amount[w].sum()), 2)) for kind, w in kinds.items()},
        changes=sorted(changes, key=lambda change: (KINDS.index(change.change), -change.amount)),
    )


def most(changes: Sequence[Change], n: int) -> list[Change]:
    """The largest of each kind, some ``n`` together; JSON has them all."""
    by = [[change for change in changes if change.change == kind] for kind in KINDS]
    each = max(n // max(sum(map(bool, by)), 1), 1)
    return [change for of_kind in by for change in of_kind[:each]]


def _kinds(transactions: Transactions, mine: Bools, theirs: Bools) -> dict[Kind, Bools]:
    label = transactions.truth.label
    only_mine, only_theirs = mine & ~theirs, theirs & ~mine
    return {
        "gained": only_theirs & (label == 1),
        "lost": only_mine & (label == 1),
        "declined": only_theirs & (label == 0),
        "spared": only_mine & (label == 0),
        "unknown": (only_mine | only_theirs) & (label < 0),
    }


def _change(transactions: Transactions, mine: Decisions, theirs: Decisions, at: int, kind: Kind) -> Change:
    row, truth = transactions.rows[at], transactions.truth
    time, scenario = int(row["time"]), int(truth.scenario[at])
    return Change(
        alert_id=alert_id(transactions.ids[at].as_py(), time),
        user_id=transactions.users[int(transactions.user[at])].as_py(),
        timestamp=rfc3339(time),
        amount=float(row["amount"]),
        change=kind,
        scenario=truth.names[scenario] if scenario >= 0 else "",
        score=float(mine.score[at]),
        other_score=float(theirs.score[at]),
    )
