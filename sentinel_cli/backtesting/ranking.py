"""How well scores rank fraud above the rest, whatever the threshold.

Purpose: area under the ROC curve, average precision, recall at a rate of false positives, and card
precision, each from one sorted pass. Ties are never broken by luck: equal scores count as one step.

    auc                the chance that a random fraud scores higher than a random honest transaction, ties
                       counting half: the area below the ROC curve with straight lines between steps
    average precision  sum over steps of (recall gained) * precision
    recall at a rate   the largest recall of any threshold that lets at most that share of the honest through
    card precision     for each day, the share of the ``k`` users with the highest scores of that day who met
                       fraud on it, users found on an earlier day left out; averaged over the days.
                       Le Borgne, Siblini, Lebichot, Bontempi: Reproducible Machine Learning for Credit
                       Card Fraud Detection, Practical Handbook, 2022, chapter 4: "Card Precision top-k"

Not here: what happens at a threshold (`measuring`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from datasets.columns import Ints
from sentinel_cli.backtesting.transactions import Bools, Floats

DAY = 86_400_000_000  # microseconds


class Curve(NamedTuple):
    """Steps from the highest score down: frauds and honest transactions at or above each score."""

    score: Floats
    frauds: Ints
    honest: Ints


def curve(score: Floats, fraud: Bools) -> Curve:
    """``score`` and ``fraud`` have shape (n,)."""
    order = np.argsort(-score, kind="stable")
    falling, caught = score[order], np.cumsum(fraud[order], dtype=np.int64)
    last = np.flatnonzero(np.append(np.diff(falling) != 0, True)) if len(score) else np.empty(0, np.int64)
    return Curve(falling[last], caught[last], last + 1 - caught[last])


def auc(c: Curve) -> float | None:
    """None where there is no fraud, or nothing else."""
    if not len(c.score) or not c.frauds[-1] or not c.honest[-1]:
        return None
    recall = np.append(0.0, c.frauds / c.frauds[-1])
    false = np.append(0.0, c.honest / c.honest[-1])
    return float(np.sum(np.diff(false) * (recall[1:] + recall[:-1]) / 2))


def average_precision(c: Curve) -> float | None:
    """None where there is no fraud."""
    if not len(c.score) or not c.frauds[-1]:
        return None
    gained = np.diff(c.frauds, prepend=0) / c.frauds[-1]
    return float(np.sum(gained * c.frauds / (c.frauds + c.honest)))


def recall_at(c: Curve, rate: float) -> float | None:
    """Recall with at most ``rate`` of the honest transactions at or above the threshold."""
    if not len(c.score) or not c.frauds[-1] or not c.honest[-1]:
        return None
    within = np.flatnonzero(c.honest <= rate * c.honest[-1])
    return float(c.frauds[within[-1]] / c.frauds[-1]) if len(within) else 0.0


def card_precision(score: Floats, fraud: Bools, user: Ints, time: Ints, k: int) -> float | None:
    """None without transactions. As the Handbook has it, a day with fewer than ``k`` users still
    divides by ``k``."""
    if not len(score):
        return None
    day = time // DAY
    order = np.lexsort((user, day))
    begins = np.append(True, (np.diff(day[order]) != 0) | (np.diff(user[order]) != 0))
    first = np.flatnonzero(begins)
    highest = np.maximum.reduceat(score[order], first)
    met_fraud = np.maximum.reduceat(fraud[order], first)
    days, users = day[order][first], user[order][first]
    found: set[int] = set()
    shares = []
    for part in np.split(np.arange(len(days)), np.flatnonzero(np.diff(days)) + 1):
        new = part[~np.isin(users[part], list(found))] if found else part
        top = new[np.argsort(-highest[new], kind="stable")[:k]]
        hit = users[top][met_fraud[top]]
        found.update(hit.tolist())
        shares.append(len(hit) / k)
    return float(np.mean(shares))
