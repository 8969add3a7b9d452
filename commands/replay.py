"""`sentinel replay`: the transactions of a file to Kafka, as they happened."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sentinel_cli import progress
from sentinel_cli.context import Context
from sentinel_cli.errors import InputError, SentinelError
from sentinel_cli.options import JsonFlag, MappingFile, duration, instant, is_duration
from sentinel_cli.output import emit_json
from sentinel_cli.records import rfc3339

if TYPE_CHECKING:
    from datasets.events import Events
    from sentinel_cli.streaming.replay_position import Position
    from sentinel_cli.streaming.replaying import Summary


def command(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A parquet or CSV file.")],
    mapping: MappingFile = None,
    speed: Annotated[
        float | None,
        typer.Option("--speed", min=0, help="Times the original pace; without it, as fast as possible."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--start", metavar="TIME", help="Leave out what happened before: a time, or 30d into it."
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="TIME", help="Leave out what happened then or later, as for --start."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=0, help="Stop after so many transactions.")
    ] = None,
    loop: Annotated[
        bool, typer.Option("--loop", help="Begin again at the end, time and ids going on.")
    ] = False,
    entity: Annotated[
        str | None,
        typer.Option("--entity", metavar="COLUMNS", help="The columns that make a user's id, with commas."),
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option(
            "--origin", metavar="TIME", help="What the file's time counts from, or its first midnight."
        ),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            "--features", metavar="COLUMNS", help="Columns for the record's features, as in 'C*,V*'."
        ),
    ] = None,
    label_delay: Annotated[
        str,
        typer.Option("--label-delay", metavar="TIME", help="Event time until a label is known, as in 30d."),
    ] = "0s",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the same replay stopped, if it did.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Write a file's transactions to `transactions` in the order in which they happened.

    Labels go to `labels` when they become known. What is reported as produced is what Kafka acknowledged.
    Ctrl-C ends it cleanly; --resume goes on from there.
    """
    from datasets import events as events_of
    from sentinel_cli.streaming import processes, replay_position, replaying

    context: Context = ctx.obj
    how = events_of.Reading(mapping, entity, instant("--origin", origin), _listed(features))
    with progress.bar(context.err, f"Reading {file}"):
        whole = events_of.read(file, how)
    for note in whole.notes:
        context.err.print(note, markup=False)
    events = _between(whole, start, until, file)
    order = replaying.Order(speed or None, limit, loop, duration("--label-delay", label_delay))
    settings = context.settings
    options = (how, start, until, label_delay, settings.prefix, settings.kafka.servers)
    place = replay_position.place(settings.home, file, *options)
    position = _position(context, place, len(events), resume=resume)

    def replay(register_stop: Callable[[Callable[[], None]], None]) -> Summary:
        stop = threading.Event()
        register_stop(stop.set)
        total = limit if limit is not None else len(events) - position.transaction
        with progress.bar(context.err, f"Replaying {file}", max(total, 0)) as advance:
            return replaying.run(settings, events, order, stop, place, position, advance)

    (summary,) = processes.run_workers([replay])
    if json:
        emit_json(asdict(summary))
    else:
        context.out.print(_sentence(summary), markup=False)
    if summary.failed:
        raise SentinelError(
            f"Kafka did not acknowledge {summary.failed:,} records ({summary.reason}); "
            "they are not counted as produced, and --resume sends them again."
        )


def _between(events: Events, start: str | None, until: str | None, file: Path) -> Events:
    first = int(events.time[0])
    chosen = events.between(_moment("--start", start, first), _moment("--until", until, first))
    if not len(chosen):
        span = f"{rfc3339(first)} to {rfc3339(int(events.time[-1]))}"
        raise InputError(
            f"No transaction of {file} lies between --start and --until: they happen from {span}."
        )
    return chosen


def _position(context: Context, place: Path, of: int, *, resume: bool) -> Position:
    from sentinel_cli.streaming import replay_position

    found = replay_position.load(place) if resume else None
    if found:
        context.err.print(f"Going on after {found.transaction:,} of {of:,} transactions.")
    elif resume:
        context.err.print("Nothing to resume: from the beginning.")
    return found or replay_position.Position()


def _moment(option: str, text: str | None, first: int) -> int | None:
    """A time, or a duration since ``first``; in microseconds since 1970."""
    if text is not None and is_duration(text):
        return first + duration(option, text)
    return instant(option, text)


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(",")) if text else ()


def _sentence(s: Summary) -> str:
    text = f"Produced {s.produced:,} transactions in {s.elapsed_s:.1f} s ({s.tps:,} a second) "
    text += f"and {s.labels:,} labels."
    if s.event_time:
        text += f" They happened from {s.event_time[0]} to {s.event_time[1]}."
    if s.ended in {"stopped", "failed"}:
        text += f" It stopped after {s.position:,} of {s.of:,}, with {s.labels_to_come:,} labels to come."
        text += " --resume goes on from there."
    return text
