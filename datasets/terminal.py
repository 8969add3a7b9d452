"""An analysis as tables with bars, for a terminal.

Not here: JSON (`document`), the HTML report (`report`).
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from datasets.analysis import Analysis
from datasets.breakdown import Row, most
from datasets.comparing import Comparison, Differing
from datasets.document import MOST_VALUES, document, missing

TITLES = {
    "hour": "Hour",
    "weekday": "Weekday",
    "amount_band": "Amount band",
    "product": "Product",
    "card_network": "Card network",
    "card_type": "Card type",
    "email_domain": "Email domain",
    "device_type": "Device type",
    "device": "Device",
    "merchant_category": "Merchant category",
    "country": "Country",
}
_BAR = 20  # cells
_EIGHTHS = " ▏▎▍▌▋▊▉"
_MOST_COLUMNS = 20
_MOST_DIFFERING = 10


def tables(a: Analysis) -> Iterator[RenderableType]:
    """One after the other, with a title each."""
    yield _facts(a)
    for name, rows in a.by.items():
        yield Text(f"\nFraud by {TITLES[name].lower()}", style="bold")
        yield _breakdown(TITLES[name], rows)
    if a.amounts:
        yield Text("\nAmounts", style="bold")
        yield _amounts(a)
    if a.strongest:
        yield Text("\nStrongest columns", style="bold")
        yield _strongest(a)
    if gaps := missing(a):
        yield Text(f"\nMissing values, in {len(gaps)} of {a.features} columns", style="bold")
        yield _missing(gaps)
    for note in a.notes:
        yield Text(f"\n{note}")


def bar(value: float, most: float, width: int = _BAR) -> str:
    """A bar of eighths of a cell; ``most`` fills the width."""
    eighths = round(8 * width * value / most) if most > 0 else 0
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def percent(share: float | None) -> str:
    return "" if share is None else f"{share:.2%}"


def grid(*headers: str) -> Table:
    """A table of numbers: the first and the last column to the left, the others to the right."""
    table = Table(box=None, pad_edge=False)
    for at, header in enumerate(headers):
        table.add_column(header, justify="left" if at == 0 or header == "" else "right")
    return table


def compared(a: Analysis, b: Analysis, comparison: Comparison) -> Iterator[RenderableType]:
    """Two analyses side by side, after how far apart they are."""
    facts = grid("", str(a.file), str(b.file))
    facts.add_row("transactions", f"{a.transactions:,}", f"{b.transactions:,}")
    facts.add_row("columns", f"{a.features:,}", f"{b.features:,}")
    facts.add_row("fraud rate", percent(a.fraud_rate), percent(b.fraud_rate))
    yield facts
    yield Text("\nHow far apart they are, from 0 to 1", style="bold")
    yield _distances(comparison)
    for name in a.by:
        if name in b.by:
            yield Text(f"\n{TITLES[name]}", style="bold")
            yield _beside(TITLES[name], a.by[name], b.by[name])
    for title, differing in (("Missing values", comparison.missing), ("AUC of columns", comparison.strength)):
        if shown := [each for each in differing if each.here != each.there][:_MOST_DIFFERING]:
            yield Text(f"\n{title}, the most different", style="bold")
            yield _differing(shown)
    for here, names in ((a, comparison.only_here), (b, comparison.only_there)):
        if names:
            yield Text(f"\nOnly in {here.file}: {', '.join(names)}.")


def _distances(comparison: Comparison) -> Table:
    table = Table(box=None, pad_edge=False)
    for header in ("distribution", "of", "distance", "", "measure", "most apart"):
        table.add_column(header, justify="right" if header == "distance" else "left")
    for each in comparison.distances:
        most_apart = f"{each.most}: {percent(each.here)}, {percent(each.there)}" if each.most else ""
        name = TITLES.get(each.distribution, "Amounts")
        cells = (Text(bar(each.distance, 1.0), style="yellow"), each.measure, Text(most_apart))
        table.add_row(name, each.of, f"{each.distance:.3f}", *cells)
    return table


def _beside(title: str, here: list[Row], there: list[Row]) -> Table:
    table = grid(title, "share", "share", "fraud rate", "fraud rate")
    others = {row.value: row for row in there}
    for row in most(here, MOST_VALUES):
        twin = others.get(row.value)
        share, rate = (percent(twin.share), percent(twin.rate)) if twin else ("", "")
        table.add_row(Text(str(row.value)), percent(row.share), share, percent(row.rate), rate)
    return table


def _differing(shown: list[Differing]) -> Table:
    table = grid("column", "first", "second")
    for each in shown:
        table.add_row(Text(each.column), f"{each.here:.3f}", f"{each.there:.3f}")
    return table


def _facts(a: Analysis) -> Table:
    facts = Table(show_header=False, box=None, pad_edge=False)
    facts.add_row("file", Text(f"{a.file} ({a.kind}, {a.bytes / 1e6:,.0f} MB)"))
    facts.add_row("size", f"{a.transactions:,} transactions, {a.features:,} columns")
    if (time := document(a)["time"]) is not None:
        facts.add_row("time", f"{time['first']} to {time['last']}, {time['days']:,.1f} days")
    if a.frauds is not None:
        facts.add_row("fraud", f"{a.frauds:,} transactions, {percent(a.fraud_rate)}")
    if a.users:
        _users(facts, a)
    return facts


def _users(facts: Table, a: Analysis) -> None:
    users = a.users
    assert users
    each = f"{users.transactions_mean:,.1f} transactions each, {users.transactions['p50']:,.0f} in the median"
    key = ", ".join(users.key)
    facts.add_row("users", Text(f"{users.users:,}, by {key}: {each}; {percent(users.single)} have one"))
    if users.rate_after:
        after = {name: percent(rate) or "none" for name, rate in users.rate_after.items()}
        rates = f"{after['fraud']}, after an honest one {after['honest']}, at first {after['nothing']}"
        facts.add_row("", f"{percent(users.with_fraud)} met fraud; the rate after a user's fraud is {rates}")


def _breakdown(title: str, rows: list[Row]) -> Table:
    shown = most(rows, MOST_VALUES)
    table = grid(title, "transactions", "share", "", "fraud rate", "")
    widest = max(row.share for row in rows)
    worst = max((row.rate or 0.0 for row in rows), default=0.0)
    for row in shown:
        rate = Text(bar(row.rate or 0.0, worst), style="red")
        table.add_row(
            Text(str(row.value)),
            f"{row.transactions:,}",
            percent(row.share),
            Text(bar(row.share, widest), style="cyan"),
            percent(row.rate),
            rate,
        )
    return table


def _amounts(a: Analysis) -> Table:
    first = next(iter(a.amounts.values()))
    table = grid("of", "transactions", "total", "mean", *first.quantiles, "max")
    for name, amounts in a.amounts.items():
        quantiles = [f"{value:,.2f}" for value in amounts.quantiles.values()]
        table.add_row(
            name,
            f"{amounts.transactions:,}",
            f"{amounts.total:,.0f}",
            f"{amounts.mean:,.2f}",
            *quantiles,
            f"{amounts.max:,.2f}",
        )
    return table


def _strongest(a: Analysis) -> Table:
    table = grid("column", "AUC", "", "information value", "values", "missing")
    for each in a.strongest[:_MOST_COLUMNS]:
        table.add_row(
            Text(each.column),
            f"{each.auc:.3f}",
            Text(bar(each.auc - 0.5, 0.5), style="magenta"),
            f"{each.information_value:.3f}",
            f"{each.distinct:,}",
            percent(each.missing),
        )
    return table


def _missing(gaps: list[tuple[str, float]]) -> Table:
    """The emptiest columns; those that are equally empty stand in one line."""
    alike: dict[float, list[str]] = {}
    for name, share in gaps:
        alike.setdefault(share, []).append(name)
    table = grid("missing", "")
    for share, names in list(alike.items())[:_MOST_COLUMNS]:
        listed = ", ".join(names) if len(names) <= 6 else f"{names[0]}, {names[1]} and {len(names) - 2} more"
        table.add_row(percent(share), Text(listed))
    return table
