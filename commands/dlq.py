"""`sentinel dlq`: the records that could not be read, why, and back again."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sentinel_cli import progress
from sentinel_cli.context import Context
from sentinel_cli.errors import SentinelError, UsageError
from sentinel_cli.options import DryRun, JsonFlag, Yes
from sentinel_cli.output import confirm, emit_json, moment, printable

if TYPE_CHECKING:
    from sentinel_cli.streaming.dead_letters import DeadLetter, Overview
    from sentinel_cli.streaming.retrying import Retried

app = typer.Typer(no_args_is_help=True)

# How much of a value is shown to people; --json has all of it.
SHOWN = 4_096
HEX_COLUMNS = 16


class Topics(StrEnum):
    transactions = "transactions.dlq"
    alerts = "fraud-alerts.dlq"


Topic = Annotated[Topics, typer.Option("--topic", help="Which dead letters.")]
Where = Annotated[
    str | None,
    typer.Option("--where", metavar="FIELD~TEXT", help="Only letters whose reason or key contains TEXT."),
]
Limit = Annotated[int, typer.Option("--limit", min=0, help="How many letters to list.")]
Letter = Annotated[
    str, typer.Argument(metavar="LETTER", help="PARTITION:OFFSET, or N for the Nth that `list` shows.")
]


@app.command(name="list")
def list_(
    ctx: typer.Context,
    topic: Topic = Topics.transactions,
    where: Where = None,
    limit: Limit = 20,
    json: JsonFlag = False,
) -> None:
    """List what waits, the newest first, and count it by reason."""
    from sentinel_cli.streaming import dead_letters

    context: Context = ctx.obj
    with progress.bar(context.err, "Reading"):
        found = dead_letters.overview(context.settings, topic.value, limit, dead_letters.wanted(where))
    if json:
        emit_json(_document(found))
        return
    for line in _lines(found):
        context.out.print(line, markup=False, soft_wrap=True)


@app.command()
def show(
    ctx: typer.Context, letter: Letter, topic: Topic = Topics.transactions, json: JsonFlag = False
) -> None:
    """Show one letter: why it is here, from where, and its value.

    A value that is no text is shown in hexadecimal; with --json it is in base64.
    """
    context: Context = ctx.obj
    found = _found(context, topic.value, letter)
    if json:
        emit_json(_described(found) | _value(found.value))
        return
    for line in _facts(found):
        context.out.print(line, markup=False, soft_wrap=True)


@app.command()
def retry(
    ctx: typer.Context,
    topic: Topic = Topics.transactions,
    where: Where = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: JsonFlag = False,
) -> None:
    """Put letters back onto the topic they came from, each once.

    For when what was wrong is fixed. A record that is refused again comes back as a new letter.
    """
    from sentinel_cli.streaming import dead_letters, retrying

    context: Context = ctx.obj
    name, chosen = topic.value, dead_letters.wanted(where)
    if not dry_run:
        retrying.check(context.settings)
    with progress.bar(context.err, "Reading"):
        waiting = dead_letters.overview(context.settings, name, 0, chosen)
    back_to = context.settings.topic(dead_letters.SOURCES[name])
    done = retrying.Retried()
    if not dry_run and waiting.waiting:
        confirm(f"Put {waiting.waiting:,} dead letters back onto {back_to}?", yes=yes)
        with progress.bar(context.err, "Putting back", total=waiting.waiting) as advance:
            done = retrying.retry(context.settings, name, chosen, advance)
    if json:
        counts = {"put_back": done.put_back, "left": done.left}
        emit_json({"waiting": waiting.waiting, "reasons": waiting.reasons, **counts})
        return
    for line in _outcome(waiting, done, back_to, dry_run=dry_run):
        context.out.print(line, markup=False, soft_wrap=True)


def _found(context: Context, name: str, letter: str) -> DeadLetter:
    from sentinel_cli.streaming import dead_letters

    partition, colon, offset = letter.partition(":")
    if colon and partition.isdecimal() and offset.isdecimal():
        return dead_letters.find(context.settings, name, int(partition), int(offset))
    if colon or not letter.isdecimal() or int(letter) < 1:
        raise UsageError(
            f"A letter is PARTITION:OFFSET or a number from 1, as `dlq list` shows them, not {letter!r}."
        )
    newest = dead_letters.overview(context.settings, name, int(letter), dead_letters.wanted(None)).newest
    if len(newest) < int(letter):
        raise SentinelError(f"Only {len(newest)} dead letters wait on {context.settings.topic(name)}.")
    return newest[-1]


def _lines(found: Overview) -> Iterator[str]:
    """The letters and the counts, a line each: a reason is a sentence, which no column holds."""
    for number, letter in enumerate(found.newest, 1):
        where = f"{letter.place:<10}  {_source(letter):<24}"
        yield f"{number:>4}  {moment(letter.time)}  {where}  {letter.reason}"
    if found.newest:
        yield ""
    for reason, times in found.reasons.items():
        yield f"{times:>8,}  {reason}"
    yield f"{found.waiting:>8,}  wait in all, {found.retried:,} others were put back"


def _outcome(waiting: Overview, done: Retried, back_to: str, *, dry_run: bool) -> Iterator[str]:
    for reason, times in waiting.reasons.items():
        yield f"{times:>8,}  {reason}"
    if dry_run:
        yield f"{waiting.waiting:,} dead letters would be put back onto {back_to}."
        return
    yield f"Put {done.put_back:,} dead letters back onto {back_to}."
    if done.left:
        yield f"{done.left:,} others cannot be: their values were too large to be carried along."


def _facts(letter: DeadLetter) -> Iterator[str]:
    yield f"Letter    {letter.place}, of {letter.time}"
    yield f"Reason    {letter.reason}"
    yield f"Source    {_source(letter)}"
    yield f"Key       {'none' if letter.key is None else repr(letter.key.decode(errors='backslashreplace'))}"
    if letter.left is not None:
        yield f"Value     {letter.left:,} bytes, too many for this topic: they stand at the source"
    elif letter.value is None:
        yield "Value     none"
    else:
        yield f"Value     {len(letter.value):,} bytes"
        yield ""
        yield from _readable(letter.value)


def _readable(value: bytes) -> Iterator[str]:
    """Text as it is, but for what a terminal would obey; anything else as `hexdump -C` has it."""
    try:
        yield printable(value.decode()[:SHOWN])
    except UnicodeDecodeError:
        for at in range(0, min(len(value), SHOWN), HEX_COLUMNS):
            row = value[at : at + HEX_COLUMNS]
            shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
            yield f"{at:08x}  {row.hex(' '):<{3 * HEX_COLUMNS}} {shown}"
    if len(value) > SHOWN:
        yield "... which goes on; --json has all of it"


def _document(found: Overview) -> dict[str, object]:
    return {
        "waiting": found.waiting,
        "retried": found.retried,
        "reasons": found.reasons,
        "letters": [_described(letter) for letter in found.newest],
    }


def _described(letter: DeadLetter) -> dict[str, Any]:
    source = letter.source
    return {
        "partition": letter.partition,
        "offset": letter.offset,
        "time": letter.time,
        "reason": letter.reason,
        "source": source and {"topic": source.topic, "partition": source.partition, "offset": source.offset},
        "key": letter.key and letter.key.decode(errors="backslashreplace"),
        "bytes": letter.left if letter.left is not None else len(letter.value or b""),
    }


def _value(value: bytes | None) -> dict[str, str | None]:
    """The value as text, or in base64 where it is none."""
    try:
        return {"value": None if value is None else value.decode()}
    except UnicodeDecodeError:
        return {"value_base64": base64.b64encode(value or b"").decode()}


def _source(letter: DeadLetter) -> str:
    source = letter.source
    return f"{source.topic}-{source.partition} {source.offset}" if source else "unknown"
