"""A scorecard on the part of time that it was not learnt from, by the live engine.

Design: one pass over everything, as live would have met it, and only the last part is counted. The
numbers are those of `sentinel backtest` (`backtesting.ranking`).

Not here: money and episodes (`sentinel backtest`).
"""

from __future__ import annotations

from msgspec import Struct

from sentinel_cli.backtesting import ranking
from sentinel_cli.backtesting.decisions import decide
from sentinel_cli.backtesting.measuring import FALSE_POSITIVE_RATES
from sentinel_cli.engine.scorecard import Scorecard
from sentinel_cli.fitting.sample import Sample


class Verdict(Struct, frozen=True):
    """On the last part: ranking, and what the alerts at ``threshold`` come to."""

    auc: float | None
    average_precision: float | None
    recall_at_fpr: dict[str, float | None]
    threshold: float
    alerts: int
    precision: float | None
    recall: float | None


def judge(sample: Sample, card: Scorecard, threshold: float) -> Verdict:
    transactions = sample.scored_by(card)
    decisions = decide(transactions, card, threshold)
    counted = sample.held_out[decisions.scored[sample.held_out]]
    fraud, alert = transactions.truth.label[counted] == 1, decisions.alert[counted]
    curve = ranking.curve(decisions.score[counted], fraud)
    caught, raised = int((alert & fraud).sum()), int(alert.sum())
    return Verdict(
        auc=_rounded(ranking.auc(curve)),
        average_precision=_rounded(ranking.average_precision(curve)),
        recall_at_fpr={f"{r:g}": _rounded(ranking.recall_at(curve, r)) for r in FALSE_POSITIVE_RATES},
        threshold=threshold,
        alerts=raised,
        precision=_rounded(caught / raised) if raised else None,
        recall=_rounded(caught / int(fraud.sum())),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
