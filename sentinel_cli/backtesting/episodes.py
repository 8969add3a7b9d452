"""Episodes of fraud: which were caught, how soon, and what was gone by then.

An episode is everything that one thief did, as the labels have it. It is caught when any of its
transactions raised an alert; seconds and money until then count from its first transaction, the money
being what was taken before the alert. The words are those of the demo's summary (`watching.outcome`).

Not here: alerts on honest transactions (`measuring`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from msgspec import Struct

from datasets.columns import Ints
from sentinel_cli.backtesting.decisions import Decisions
from sentinel_cli.backtesting.transactions import Bools, Floats, Transactions


class Count(Struct, frozen=True):
    """Of one scenario, or of all fraud. Medians are over the caught episodes, None without one."""

    transactions: int
    alerted: int
    recall: float | None
    amount: float
    stopped: float
    episodes: int
    caught: int
    missed: int
    median_seconds_to_first_alert: float | None
    median_amount_lost: float | None


class _Thefts(NamedTuple):
    """Fraudulent transactions, episode by episode, each in the order of time."""

    scenario: Ints
    episode: Ints
    time: Ints
    amount: Floats
    alert: Bools


def count(transactions: Transactions, decisions: Decisions) -> tuple[Count, dict[str, Count]]:
    """Of all fraud, and by scenario."""
    thefts = _thefts(transactions, decisions)
    names = transactions.truth.names
    by = {name: _count(_of_scenario(thefts, number)) for number, name in enumerate(names)}
    return _count(thefts), dict(sorted(by.items()))


def _thefts(transactions: Transactions, decisions: Decisions) -> _Thefts:
    truth, rows = transactions.truth, transactions.rows
    at = np.flatnonzero(decisions.scored & (truth.label == 1))
    at = at[np.lexsort((at, rows["time"][at], truth.episode[at]))]
    return _Thefts(
        truth.scenario[at], truth.episode[at], rows["time"][at], rows["amount"][at], decisions.alert[at]
    )


def _of_scenario(thefts: _Thefts, number: int) -> _Thefts:
    mine = thefts.scenario == number
    return _Thefts(*(column[mine] for column in thefts))


def _count(thefts: _Thefts) -> Count:
    n = len(thefts.episode)
    first = np.flatnonzero(np.append(True, np.diff(thefts.episode) != 0)) if n else np.empty(0, np.int64)
    begun = np.repeat(first, np.diff(np.append(first, n)))  # of each theft, where its episode begins
    alerted = np.flatnonzero(thefts.alert)
    _, at = np.unique(begun[alerted], return_index=True)
    caught = alerted[at]
    before = np.cumsum(thefts.amount) - thefts.amount
    seconds = (thefts.time[caught] - thefts.time[begun[caught]]) / 1e6
    lost = before[caught] - before[begun[caught]]
    return Count(
        transactions=n,
        alerted=len(alerted),
        recall=round(len(alerted) / n, 4) if n else None,
        amount=round(float(thefts.amount.sum()), 2),
        stopped=round(float(thefts.amount[alerted].sum()), 2),
        episodes=len(first),
        caught=len(caught),
        missed=len(first) - len(caught),
        median_seconds_to_first_alert=_median(seconds),
        median_amount_lost=_median(lost),
    )


def _median(values: Floats) -> float | None:
    return round(float(np.median(values)), 2) if len(values) else None
