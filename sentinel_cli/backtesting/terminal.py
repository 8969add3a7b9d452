"""A verdict as tables, for a terminal.

Not here: JSON (`judging`), the HTML report (`page`).
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from datasets.terminal import bar
from sentinel_cli.backtesting.comparing import Comparison, most
from sentinel_cli.backtesting.episodes import Count
from sentinel_cli.backtesting.judging import Verdict
from sentinel_cli.backtesting.measuring import Measures
from sentinel_cli.backtesting.sweeping import Sweep
from sentinel_cli.backtesting.words import facts, money, number, share, until

_MOST_CHANGES = 20


def tables(verdict: Verdict) -> Iterator[RenderableType]:
    """One after the other, with a title each."""
    yield Text(_sentence(verdict))
    other = verdict.other
    yield _titled("Decisions", _beside(facts(verdict.measures), facts(other) if other else None))
    if verdict.measures.scenarios:
        yield _titled("Fraud by scenario", _scenarios(verdict.measures))
    yield _titled("Money", _beside(money(verdict.measures), money(other) if other else None))
    if verdict.comparison:
        yield _titled(_compared(verdict.comparison), _changes(verdict.comparison))
    if verdict.sweep:
        yield _titled(
            f"The best balance is at a threshold of {verdict.sweep.best:g}",
            _thresholds(verdict.sweep, verdict.measures.threshold),
        )
    for note in verdict.transactions.notes:
        yield Text(f"\n{note}")


def _sentence(verdict: Verdict) -> str:
    document = verdict.document()
    time = document["time"]
    return (
        f"{document['source']}: {document['transactions']:,} transactions of {document['users']:,} users "
        f"from {time['first'][:10]} to {time['last'][:10]}, {document['frauds']:,} of them fraud, "
        f"scored in {verdict.elapsed_s:.1f} s by {verdict.measures.scorecard!r} "
        f"({verdict.measures.version[:12]}) at a threshold of {verdict.measures.threshold:g}."
    )


def _titled(title: str, table: Table) -> Table:
    table.title, table.title_justify, table.title_style = f"\n{title}", "left", "bold"
    return table


def _table(*headers: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for at, header in enumerate(headers):
        table.add_column(header, justify="left" if at == 0 else "right")
    return table


def _beside(here: list[tuple[str, str]], other: list[tuple[str, str]] | None) -> Table:
    """Names and values; with another scorecard, its values beside them."""
    table = _table("", "here", "compared") if other else _table("", "")
    for at, (name, value) in enumerate(here):
        table.add_row(name, value, *([other[at][1]] if other else []))
    return table


def _scenarios(measures: Measures) -> Table:
    table = _table(
        "scenario", "frauds", "recall", "", "episodes", "caught", "first alert after", "money gone", "stopped"
    )
    rows: list[tuple[str, Count]] = [*measures.scenarios.items(), ("all", measures.fraud)]
    for name, each in rows:
        table.add_row(
            name,
            f"{each.transactions:,}",
            share(each.recall),
            Text(bar(each.recall or 0.0, 1.0, 12), style="red"),
            f"{each.episodes:,}",
            share(each.caught / each.episodes if each.episodes else None),
            until(each.median_seconds_to_first_alert),
            number(each.median_amount_lost),
            share(each.stopped / each.amount if each.amount else None),
        )
    return table


def _compared(comparison: Comparison) -> str:
    word = "more" if comparison.balance >= 0 else "less"
    costs = "more" if comparison.costs >= 0 else "less"
    totals = comparison.totals
    return (
        f"The other scorecard brings {abs(comparison.balance):,.2f} {word}, and costs "
        f"{abs(comparison.costs):,.2f} {costs}: {totals['gained'].alerts:,} frauds gained, "
        f"{totals['lost'].alerts:,} lost, {totals['declined'].alerts:,} honest purchases more declined, "
        f"{totals['spared'].alerts:,} spared"
    )


def _changes(comparison: Comparison) -> Table:
    table = _table("change", "alert", "user", "amount", "scenario", "here", "compared")
    for change in most(comparison.changes, _MOST_CHANGES):
        table.add_row(
            change.change,
            change.alert_id,
            change.user_id,
            f"{change.amount:,.2f}",
            change.scenario,
            f"{change.score:.2f}",
            f"{change.other_score:.2f}",
        )
    return table


def _thresholds(sweep: Sweep, threshold: float) -> Table:
    table = _table("threshold", "alerts a day", "precision", "recall", "episodes caught", "balance", "")
    highest = max(0.0, *(point.balance for point in sweep.points))
    for point in sweep.points:
        marks = {sweep.best: "best", threshold: "now"}
        table.add_row(
            f"{point.threshold:g} {marks.get(point.threshold, '')}".strip(),
            f"{point.alerts_a_day:,.1f}",
            share(point.precision),
            share(point.recall),
            f"{point.episodes_caught:,}",
            f"{point.balance:,.0f}",
            Text(bar(max(point.balance, 0.0), highest), style="green"),
            style="bold" if point.threshold == sweep.best else None,
        )
    return table
