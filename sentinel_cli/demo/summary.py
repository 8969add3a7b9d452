"""What a demo ends with: one document, and the same as a panel for people.

Not here: what the numbers mean (``watching.outcome``).
"""

from __future__ import annotations

from msgspec import Struct
from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sentinel_cli.demo.pipeline import Closing
from sentinel_cli.watching.frame import STYLE, milliseconds
from sentinel_cli.watching.outcome import Count


class Summary(Struct, kw_only=True):
    """``sentinel demo --json``. Times in seconds of the transactions' own clock, money in units."""

    produced: int
    scored: int
    alerts: int
    alerts_by_severity: dict[str, int]
    responses: int
    blocked_users: int
    cases: int
    dead_letters: int
    duplicates: int
    fraud_transactions: int
    fraud_amount: float
    episodes: int
    episodes_caught: int
    episodes_missed: int
    precision: float | None
    recall: float | None
    median_seconds_to_first_alert: float | None
    median_amount_lost: float | None
    scenarios: dict[str, Count]
    latency_ms: dict[str, float | None]
    elapsed_s: float
    tps: int
    users: int
    seed: int
    event_time: tuple[str, str] | None


def summary(closing: Closing) -> Summary:
    producer, detector, result = closing.producer, closing.detector, closing.result
    fraud = result.fraud
    return Summary(
        produced=producer["produced"],
        scored=detector["processed"],
        alerts=result.alerts,
        alerts_by_severity={name: detector["alerts_by_severity"].get(name, 0) for name in STYLE},
        responses=result.responses,
        blocked_users=result.blocked_users,
        cases=result.cases,
        dead_letters=detector["dead_letters"],
        duplicates=detector["duplicates"],
        fraud_transactions=fraud.transactions,
        fraud_amount=fraud.amount,
        episodes=fraud.episodes,
        episodes_caught=fraud.caught,
        episodes_missed=fraud.missed,
        precision=result.precision,
        recall=fraud.recall,
        median_seconds_to_first_alert=fraud.median_seconds_to_first_alert,
        median_amount_lost=fraud.median_amount_lost,
        scenarios=result.scenarios,
        latency_ms={q: value and round(value, 2) for q, value in detector["latency_ms"].items()},
        elapsed_s=producer["elapsed_s"],
        tps=producer["tps"],
        users=producer["users"],
        seed=producer["seed"],
        event_time=producer["event_time"],
    )


def panel(s: Summary) -> RenderableType:
    """At most 80 columns, whatever the terminal's width."""
    content = Group(_totals(s), Text(), _caught(s), Text(), _scenarios(s))
    title = Text(" what came of it ", style="bold reverse")
    return Panel(
        content, title=title, title_align="left", box=box.ROUNDED, border_style="bright_black", width=80
    )


def _totals(s: Summary) -> Table:
    latency = f"p50 {milliseconds(s.latency_ms['p50'])}, p99 {milliseconds(s.latency_ms['p99'])}"
    severities = Text(" · ").join(
        Text(f"{s.alerts_by_severity[name]:,} {name}", style=style) for name, style in STYLE.items()
    )
    table = _rows()
    table.add_row("transactions", f"{s.produced:,} produced, {s.scored:,} scored, {s.tps:,} a second")
    if s.event_time:
        table.add_row(
            "", f"{s.users:,} users from {s.event_time[0][:10]} to {s.event_time[1][:10]}, seed {s.seed}"
        )
    table.add_row("latency", f"{latency}, from Kafka to the score")
    table.add_row("alerts", Text.assemble(f"{s.alerts:,}: ", severities))
    table.add_row(
        "responses", f"{s.responses:,}: {s.blocked_users:,} users blocked, {s.cases:,} cases opened"
    )
    return table


def _caught(s: Summary) -> Table:
    table = _rows()
    share = f" ({s.episodes_caught / s.episodes:.0%})" if s.episodes else ""
    caught = Text(f"{s.episodes_caught:,} of {s.episodes:,} episodes caught{share}", style="bold green")
    table.add_row("fraud", Text.assemble(caught, f", {s.episodes_missed:,} missed"))
    table.add_row("precision", f"{_percent(s.precision)} of the transactions with an alert were fraud")
    table.add_row(
        "recall", f"{_percent(s.recall)} of {s.fraud_transactions:,} fraudulent transactions had an alert"
    )
    if s.median_seconds_to_first_alert is not None and s.median_amount_lost is not None:
        when, lost = duration(s.median_seconds_to_first_alert), f"{s.median_amount_lost:,.2f}"
        table.add_row("first alert", f"after {when} and {lost} lost, in the median of those caught")
    return table


def _scenarios(s: Summary) -> Table:
    table = Table(box=None, expand=True, padding=(0, 2, 0, 0), pad_edge=False, header_style="bright_black")
    table.add_column("scenario", no_wrap=True)
    for name in ("episodes", "caught", "missed", "recall", "first alert", "lost until"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, of in s.scenarios.items():
        first, lost = of.median_seconds_to_first_alert, of.median_amount_lost
        table.add_row(
            name.replace("_", " "),
            f"{of.episodes:,}",
            Text(f"{of.caught:,}", style="green" if of.caught else ""),
            f"{of.missed:,}",
            _percent(of.recall),
            "-" if first is None else duration(first),
            "-" if lost is None else f"{lost:,.2f}",
        )
    return table


def _rows() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bright_black", no_wrap=True, min_width=12)
    table.add_column()
    return table


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def duration(seconds: float) -> str:
    """The two units that say most, as people say it: 42 s, 5 min, 3.2 h, 1.5 days."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 36 * 3600 else f"{seconds / 86400:.1f} days"
