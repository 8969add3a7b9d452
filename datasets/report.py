"""An analysis as one HTML page that holds everything it needs: no script, no network, no other file.

Purpose: `sentinel analyze --report`. It reads on a phone and on a wide screen, by day and by night; with
two files, everything stands side by side. The same analysis gives the same page.

Not here: how a chart is drawn (`charts`), what is computed (`analysis`, `comparing`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from importlib import resources

from datasets import charts
from datasets.analysis import HISTOGRAM_EDGES, Amounts, Analysis
from datasets.breakdown import Row, most
from datasets.charts import Bar, Cell
from datasets.comparing import Comparison
from datasets.document import document, missing
from datasets.terminal import TITLES, percent

_UPRIGHT = ("hour", "weekday")  # breakdowns whose values have an order
_HOURS = ("0", "6", "12", "18", "23")
_MOST_VALUES, _MOST_COLUMNS = 15, 25


def page(a: Analysis, b: Analysis | None = None, comparison: Comparison | None = None) -> str:
    """The whole page; with another analysis ``b``, both side by side."""
    title = f"{a.file.name} and {b.file.name}" if b else a.file.name
    files = charts.legend([("here", f"here: {a.file}"), ("there", f"there: {b.file}")]) if b else ""
    sections = (_section(*each) for each in _sections(a, b, comparison))
    notes = "".join(f"<p>{escape(note)}</p>" for note in a.notes)
    return html(
        title,
        f"<header><h1>{escape(title)}</h1><p>{escape(a.kind)}. {_span(a)}</p>{files}{_tiles(a)}</header>"
        f"<main>{''.join(sections)}</main><footer>{notes}</footer>",
    )


def html(title: str, body: str) -> str:
    """A page with the style of charts and tables in it."""
    style = resources.files("datasets").joinpath("report.css").read_text(encoding="utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body>{body}</body></html>\n"
    )


def _sections(
    a: Analysis, b: Analysis | None, comparison: Comparison | None
) -> Iterator[tuple[str, str, bool]]:
    """Title, content, and whether it is as wide as the page."""
    if comparison:
        yield "How far apart they are", _distances(comparison), True
    if a.by_day:
        days = [str(a.by_day[at].value) for at in (0, len(a.by_day) // 2, -1)]
        yield "Day by day", _upright(a.by_day, None, charts.axis(days)), True
    for name, rows in a.by.items():
        other = b.by.get(name, []) if b else None
        yield TITLES[name], _breakdown(name, rows, other), False
    yield from ((title, content, False) for title, content in _columns(a, b) if content)


def _columns(a: Analysis, b: Analysis | None) -> Iterator[tuple[str, str]]:
    yield "Amounts", _amounts(a, b) if a.amounts else ""
    yield "Strongest columns", _strongest(a, b) if a.strongest else ""
    yield "Users", _users(a)
    yield "Missing values", _missing(a, b) if missing(a) else ""


def _section(title: str, content: str, wide: bool) -> str:
    return f"<section{' class=wide' if wide else ''}><h2>{escape(title)}</h2>{content}</section>"


def _span(a: Analysis) -> str:
    time = document(a)["time"]
    return f"{time['first'][:10]} to {time['last'][:10]}, {time['days']:,.0f} days." if time else ""


def _tiles(a: Analysis) -> str:
    facts = [("transactions", f"{a.transactions:,}"), ("columns", f"{a.features:,}")]
    if a.fraud_rate is not None:
        facts += [("frauds", f"{a.frauds:,}"), ("fraud rate", percent(a.fraud_rate))]
    if "fraud" in a.amounts and a.amounts["all"].total:
        share = a.amounts["fraud"].total / a.amounts["all"].total
        facts += [("of the money was fraud", percent(share))]
    if a.users:
        facts += [("users", f"{a.users.users:,}")]
    tiles = (f"<div><b>{value}</b><span>{name}</span></div>" for name, value in facts)
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _breakdown(name: str, rows: list[Row], other: list[Row] | None) -> str:
    if name not in _UPRIGHT:
        return _table(TITLES[name], rows, other)
    week = name == "weekday"
    names = [str(row.value)[:3] for row in rows] if week else _HOURS
    return _upright(rows, other, charts.axis(names, each=week))


def _upright(rows: list[Row], other: list[Row] | None, axis: str) -> str:
    """Shares above, fraud rates below, of the same values."""
    there = {row.value: row for row in other or []}
    shares = [Bar(_says(r), r.share, there[r.value].share if r.value in there else None) for r in rows]
    parts = ['<p class="caption">Share of the transactions</p>', charts.columns(shares, "here"), axis]
    if any(row.rate is not None for row in rows):
        rates = [
            Bar(_says(r), r.rate or 0.0, there[r.value].rate if r.value in there else None) for r in rows
        ]
        highest = max(max(bar.value, bar.mark or 0.0) for bar in rates)
        caption = f'<p class="caption">Fraud rate, up to {percent(highest)}</p>'
        parts += [caption, charts.columns(rates, "fraud"), axis]
    return "".join(parts)


def _says(row: Row) -> str:
    rate = f", fraud rate {percent(row.rate)}" if row.rate is not None else ""
    return f"{row.value}: {row.transactions:,} transactions, {percent(row.share)}{rate}"


def _table(title: str, rows: list[Row], other: list[Row] | None) -> str:
    shown = most(rows, _MOST_VALUES)
    twins = {row.value: row for row in other or []}
    beside = [twins.get(row.value, Row(row.value, 0, 0.0, None, None)) for row in shown]
    widest = max(row.share for row in (*shown, *beside))
    worst = max(row.rate or 0.0 for row in (*shown, *beside)) or 1.0
    body = []
    for row, twin in zip(shown, beside, strict=True):
        share = _pair(row.share, twin.share, widest, "here", both=other is not None)
        rate = _pair(row.rate, twin.rate, worst, "fraud", both=other is not None)
        body.append((str(row.value), [*share, *rate]))
    there = ["there"] if other is not None else []
    return charts.table([title, "share", *there, "fraud rate", *there], body)


def _pair(here: float | None, there: float | None, most_: float, kind: str, *, both: bool) -> list[Cell]:
    cells = [Cell(percent(here), (here or 0.0) / most_, kind)]
    return [*cells, Cell(percent(there), (there or 0.0) / most_, "there")] if both else cells


def _amounts(a: Analysis, b: Analysis | None) -> str:
    """Outlines of the amounts on a logarithmic axis, and their numbers."""
    first, last = _used(a.amounts["all"])
    parts = [("honest", "honest"), ("fraud", "fraud")] if "fraud" in a.amounts else [("here", "all")]
    series = [(kind, _shares(a.amounts[part], first, last)) for kind, part in parts]
    keys = [(kind, f"{part} transactions") for kind, part in parts]
    if b and b.amounts:
        series.append(("there", _shares(b.amounts["all"], first, last)))
        keys.append(("there", f"all of {b.file.name}"))
    edges = [f"{HISTOGRAM_EDGES[at]:,.0f}" for at in (first, (first + last) // 2, last)]
    axis = charts.axis([edges[0], f"{edges[1]} (logarithmic)", edges[2]])
    quantiles = list(a.amounts["all"].quantiles)
    rows = [(name, [Cell(f"{each.mean:,.2f}"), *_quantiles(each)]) for name, each in _every_amounts(a, b)]
    headers = ["", "mean", *quantiles]
    return charts.legend(keys) + charts.outlines(series) + axis + charts.table(headers, rows)


def _quantiles(amounts: Amounts) -> list[Cell]:
    """The outermost ones are left out on a phone."""
    return [Cell(f"{value:,.2f}", extra=name in {"p10", "p99"}) for name, value in amounts.quantiles.items()]


def _every_amounts(a: Analysis, b: Analysis | None) -> Iterator[tuple[str, Amounts]]:
    yield from ((name, amounts) for name, amounts in a.amounts.items() if amounts.transactions)
    for name, amounts in (b.amounts if b else {}).items():
        if amounts.transactions:
            yield f"{name}, there", amounts


def _used(amounts: Amounts) -> tuple[int, int]:
    """The bins from the first to the last that hold anything; the open one at the end is left out."""
    filled = [at for at, count in enumerate(amounts.histogram) if count]
    return (max(filled[0], 1), min(filled[-1] + 1, len(HISTOGRAM_EDGES) - 2)) if filled else (1, 2)


def _shares(amounts: Amounts, first: int, last: int) -> list[float]:
    return [count / max(amounts.transactions, 1) for count in amounts.histogram[first:last]]


def _strongest(a: Analysis, b: Analysis | None) -> str:
    there = {each.column: each.auc for each in b.strongest} if b else {}
    rows = []
    for each in a.strongest[:_MOST_COLUMNS]:
        cells = [_auc(each.auc, "here"), *([_auc(there.get(each.column), "there")] if b else [])]
        more = [Cell(f"{each.information_value:.3f}"), Cell(percent(each.missing), extra=b is not None)]
        rows.append((each.column, [*cells, *more]))
    return charts.table(["column", "AUC", *(["there"] if b else []), "inf. value", "missing"], rows)


def _auc(auc: float | None, kind: str) -> Cell:
    """The bar begins at 0.5, which is no better than chance."""
    return Cell("", 0.0) if auc is None else Cell(f"{auc:.3f}", 2 * auc - 1, kind)


def _missing(a: Analysis, b: Analysis | None) -> str:
    """The emptiest columns, those that are equally empty in one line."""
    alike: dict[float, list[str]] = {}
    for name, share in missing(a):
        alike.setdefault(share, []).append(name)
    rows = []
    for share, names in list(alike.items())[:_MOST_COLUMNS]:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        theirs = b.missing.get(names[0]) if b else None
        rows.append((f"{names[0]}{more}", _pair(share, theirs, 1.0, "here", both=b is not None)))
    return charts.table(["column", "missing", *(["there"] if b else [])], rows)


def _users(a: Analysis) -> str:
    users = a.users
    if users is None:
        return ""
    rows = [
        ("transactions of a user, on average", f"{users.transactions_mean:,.1f}"),
        ("in the median", f"{users.transactions['p50']:,.0f}"),
        ("of the busiest", f"{users.transactions_max:,}"),
        ("users with one transaction", percent(users.single)),
    ]
    if users.rate_after:
        rows.append(("users that met fraud", percent(users.with_fraud)))
        words = {
            "fraud": "after a user's fraud",
            "honest": "after an honest one",
            "nothing": "of a user's first",
        }
        rows += [(f"fraud rate {words[name]}", percent(rate)) for name, rate in users.rate_after.items()]
    key = f"<p>A user is {escape(', '.join(users.key))}.</p>"
    return key + charts.table(["", ""], [(name, [Cell(value)]) for name, value in rows])


def _distances(comparison: Comparison) -> str:
    rows: Sequence[tuple[str, list[Cell]]] = [
        (
            f"{TITLES.get(d.distribution, 'Amounts')}, of {d.of}",
            [
                Cell(f"{d.distance:.3f}", d.distance),
                Cell(d.measure, extra=True),
                Cell(
                    f"{d.most}: {percent(d.here)} here, {percent(d.there)} there" if d.most else "",
                    extra=True,
                ),
            ],
        )
        for d in comparison.distances
    ]
    return charts.table(["distribution", "distance", "measure", "most apart"], rows)
