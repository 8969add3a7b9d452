"""A verdict as one HTML page that holds everything it needs: no script, no network, no other file.

Purpose: `sentinel backtest --report`, in the style of `sentinel analyze --report`.

Not here: how tables and columns are drawn (`datasets.charts`), what is computed (`judging`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np

from datasets import charts
from datasets.charts import Bar, Cell
from datasets.files import replacing
from datasets.report import html
from sentinel_cli.backtesting import ranking
from sentinel_cli.backtesting.comparing import Comparison, most
from sentinel_cli.backtesting.judging import Verdict
from sentinel_cli.backtesting.sweeping import Sweep
from sentinel_cli.backtesting.words import facts, money, number, share, until

_MOST_CHANGES = 60
_SCORES = np.linspace(0, 1, 41)
_FALSE = np.logspace(-4, 0, 41)  # rates of false positives


def write(path: Path, verdict: Verdict) -> None:
    """All of it, or nothing."""
    with replacing(path) as beside:
        beside.write_text(page(verdict), encoding="utf-8")


def page(verdict: Verdict) -> str:
    m, document = verdict.measures, verdict.document()
    title = f"Backtest of {Path(document['source']).name}"
    time = document["time"]
    head = (
        f"{document['transactions']:,} transactions of {document['users']:,} users, "
        f"{time['first'][:10]} to {time['last'][:10]}; scorecard {m.scorecard}, {m.version[:12]}, "
        f"threshold {m.threshold:g}."
    )
    sections = "".join(
        f"<section{' class=wide' if wide else ''}><h2>{escape(name)}</h2>{content}</section>"
        for name, content, wide in _sections(verdict)
    )
    notes = "".join(f"<p>{escape(note)}</p>" for note in verdict.transactions.notes)
    return html(
        title,
        f"<header><h1>{escape(title)}</h1><p>{escape(head)}</p>{_tiles(verdict)}</header>"
        f"<main>{sections}</main><footer>{notes}</footer>",
    )


def _tiles(verdict: Verdict) -> str:
    m = verdict.measures
    shown = [
        ("frauds", f"{m.fraud.transactions:,}"),
        ("recall", share(m.recall)),
        ("precision", share(m.precision)),
        ("alerts a day", f"{m.alerts_a_day:,.1f}"),
        ("AUC", number(m.auc, 3)),
        ("balance", number(m.money.balance, 0)),
    ]
    tiles = (f"<div><b>{value}</b><span>{name}</span></div>" for name, value in shown)
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _sections(verdict: Verdict) -> Iterator[tuple[str, str, bool]]:
    """Title, content, and whether it is as wide as the page."""
    m, other = verdict.measures, verdict.other
    if m.auc is not None:
        yield "Fraud found, by honest purchases stopped", _roc(verdict), False
        yield "Scores", _scores(verdict), False
    yield "Decisions", _beside(facts(m), facts(other) if other else None), False
    yield "Money", _beside(money(m), money(other) if other else None), False
    if m.scenarios:
        yield "Fraud by scenario", _scenarios(verdict), True
    if verdict.sweep:
        yield "Other thresholds", _sweep(verdict.sweep, m.threshold), True
    if verdict.comparison:
        yield "What the other scorecard would change", _comparison(verdict.comparison), True


def _beside(here: list[tuple[str, str]], other: list[tuple[str, str]] | None) -> str:
    rows = [
        (name, [Cell(value), *([Cell(other[at][1])] if other else [])])
        for at, (name, value) in enumerate(here)
    ]
    return charts.table(["", "here", "compared"] if other else ["", ""], rows)


def _roc(verdict: Verdict) -> str:
    """Recall by rate of false positives, which rises from left to right by its logarithm."""
    label = verdict.transactions.truth.label
    judged = verdict.decisions.scored & (label >= 0)
    curve = ranking.curve(verdict.decisions.score[judged], label[judged] == 1)
    bars = [
        Bar(f"{rate:.2%} of honest purchases stopped: {recall:.1%} of fraud found", recall)
        for rate in _FALSE.tolist()
        if (recall := ranking.recall_at(curve, rate)) is not None
    ]
    caption = '<p class="caption">Recall, up to 100 %, by the share of honest purchases that is stopped</p>'
    return caption + charts.columns(bars, "here", 1.0) + charts.axis(["0.01 %", "1 %", "100 %"])


def _scores(verdict: Verdict) -> str:
    """How scores spread, fraud and honest apart."""
    decisions, label = verdict.decisions, verdict.transactions.truth.label
    series = []
    for kind, value in (("honest", 0), ("fraud", 1)):
        counts, _ = np.histogram(decisions.score[decisions.scored & (label == value)], _SCORES)
        # Most honest purchases score next to nothing: a logarithm lets the others be seen.
        series.append((kind, np.log1p(counts).tolist()))
    keys = [("honest", "honest transactions"), ("fraud", "fraud")]
    axis = charts.axis(["score 0", "0.5 (heights are logarithmic)", "1"])
    return charts.legend(keys) + charts.outlines(series) + axis


def _scenarios(verdict: Verdict) -> str:
    rows = [
        (
            name,
            [
                Cell(f"{each.transactions:,}"),
                Cell(share(each.recall), each.recall or 0.0, "fraud"),
                Cell(f"{each.caught:,} of {each.episodes:,}"),
                Cell(until(each.median_seconds_to_first_alert), extra=True),
                Cell(number(each.median_amount_lost), extra=True),
                Cell(f"{each.stopped:,.0f} of {each.amount:,.0f}", extra=True),
            ],
        )
        for name, each in (*verdict.measures.scenarios.items(), ("all", verdict.measures.fraud))
    ]
    headers = [
        "scenario", "frauds", "recall", "episodes caught", "first alert after", "money gone", "money stopped",
    ]  # fmt: skip
    return charts.table(headers, rows)


def _sweep(sweep: Sweep, threshold: float) -> str:
    bars = [
        Bar(
            f"{p.threshold:g}: balance {p.balance:,.0f}, {p.alerts_a_day:,.1f} alerts a day",
            max(p.balance, 0.0),
        )
        for p in sweep.points
    ]
    caption = f'<p class="caption">Balance by threshold, where there is one; best at {sweep.best:g}</p>'
    names = [f"{p.threshold:g}" for p in (sweep.points[0], sweep.points[-1])]
    chart = caption + charts.columns(bars, "here") + charts.axis(names)
    return chart + charts.table(*_points(sweep, threshold))


def _points(sweep: Sweep, threshold: float) -> tuple[Sequence[str], list[tuple[str, list[Cell]]]]:
    words = {threshold: "now", sweep.best: "best"}
    rows = [
        (
            f"{p.threshold:g} {words.get(p.threshold, '')}",
            [
                Cell(f"{p.alerts_a_day:,.1f}"),
                Cell(share(p.precision), p.precision or 0.0, extra=True),
                Cell(share(p.recall), p.recall or 0.0, "fraud"),
                Cell(f"{p.episodes_caught:,}", extra=True),
                Cell(f"{p.balance:,.0f}"),
            ],
        )
        for p in sweep.points
    ]
    return ["threshold", "alerts a day", "precision", "recall", "episodes caught", "balance"], rows


def _comparison(comparison: Comparison) -> str:
    words = (
        f"<p>Balance {comparison.balance:+,.2f}, costs {comparison.costs:+,.2f}. "
        + ", ".join(
            f"{kind}: {total.alerts:,} ({total.amount:,.2f})" for kind, total in comparison.totals.items()
        )
        + ".</p>"
    )
    rows = [
        (
            f"{change.change} {change.alert_id}",
            [
                Cell(change.user_id, extra=True),
                Cell(f"{change.amount:,.2f}"),
                Cell(change.scenario, extra=True),
                Cell(f"{change.score:.3f}"),
                Cell(f"{change.other_score:.3f}"),
            ],
        )
        for change in most(comparison.changes, _MOST_CHANGES)
    ]
    return words + charts.table(["alert", "user", "amount", "scenario", "here", "compared"], rows)
