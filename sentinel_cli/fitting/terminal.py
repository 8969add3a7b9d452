"""A fit as tables for a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from rich.table import Table

from sentinel_cli.fitting.reporting import Part, Report


def tables(report: Report) -> Iterator[Table]:
    yield _parts(report)
    yield _verdicts(report)
    yield _factors(report)


def next_steps(report: Report) -> Iterator[str]:
    data, output = shlex.quote(report.data), shlex.quote(report.output)
    yield f"Wrote {report.output}. What it is worth in money: sentinel backtest {data} --scorecard {output}"
    if names := report.record_features:
        yield f"It scores what this sends: sentinel replay {data} --features {','.join(names)}"


def _parts(report: Report) -> Table:
    table = Table("", "transactions", "fraud", "from", "to", title=report.data)
    parts: dict[str, Part] = {"learnt from": report.learnt_from, "judged on": report.judged_on}
    for name, part in parts.items():
        rate = f"{part.frauds / part.transactions:.2%}"
        table.add_row(name, f"{part.transactions:,}", rate, part.first, part.last)
    return table


def _verdicts(report: Report) -> Table:
    (some, *_) = report.held_out.values()
    table = Table("scorecard", "AUC", "average precision", title="On what came after")
    for rate in some.recall_at_fpr:
        table.add_column(f"recall at {float(rate):.1%} FPR", justify="right")
    for heading in (f"alerts from {some.threshold:g}", "precision", "recall"):
        table.add_column(heading, justify="right")
    for name, v in report.held_out.items():
        recalls = [_share(v.recall_at_fpr[rate]) for rate in some.recall_at_fpr]
        ranked = [_number(v.auc), _number(v.average_precision)]
        table.add_row(name, *ranked, *recalls, f"{v.alerts:,}", _share(v.precision), _share(v.recall))
    return table


def _factors(report: Report) -> Table:
    title = f"{len(report.factors)} factors; {len(report.left_out)} columns left out"
    table = Table("feature", "information value", "points from", "to", "missing", "bands", title=title)
    for f in report.factors:
        low, high = (f"{v:+.2f}" for v in (min(f.points), max(f.points)))
        table.add_row(
            f.feature, f"{f.information_value:.3f}", low, high, f"{f.missing:+.2f}", str(len(f.points))
        )
    return table


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
