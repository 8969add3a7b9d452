"""What `sentinel fit` reports: what was learnt from, how it does on what came after, and each factor.

Not here: tables (`terminal`), the scorecard's own file (`writing`).
"""

from __future__ import annotations

import shlex
from pathlib import Path

from msgspec import Struct, structs

from datasets.columns import Ints
from sentinel_cli.engine.features import RECORD_PREFIX
from sentinel_cli.engine.scorecard import Scorecard
from sentinel_cli.fitting import judging
from sentinel_cli.fitting.judging import Verdict
from sentinel_cli.fitting.learning import Fit, Fitted
from sentinel_cli.fitting.sample import Sample
from sentinel_cli.records import rfc3339

FITTED = "fitted"


class Part(Struct, frozen=True):
    """Transactions with a label, from the first one's time to the last one's."""

    transactions: int
    frauds: int
    first: str
    last: str


class Factor(Struct, frozen=True):
    """``information_value`` is the column's alone; ``points`` are beside the other factors."""

    feature: str
    information_value: float
    cuts: list[float]
    points: list[float]
    missing: float


class Report(Struct, frozen=True):
    """``held_out`` is by scorecard, both on the part that the fitted one was not learnt from; ``left_out``
    says of each column that is no factor why."""

    data: str
    output: str
    version: str
    learnt_from: Part
    judged_on: Part
    held_out: dict[str, Verdict]
    factors: list[Factor]
    left_out: dict[str, str]
    elapsed_s: float

    @property
    def record_features(self) -> list[str]:
        """The file's columns that score."""
        names = [factor.feature for factor in self.factors]
        return [n.removeprefix(RECORD_PREFIX) for n in names if n.startswith(RECORD_PREFIX)]

    def timed(self, elapsed_s: float) -> Report:
        return structs.replace(self, elapsed_s=round(elapsed_s, 2))

    def comments(self, features: str | None) -> list[str]:
        """What stands at the head of the fitted file; ``features`` are the patterns that were asked for."""
        asked = f" --features {shlex.quote(features)}" if features else ""
        fitted = self.held_out[FITTED]
        recall = fitted.recall_at_fpr["0.01"]
        return [
            f"Made by `sentinel fit {Path(self.data).name}{asked}`.",
            f"Learnt from {_said(self.learnt_from)}.",
            f"Judged on {_said(self.judged_on)}:",
            f"AUC {fitted.auc:.3f}, average precision {fitted.average_precision:.3f},",
            f"recall at 1 % false positives {recall:.1%}.",
        ]


def report(
    sample: Sample, fit: Fit, in_force: Scorecard, threshold: float, paths: tuple[Path, Path]
) -> Report:
    """Judges the fitted scorecard beside the one ``in_force``; ``paths`` are the data's and the output's."""
    data, output = paths
    return Report(
        data=str(data),
        output=str(output),
        version=fit.card.version,
        learnt_from=_part(sample, sample.learn),
        judged_on=_part(sample, sample.held_out),
        held_out={
            FITTED: judging.judge(sample, fit.card, threshold),
            in_force.name: judging.judge(sample, in_force, threshold),
        },
        factors=[_factor(each) for each in fit.factors],
        left_out=fit.left_out,
        elapsed_s=0.0,
    )


def _factor(f: Fitted) -> Factor:
    missing, *points = f.points.tolist()
    return Factor(f.column.name, round(f.column.information, 4), f.column.cuts.tolist(), points, missing)


def _said(part: Part) -> str:
    share = part.frauds / part.transactions
    return f"{part.transactions:,} transactions, {share:.2%} fraud, {part.first} to {part.last}"


def _part(sample: Sample, rows: Ints) -> Part:
    label, time = sample.transactions.truth.label[rows], sample.transactions.rows["time"][rows]
    return Part(len(rows), int((label == 1).sum()), rfc3339(int(time.min())), rfc3339(int(time.max())))
