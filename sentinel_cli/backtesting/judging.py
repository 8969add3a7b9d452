"""Everything that was asked about some transactions, answered: the document of `sentinel backtest`.

Purpose: run the passes that a question needs, and put their answers together.

Not here: how the answers are shown (`terminal`, `page`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from sentinel_cli.backtesting import sweeping
from sentinel_cli.backtesting.comparing import Comparison, compare
from sentinel_cli.backtesting.decisions import Decisions, decide
from sentinel_cli.backtesting.measuring import Measures, days, measure
from sentinel_cli.backtesting.sweeping import Sweep
from sentinel_cli.backtesting.transactions import Transactions
from sentinel_cli.config import CostSettings
from sentinel_cli.engine.scorecard import Scorecard
from sentinel_cli.records import rfc3339


@dataclass(frozen=True)
class Question:
    """``other`` is a scorecard to compare with, ``sweep`` asks for other thresholds."""

    card: Scorecard
    threshold: float
    costs: CostSettings
    other: Scorecard | None = None
    sweep: bool = False

    @property
    def passes(self) -> int:
        """How often the transactions have to be scored."""
        return 1 + (self.other is not None) + self.sweep * len(sweeping.THRESHOLDS)


@dataclass(frozen=True)
class Verdict:
    transactions: Transactions
    decisions: Decisions
    measures: Measures
    other: Measures | None
    comparison: Comparison | None
    sweep: Sweep | None
    costs: CostSettings
    elapsed_s: float = 0.0

    def timed(self, seconds: float) -> Verdict:
        return replace(self, elapsed_s=round(seconds, 3))

    def document(self) -> dict[str, Any]:
        """For machines; None where something cannot be said."""
        of, time = self.transactions, self.transactions.rows["time"]
        labelled = self.decisions.scored & (of.truth.label >= 0)
        document: dict[str, Any] = {
            "source": of.source,
            "transactions": len(of),
            "left_out": of.left_out,
            "duplicates": int((~self.decisions.scored).sum()),
            "users": int(np.unique(of.user).size),
            "labelled": int(labelled.sum()),
            "frauds": self.measures.fraud.transactions,
            "time": {
                "first": rfc3339(int(time.min())),
                "last": rfc3339(int(time.max())),
                "days": round(days(of), 2),
            },
            **msgspec.to_builtins(self.measures),
            "costs": self.costs.model_dump(),
        }
        if self.other and self.comparison:
            document["other"] = msgspec.to_builtins(self.other)
            document["comparison"] = msgspec.to_builtins(self.comparison)
        if self.sweep:
            document["sweep"] = msgspec.to_builtins(self.sweep)
        return document | {"notes": of.notes, "elapsed_s": self.elapsed_s}


def judge(
    transactions: Transactions, question: Question, advance: Callable[[int], None] = lambda _: None
) -> Verdict:
    """``advance`` is told of each pass that is done."""
    decisions = decide(transactions, question.card, question.threshold)
    measures = measure(transactions, decisions, question.costs)
    advance(1)
    other = comparison = None
    if question.other:
        theirs = decide(transactions, question.other, question.threshold)
        other = measure(transactions, theirs, question.costs)
        comparison = compare(transactions, (decisions, measures), (theirs, other))
        advance(1)
    swept = sweeping.sweep(transactions, question.card, question.costs, advance) if question.sweep else None
    return Verdict(transactions, decisions, measures, other, comparison, swept, question.costs)
