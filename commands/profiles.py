"""`sentinel profiles`: what is known about one user, and about everybody."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sentinel_cli.context import Context
from sentinel_cli.errors import SentinelError, UsageError
from sentinel_cli.options import DryRun, JsonFlag, Yes
from sentinel_cli.output import confirm, emit_json, emit_line, moment
from sentinel_cli.records import rfc3339

if TYPE_CHECKING:
    from rich.text import Text

    from profiles.connection import Client
    from profiles.keys import Keys
    from profiles.queries import Details, Summary

app = typer.Typer(no_args_is_help=True)

SHOWN = 50
BARS = " ▁▂▃▄▅▆▇█"
WINDOWS = {"1m": "in 1 min", "5m": "in 5 min", "1h": "in 1 h", "24h": "in 24 h", "day": "on that day"}


class Sort(StrEnum):
    transactions = "transactions"
    amount = "amount"
    alerts = "alerts"
    last_seen = "last-seen"


User = Annotated[str, typer.Argument(help="The user's id.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many users to list.")]
All = Annotated[bool, typer.Option("--all", help="List everybody, as Redis has them, unsorted.")]
SortBy = Annotated[
    Sort | None, typer.Option("--sort", help="What to sort by, the largest first. [default: transactions]")
]
Days = Annotated[
    float | None,
    typer.Option("--days", min=1, help="How long is long. [default: detect.expire_days]"),
]
File = Annotated[Path, typer.Argument(dir_okay=False, help="The parquet file.")]
Partition = Annotated[int | None, typer.Option("--partition", min=0, help="Only this partition's users.")]


@app.command()
def get(ctx: typer.Context, user: User, json: JsonFlag = False) -> None:
    """Show what is known about one user.

    Windows are those that end with the user's latest transaction; every time is event time, UTC.
    """
    from profiles import queries
    from sentinel_cli.streaming import topics

    context: Context = ctx.obj
    partitions = topics.partitions(context.settings, topics.TRANSACTIONS)
    found = queries.find(*_store(context), partitions, user)
    if found is None:
        raise SentinelError(f"No profile of {user}: no transaction of this user has been scored.")
    if json:
        emit_json(found)
    else:
        context.out.print(_described(found))


@app.command(name="list")
def list_(
    ctx: typer.Context,
    limit: Limit = SHOWN,
    everybody: All = False,
    sort: SortBy = None,
    partition: Partition = None,
    json: JsonFlag = False,
) -> None:
    """List users: transactions, amounts, alerts. With --json one object a line."""
    from profiles import queries

    if everybody and sort:
        raise UsageError("--all lists users as they are found: leave out --sort, or give a --limit instead.")
    found: Iterable[Summary] = queries.summaries(queries.scan(*_store(ctx.obj), partition))
    if not everybody:
        found = queries.largest(found, (sort or Sort.transactions).value, limit)
    if json:
        for summary in found:
            emit_line(summary)
    else:
        sys.stdout.writelines(_lines(found))


@app.command()
def rebuild(ctx: typer.Context, json: JsonFlag = False, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Make profiles that Redis lost again, from what Kafka still has.

    Scores again, up to the group's offset in Kafka, every partition whose offset Redis no longer has;
    alerts that were sent before are not sent again. Says which offsets Kafka no longer has.
    """
    from sentinel_cli.streaming import processes, rebuilding

    context: Context = ctx.obj
    found = rebuilding.lost(context.settings)
    for part in found:
        context.err.print(part.sentence())
    if found and not dry_run:
        confirm(f"Make the profiles of {len(found)} partitions again?", yes=yes)
        (summary,) = processes.run_workers([rebuilding.Rebuilder(context.settings)])
        processed = summary.processed
    else:
        processed = 0
    if json:
        emit_json({"partitions": found, "processed": processed})
    elif not found:
        context.out.print("Nothing to rebuild: Redis has an offset for every partition that was processed.")
    else:
        context.out.print(f"Profiles made again from {processed:,} transactions.")


@app.command()
def move(ctx: typer.Context, json: JsonFlag = False, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Let profiles follow their users to new partitions.

    After `transactions` was given more partitions.

    With the detectors stopped: scores what the old partitions still hold, then takes each profile to the
    partition that its user's records are on now. The number of partitions must be a multiple of the old one.
    """
    from sentinel_cli.streaming import moving, processes, topics

    context: Context = ctx.obj
    client, keys = _store(context)
    found = moving.growth(client, keys, topics.partitions(context.settings, topics.TRANSACTIONS))
    moved = 0
    if found:
        context.err.print(found.sentence())
        moving.ready(context.settings, found)
    if found and not dry_run:
        confirm("Finish the old partitions and move profiles?", yes=yes)
        ends = moving.old_ends(context.settings, found)
        processes.run_workers([moving.Drain(context.settings, found)])
        moving.ready(context.settings, found)
        moved = moving.move(client, keys, found, ends, moving.reached(context.settings, found))
    if json:
        emit_json({"from": found and found.before, "to": found and found.now, "moved": moved})
    elif not found:
        context.out.print("Nothing to move: profiles are laid out for the partitions that there are.")
    else:
        context.out.print(f"{moved:,} profiles moved.")


@app.command()
def expire(
    ctx: typer.Context, days: Days = None, json: JsonFlag = False, yes: Yes = False, dry_run: DryRun = False
) -> None:
    """Remove the profiles of users who were not seen for long.

    Running detectors do that by themselves, once a day. Age counts back from the latest transaction of
    anybody, so that a replay of old records expires nothing. Blocked users stay.
    """
    from profiles import expiry, queries
    from sentinel_cli.streaming import expiring

    context: Context = ctx.obj
    client, keys = _store(context)
    limit = days or expiring.retention_days(context.settings)
    if not limit:
        raise UsageError("detect.expire_days is 0, which is never: give --days.")
    now = expiry.latest(queries.scan(client, keys), time.time())
    before = expiry.before(now, limit)
    if not dry_run:
        confirm(f"Remove the profiles of users not seen since {_moment(rfc3339(before))}?", yes=yes)
    removed = sum(
        len(chunk.places) if dry_run else expiry.expire(client, keys, chunk)
        for chunk in expiry.old(queries.scan(client, keys), before, now)
    )
    if json:
        emit_json({"before": rfc3339(before), "dry_run": dry_run, "removed": removed})
    else:
        context.out.print(f"{removed:,} profiles {'would be removed' if dry_run else 'removed'}.")


@app.command()
def export(ctx: typer.Context, file: File, json: JsonFlag = False) -> None:
    """Write all that Redis holds under the prefix to a parquet file.

    Profiles, offsets, blocks, cases.

    Detectors and responders must stand still, so that profiles and offsets belong together.
    """
    from profiles import archive
    from sentinel_cli.streaming import kafka

    context: Context = ctx.obj
    kafka.standing_still(context.settings)
    count = archive.export(_store(context)[0], context.settings.redis_prefix, file)
    if json:
        emit_json({"file": str(file), "keys": count})
    else:
        context.out.print(f"{count:,} keys written to {file}.")


@app.command(name="import")
def import_(ctx: typer.Context, file: File, json: JsonFlag = False) -> None:
    """Read what `export` wrote back into an empty Redis.

    One that holds nothing under the prefix.
    """
    from profiles import archive
    from sentinel_cli.streaming import kafka

    context: Context = ctx.obj
    kafka.standing_still(context.settings)
    client, prefix = _store(context)[0], context.settings.redis_prefix
    if there := next(archive.keys(client, prefix), None):
        raise SentinelError(
            f"Redis holds {there.decode(errors='replace')} already: import into an empty Redis, or remove "
            f"what is there under {prefix!r} first."
        )
    count = archive.restore(client, prefix, file)
    if json:
        emit_json({"file": str(file), "keys": count})
    else:
        context.out.print(f"{count:,} keys read from {file}.")


def _store(context: Context) -> tuple[Client, Keys]:
    from profiles import connection
    from profiles.keys import Keys
    from sentinel_cli.streaming import topics

    settings = context.settings
    client = connection.connect_to(settings.redis)
    connection.reachable(client)
    return client, Keys(settings.redis_prefix, settings.topic(topics.TRANSACTIONS))


def _lines(found: Iterable[Summary]) -> Iterator[str]:
    """A line a user, as soon as it is known: a table would wait for the last one."""
    yield f"{'user':<24} {'transactions':>12} {'amount':>16} {'average':>12} {'alerts':>7}  last seen\n"
    for each in found:
        yield (
            f"{each.user_id:<24} {each.total_transactions:>12,} {each.total_amount:>16,.2f} "
            f"{each.average_amount:>12,.2f} {each.alerts:>7,}  {_moment(each.last_seen)}\n"
        )


def _described(user: Details) -> Text:
    from rich.text import Text

    # assembled, not marked up: an id may look like markup
    lines = [Text.assemble((f"{label:<14}", "dim"), fact) for label, fact in _facts(user)]
    return Text("\n").join(lines)


def _facts(user: Details) -> Iterator[tuple[str, str]]:
    yield "User", f"{user.user_id}, partition {user.partition}"
    yield "Transactions", f"{user.total_transactions:,}"
    yield "Amount", f"{user.total_amount:,.2f} in total, {user.average_amount:,.2f} on average"
    yield "Seen", f"{_moment(user.first_seen)} to {_moment(user.last_seen)}"
    yield "Countries", ", ".join(user.countries) or "none given"
    yield "Known", f"{user.devices} devices, {user.merchant_categories} merchant categories"
    yield "Hours (UTC)", f"{_bar(user.hours)}  midnight to midnight"
    windows = [f"{w.count:,} {WINDOWS[name]} ({w.amount:,.2f})" for name, w in user.windows.items()]
    yield "At the latest", ", ".join(windows)
    yield "Alerts", f"{user.alerts:,}" + (f", the last {_moment(user.last_alert)}" if user.alerts else "")
    yield "Block", _block(user)


def _block(user: Details) -> str:
    block = user.block
    if block is None or (block.until is None and block.applied):
        return "none" if block is None else "none; it was lifted"
    if block.until is None:
        return f"until {_moment(user.blocked_until)}; lifted, which the next batch takes in"
    waiting = "" if block.applied else "; the next batch takes it in"
    return f"until {_moment(block.until)}, for {block.alerts[-1]}{waiting}"


def _bar(shares: list[float]) -> str:
    """A bar an hour, the busiest one full."""
    steps, busiest = len(BARS) - 1, max(shares) or 1.0
    return "".join(BARS[math.ceil(share / busiest * steps)] for share in shares)


def _moment(rfc3339: str | None) -> str:
    return moment(rfc3339) if rfc3339 else "never"
