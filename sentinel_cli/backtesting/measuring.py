"""Decisions judged by the truth: every number that `sentinel backtest` reports.

Purpose: one document of ranking, alerts, episodes and money for one scorecard at one threshold.

Design: rates are over transactions that have a label and were scored; a transaction that came twice is
scored once. Numbers that need fraud, or honest transactions, are None where there are none.

Not here: two scorecards beside each other (`comparing`), other thresholds (`sweeping`).
"""

from __future__ import annotations

from msgspec import Struct

from sentinel_cli.backtesting import costs, episodes, ranking
from sentinel_cli.backtesting.costs import Money
from sentinel_cli.backtesting.decisions import Decisions
from sentinel_cli.backtesting.transactions import Transactions
from sentinel_cli.config import CostSettings

FALSE_POSITIVE_RATES = (0.01, 0.001)
CARDS_A_DAY = 100  # what a team of investigators looks into, after the Handbook


class Measures(Struct, frozen=True):
    """``recall_at_fpr`` is by rate of false positives; ``alerts_a_day`` over the days of event time."""

    scorecard: str
    version: str
    threshold: float
    auc: float | None
    average_precision: float | None
    recall_at_fpr: dict[str, float | None]
    card_precision_at_100: float | None
    alerts: int
    alerts_on_fraud: int
    alerts_a_day: float
    precision: float | None
    recall: float | None
    fraud: episodes.Count
    scenarios: dict[str, episodes.Count]
    money: Money


def measure(transactions: Transactions, decisions: Decisions, prices: CostSettings) -> Measures:
    label = transactions.truth.label
    judged = decisions.scored & (label >= 0)
    fraud = label[judged] == 1
    score, rows = decisions.score[judged], transactions.rows[judged]
    curve = ranking.curve(score, fraud)
    alert = decisions.alert[judged]
    hits, raised = int((alert & fraud).sum()), int(alert.sum())
    whole, scenarios = episodes.count(transactions, decisions)
    alerts = int(decisions.alert.sum())
    cards = ranking.card_precision(score, fraud, transactions.user[judged], rows["time"], CARDS_A_DAY)
    return Measures(
        scorecard=decisions.card.name,
        version=decisions.card.version,
        threshold=decisions.threshold,
        auc=_rounded(ranking.auc(curve)),
        average_precision=_rounded(ranking.average_precision(curve)),
        recall_at_fpr={f"{r:g}": _rounded(ranking.recall_at(curve, r)) for r in FALSE_POSITIVE_RATES},
        card_precision_at_100=_rounded(cards),
        alerts=alerts,
        alerts_on_fraud=hits,
        alerts_a_day=round(alerts / days(transactions), 2),
        precision=_rounded(hits / raised) if raised else None,
        recall=_rounded(hits / int(fraud.sum())) if fraud.any() else None,
        fraud=whole,
        scenarios=scenarios,
        money=costs.of(transactions, decisions, prices),
    )


def days(transactions: Transactions) -> float:
    """Of event time, one at least."""
    time = transactions.rows["time"]
    return max(float(time.max() - time.min()) / ranking.DAY, 1.0) if len(time) else 1.0


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
