"""A picture of the pipeline as text, for terminals of 60 columns and more.

Purpose: ``frame`` draws one ``Picture``; `sentinel top` and `sentinel demo` show it.

Design: the height decides how many alerts are listed, the width which of their columns. Colour
only repeats what words say, so that NO_COLOR loses nothing.

Not here: the numbers (``watching.picture``), the loop that redraws (``watching.screen``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sentinel_cli.watching.picture import AlertLine, Latency, Picture, WorkerLine

STYLE = {"CRITICAL": "bold red", "HIGH": "red", "MEDIUM": "yellow", "LOW": "cyan"}
BARS = " ▁▂▃▄▅▆▇█"

# Alerts listed where there is no screen to fill.
ALERTS_ONCE = 10
# Workers listed; there may be hundreds.
MOST_WORKERS = 6
BORDERS = 4  # columns that a panel's frame and padding take


def frame(
    picture: Picture,
    width: int,
    height: int | None = None,
    *,
    title: str = "top",
    extra: Sequence[Text] = (),
    hint: str = "q quits",
) -> RenderableType:
    """At most ``height`` lines; ``extra``, one line each, stand under the header."""
    notes = [*extra, *map(_problem, picture.problems)]
    half = width // 2 - BORDERS
    upper = _halves(
        _panel(_throughput(picture, half), "throughput", 1),
        _panel(_latency(picture.latency_ms), f"latency, {picture.latency_ms.window}", 1),
    )
    middle = _halves(
        _panel(_lag(picture, half), "lag", 4),
        _panel(_severities(picture.alerts, half), f"alerts, {sum(picture.alerts.values()):,}", 4),
    )
    workers = _panel(_workers(picture.workers, width), "workers", _workers_height(picture.workers))
    used = 1 + len(notes) + 3 + 6 + _workers_height(picture.workers) + 2
    shown = ALERTS_ONCE if height is None else max(1, height - used - 3)
    lines = None if height is None else shown + 1
    latest = _panel(_alerts(picture.latest_alerts[:shown], picture.at, width), "latest alerts", lines)
    if height is not None:
        latest.subtitle, latest.subtitle_align = Text(hint, style="bright_black"), "right"
    return Group(_header(picture, title), *notes, upper, middle, workers, latest)


def _problem(text: str) -> Text:
    return Text(f"! {text}", style="bold yellow", no_wrap=True, overflow="ellipsis")


def _panel(content: RenderableType, title: str, lines: int | None) -> Panel:
    height = None if lines is None else lines + 2
    return Panel(
        content, title=title, title_align="left", box=box.ROUNDED, border_style="bright_black", height=height
    )


def _halves(left: RenderableType, right: RenderableType) -> Table:
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1)
    grid.add_column(ratio=1)
    grid.add_row(left, right)
    return grid


def _header(picture: Picture, title: str) -> Table:
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True, overflow="ellipsis", ratio=1)
    where = " · ".join(
        part
        for part in (
            picture.prefix or picture.environment,
            f"kafka {picture.kafka}",
            f"redis {picture.redis}",
        )
        if part
    )
    grid.add_row(Text(f" sentinel {title} ", style="bold reverse"), Text(where, style="bright_black"))
    return grid


def _throughput(picture: Picture, width: int) -> Text:
    rate = "not known " if picture.throughput_tps is None else f"{picture.throughput_tps:,.0f} tps "
    line = Text(rate, style="bold")
    line.append(sparkline(picture.throughput_history, width - len(rate)), style="green")
    return line


def _latency(latency: Latency) -> Text:
    line = Text()
    for name, value in (("p50 ", latency.p50), ("   p99 ", latency.p99)):
        line.append(name, style="bright_black")
        line.append(milliseconds(value), style="bold")
    return line


def _lag(picture: Picture, width: int) -> RenderableType:
    if picture.lag is None:
        return Text("not known", style="bright_black")
    lags = [picture.lag_by_partition[p] for p in sorted(picture.lag_by_partition)]
    worst = max(picture.lag_by_partition, key=picture.lag_by_partition.__getitem__, default=0)
    lines = [Text(f"{picture.lag:,} transactions to score", style="bold")]
    most = (
        f"most on partition {worst}: {picture.lag_by_partition[worst]:,}" if picture.lag else "by partition:"
    )
    lines.append(Text(most, style="bright_black"))
    lines.append(Text(sparkline(lags, width, pad=False), style="magenta"))
    if picture.alerts_lag is not None:
        lines.append(Text(f"{picture.alerts_lag:,} alerts to act on", style="bold"))
    return Group(*lines)


def _severities(alerts: dict[str, int], width: int) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    room = max(1, width - 20)
    most = max(*alerts.values(), 1)
    for name, count in alerts.items():
        length = max(round(count / most * room), 1 if count else 0)
        grid.add_row(Text(name, style=STYLE[name]), f"{count:,}", Text("█" * length, style=STYLE[name]))
    return grid


def _workers_height(workers: list[WorkerLine]) -> int:
    return 1 if not workers else 1 + min(len(workers), MOST_WORKERS)


def _workers(workers: list[WorkerLine], width: int) -> RenderableType:
    if not workers:
        return Text("No worker is running: start `sentinel detect` and `sentinel respond`.", style="yellow")
    table = _table()
    for name in ("role", "process"):
        table.add_column(name, ratio=2 if name == "process" else None, no_wrap=True, overflow="ellipsis")
    for name in ("per s", "done", "lag", "memory", "cpu"):
        table.add_column(name, justify="right", no_wrap=True)
    wide = width >= 100
    if wide:
        table.add_column("state", ratio=3, no_wrap=True, overflow="ellipsis")
    for one in workers[:MOST_WORKERS]:
        state = [Text(one.paused, style="yellow") if one.paused else Text("running", style="green")]
        table.add_row(
            one.role,
            Text(one.paused, style="yellow") if one.paused and not wide else f"{one.pid}@{one.host}",
            f"{one.tps:,.0f}",
            f"{one.processed:,}",
            f"{one.lag:,}",
            f"{one.rss_bytes / 1e6:,.0f} MB",
            f"{one.cpu_percent:.0f} %",
            *(state if wide else []),
        )
    return table


def _alerts(alerts: list[AlertLine], now: datetime, width: int) -> RenderableType:
    if not alerts:
        return Text("none yet", style="bright_black")
    table = _table()
    table.add_column("time", no_wrap=True)
    table.add_column("user", no_wrap=True, max_width=20, overflow="ellipsis")
    table.add_column("severity", no_wrap=True)
    if width >= 72:
        table.add_column("score", justify="right", no_wrap=True)
    table.add_column("amount", justify="right", no_wrap=True)
    table.add_column("reason", ratio=1, no_wrap=True, overflow="ellipsis")
    for alert in alerts:
        score = [f"{alert.fraud_score:.2f}"] if width >= 72 else []
        severity = Text(alert.severity, style=STYLE.get(alert.severity, ""))
        table.add_row(
            _when(alert.timestamp, now),
            Text(alert.user_id),
            severity,
            *score,
            _amount(alert, width),
            Text(alert.reason),
        )
    return table


def _amount(alert: AlertLine, width: int) -> Text:
    if alert.amount is None:
        return Text("-")
    return Text(f"{alert.amount:,.2f} {alert.currency}" if width >= 100 else f"{alert.amount:,.0f}")


def _when(timestamp: str, now: datetime) -> str:
    """The time of day in UTC; for what lies further back, as in a replay, the day as well."""
    when = datetime.fromisoformat(timestamp)
    return f"{when:%H:%M:%S}" if abs(now - when) < timedelta(hours=24) else f"{when:%m-%d %H:%M}"


def _table() -> Table:
    return Table(box=None, expand=True, padding=(0, 2, 0, 0), pad_edge=False, header_style="bright_black")


def sparkline(values: Sequence[float], width: int, *, pad: bool = True) -> str:
    """One bar a value, the latest at the right; more values than ``width`` share bars by their maximum.

    With ``pad`` the line is filled up to ``width`` on the left.
    """
    if width <= 0 or not values:
        return ""
    share = -(-len(values) // width)
    first = len(values) % share
    groups = ([values[:first]] if first else []) + [
        values[i : i + share] for i in range(first, len(values), share)
    ]
    tops = [max(group) for group in groups]
    most = max(tops)
    line = "".join(BARS[max(1, round(top / most * 8)) if most and top else 1] for top in tops)
    return line.rjust(width) if pad else line


def milliseconds(value: float | None) -> str:
    """Two or three digits, in the unit that reads best."""
    if value is None:
        return "-"
    if value >= 60_000:
        return f"{value / 60_000:.1f} min"
    if value >= 1_000:
        return f"{value / 1_000:.1f} s"
    return f"{value:.1f} ms" if value < 100 else f"{value:.0f} ms"
