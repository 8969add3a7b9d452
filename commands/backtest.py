"""`sentinel backtest`: what the detector would have decided, and what that would have been worth."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sentinel_cli import progress
from sentinel_cli.context import Context
from sentinel_cli.errors import UsageError
from sentinel_cli.options import BEGINNING, JsonFlag, MappingFile
from sentinel_cli.options import since as start_of
from sentinel_cli.output import emit_json

if TYPE_CHECKING:
    from sentinel_cli.backtesting.transactions import Transactions
    from sentinel_cli.engine.scorecard import Scorecard

_FILES = {".parquet", ".csv", ".gz", ".zip"}


def command(
    ctx: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A parquet or CSV file, or the name of a topic.")
    ],
    since: Annotated[
        str,
        typer.Option(
            "--since", metavar="TIME", help="Of a topic: a time, how long ago as in 2h, or beginning."
        ),
    ] = BEGINNING,
    mapping: MappingFile = None,
    entity: Annotated[
        str | None,
        typer.Option("--entity", metavar="COLUMNS", help="The columns that make a user's id, with commas."),
    ] = None,
    scorecard: Annotated[
        Path | None,
        typer.Option("--scorecard", metavar="FILE.toml", help="Judge this one instead of the settings'."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", min=0, max=1, help="Instead of FRAUD_THRESHOLD.")
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option("--compare", metavar="B.toml", help="What this scorecard would have gained and lost."),
    ] = None,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Also try other thresholds, and name the one that brings most.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE.html", help="Also write a page with charts here.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Score a file or a topic as the live detector would have, and judge it by the truth.

    The same engine, the same numbers. Live state is never touched: no offset is committed, no profile is
    read or written. What things cost is in the settings, under [costs].
    """
    from sentinel_cli.backtesting import judging, page, terminal
    from sentinel_cli.engine import scorecard as scorecards
    from sentinel_cli.engine import scoring

    context: Context = ctx.obj
    settings = context.settings
    card = scorecards.load(scorecard or settings.detect.scorecard)
    other = scorecards.load(compare) if compare else None
    begun = time.perf_counter()
    scoring.warm(context.err.print)
    compiling = time.perf_counter() - begun
    transactions = _read(context, source, since, (mapping, entity), [card, *([other] if other else [])])
    question = judging.Question(
        card, settings.fraud_threshold if threshold is None else threshold, settings.costs, other, sweep
    )
    with progress.bar(context.err, "Scoring", question.passes) as advance:
        verdict = judging.judge(transactions, question, advance)
    verdict = verdict.timed(time.perf_counter() - begun - compiling)
    if report:
        page.write(report, verdict)
    if json:
        emit_json(verdict.document())
        return
    for part in terminal.tables(verdict):
        context.out.print(part)


def _read(
    context: Context,
    source: str,
    since: str,
    how: tuple[str | None, str | None],
    cards: list[Scorecard],
) -> Transactions:
    """From a file or from a topic, with the record features that any of the scorecards names."""
    from sentinel_cli.backtesting import file, topic

    wanted = tuple(dict.fromkeys(name for card in cards for name in card.record_features))
    path = Path(source)
    if path.exists() or path.suffix in _FILES or len(path.parts) > 1:
        if since != BEGINNING:
            raise UsageError("--since is for topics; a file is judged as a whole.")
        with progress.bar(context.err, f"Reading {source}"):
            return file.read(path, *how, wanted)
    if any(how):
        raise UsageError("--mapping and --entity are for files; a topic says who its users are.")
    with progress.bar(context.err, f"Reading {source}") as advance:
        return topic.read(context.settings, source, start_of(since), wanted, advance)
