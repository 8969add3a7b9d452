"""`sentinel alerts`: which there are, what one says, and why its score is what it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sentinel_cli import progress
from sentinel_cli.context import Context
from sentinel_cli.errors import SentinelError
from sentinel_cli.options import BEGINNING, JsonFlag
from sentinel_cli.options import since as start_of
from sentinel_cli.output import emit_json, emit_line, moment, printable

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from sentinel_cli.engine.scorecard import Scorecard
    from sentinel_cli.records import Alert, Contribution
    from sentinel_cli.watching.explaining import Explanation
    from sentinel_cli.watching.picture import AlertLine

app = typer.Typer(no_args_is_help=True)

SHOWN = 20
VERSION = 12  # characters of a scorecard's version that people are shown, as in the log
# What an alert says of itself before anything else.
HEADLINE = ("alert_id", "timestamp", "user_id", "fraud_score", "severity", "config_version", "source")


class Least(StrEnum):
    low = "LOW"
    medium = "MEDIUM"
    high = "HIGH"
    critical = "CRITICAL"


Limit = Annotated[int, typer.Option("--limit", min=1, help="How many alerts to list.")]
Severity = Annotated[
    Least | None,
    typer.Option("--severity", case_sensitive=False, help="Only alerts as severe as this, or more."),
]
User = Annotated[str | None, typer.Option("--user", metavar="USER", help="Only alerts on this user.")]
Since = Annotated[
    str,
    typer.Option(
        "--since",
        metavar="TIME",
        help="Only alerts raised since: a time, how long ago as in 2h, or beginning.",
    ),
]
Id = Annotated[str, typer.Argument(metavar="ID", help="The alert's id, as `alerts list` shows it.")]
Card = Annotated[
    Path | None,
    typer.Option("--scorecard", metavar="FILE.toml", help="Score with this one instead of the settings'."),
]


@app.command(name="list")
def list_(
    ctx: typer.Context,
    limit: Limit = SHOWN,
    severity: Severity = None,
    user: User = None,
    since: Since = BEGINNING,
    json: JsonFlag = False,
) -> None:
    """List alerts by the time of their transaction, the latest first.

    With --json one object a line.
    """
    from sentinel_cli.watching import alerts

    context: Context = ctx.obj
    where = alerts.wanted(severity, user)
    with progress.bar(context.err, "Reading"):
        found = alerts.latest(context.settings, limit, where, start_of(since))
    if json:
        for each in found:
            emit_line(each)
        return
    if not found:
        context.err.print(f"No alert of that kind is on {context.settings.topic('fraud-alerts')}.")
    width = context.out.width if context.out.is_terminal else None
    sys.stdout.writelines(f"{line}\n" for line in _lines(found, width))


@app.command()
def show(ctx: typer.Context, alert_id: Id, json: JsonFlag = False) -> None:
    """Show one alert whole: score, reasons, transaction, profile."""
    import msgspec

    from sentinel_cli.watching import explaining

    context: Context = ctx.obj
    value = _found(context, alert_id)
    if json:
        emit_json(msgspec.Raw(value))
        return
    explaining.parse(value)
    sys.stdout.writelines(f"{line}\n" for line in _record(msgspec.json.decode(value)))


@app.command()
def explain(ctx: typer.Context, alert_id: Id, scorecard: Card = None, json: JsonFlag = False) -> None:
    """Compute one alert's score again, and show what it adds up from.

    From the profile that the alert carries and the scorecard it was scored with the same number must come
    out, to the last bit. With --scorecard and another one: what that one would have said.
    """
    from sentinel_cli.engine import scoring
    from sentinel_cli.watching import explaining

    context: Context = ctx.obj
    alert = explaining.parse(_found(context, alert_id))
    card = _card(context, alert, scorecard)
    scoring.warm(context.err.print)
    found = explaining.explain(alert, card)
    other = found.config_version != found.recorded.config_version
    if json:
        emit_json(found)
    else:
        context.out.print(_title(alert), markup=False, soft_wrap=True)
        context.out.print(_table(found, other=other))
        context.out.print(_verdict(found, context.settings.fraud_threshold, other=other), markup=False)
    if not found.same and not other:
        raise SentinelError(
            f"The score of {alert_id} comes out as {found.score!r}, and the alert says "
            f"{found.recorded.fraud_score!r}: it was changed since, or scored by another release."
        )


def _found(context: Context, alert_id: str) -> bytes:
    from sentinel_cli.watching import alerts

    with progress.bar(context.err, "Reading"):
        return alerts.find(context.settings, alert_id)


def _card(context: Context, alert: Alert, path: Path | None) -> Scorecard:
    """The scorecard that is asked for, or the one in force if the alert was scored with it."""
    from sentinel_cli.engine import scorecard

    card = scorecard.load(path or context.settings.detect.scorecard)
    if path is None and card.version != alert.config_version:
        raise SentinelError(
            f"{alert.alert_id} was scored with scorecard version {alert.config_version[:VERSION]}, and "
            f"{card.version[:VERSION]} is in force: name the file of either, or of another, with --scorecard."
        )
    return card


def _lines(found: list[AlertLine], width: int | None) -> Iterator[str]:
    """A line an alert; on a terminal of ``width`` columns its id and reason go below, cut where it ends."""
    users = max((len(printable(each.user_id)) for each in found), default=0)
    for each in found:
        head = (
            f"{moment(each.timestamp)}  {printable(each.severity):<8}  {each.fraud_score:.2f}  "
            f"{printable(each.user_id):<{users}}  {_amount(each):>14}"
        )
        below = f"{printable(each.alert_id)}  {printable(each.reason)}"
        if width is None or len(head) + 2 + len(below) <= width:
            yield f"{head}  {below}"
        else:
            yield head
            yield f"    {below}" if len(below) + 4 <= width else f"    {below[: width - 5]}…"


def _amount(alert: AlertLine) -> str:
    return "" if alert.amount is None else printable(f"{alert.amount:,.2f} {alert.currency}").strip()


def _record(alert: dict[str, Any]) -> Iterator[str]:
    """All that an alert holds, one fact a line."""
    yield from _facts({name: alert[name] for name in HEADLINE if name in alert})
    for name, of in alert.items():
        if name == "contributions":
            yield from ("", name)
            yield from (f"  {each['points']:+8.2f}  {printable(each['reason'])}" for each in of)
        elif name not in HEADLINE and isinstance(of, dict):
            yield from ("", name)
            yield from (f"  {line}" for line in _facts(of))


def _facts(of: dict[str, Any]) -> Iterator[str]:
    widest = max(map(len, of), default=0)
    for name, value in of.items():
        yield printable(f"{name:<{widest}}  {_value(value)}")


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name} {_value(each)}" for name, each in value.items())
    if isinstance(value, list):
        return " ".join(map(_value, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:,.6g}"


def _title(alert: Alert) -> str:
    return printable(f"{alert.alert_id}, {moment(alert.timestamp)}, {alert.user_id}, {alert.severity}\n")


def _table(found: Explanation, *, other: bool) -> Table:
    """What the score adds up from; of an ``other`` scorecard, beside what the alert's own gave."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("factor", "value", *(("alert's",) if other else ()), "points"):
        table.add_column(name, justify="left" if name == "factor" else "right", no_wrap=True)
    table.add_column("reason")
    for row in _rows(found, other=other):
        table.add_row(*row)
    return table


def _rows(found: Explanation, *, other: bool) -> Iterator[list[Text]]:
    def row(factor: str, value: str, theirs: str, ours: str, reason: str) -> list[Text]:
        cells = (factor, value, *((theirs,) if other else ()), ours, reason)
        return [Text(printable(cell)) for cell in cells]

    from rich.text import Text

    theirs = {each.factor: each for each in found.recorded.contributions}
    for each in found.contributions:
        before = theirs.pop(each.factor, None)
        yield row(each.factor, _number(each.value), _points(before), _points(each), each.reason)
    for each in theirs.values() if other else ():
        yield row(each.factor, _number(each.value), _points(each), "", each.reason)
    yield row("", "", "", "", "")
    yield row("bias", "", "", f"{found.bias:+.2f}", "where the sum begins")
    yield row("sum", "", "", f"{found.log_odds:+.2f}", "log-odds")
    yield row("score", "", f"{found.recorded.fraud_score:.4f}", f"{found.score:.4f}", "1 / (1 + exp(-sum))")


def _points(each: Contribution | None) -> str:
    return "" if each is None else f"{each.points:+.2f}"


def _verdict(found: Explanation, threshold: float, *, other: bool) -> str:
    if other:
        alert = "an alert" if found.score >= threshold else "no alert"
        return (
            f"Scorecard {found.scorecard}, version {found.config_version[:VERSION]}, says {found.score:.4f}: "
            f"{alert}, at a threshold of {threshold:g}. The alert's own, version "
            f"{found.recorded.config_version[:VERSION]}, said {found.recorded.fraud_score:.4f}."
        )
    if found.same:
        return f"The score comes out as {found.score!r}: the same number as in the alert."
    return f"The score comes out as {found.score!r}: not the number in the alert."
