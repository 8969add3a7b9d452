"""`sentinel fit`: a scorecard from a file of transactions whose fraud is known."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sentinel_cli import progress
from sentinel_cli.context import Context
from sentinel_cli.options import JsonFlag, MappingFile
from sentinel_cli.output import emit_json

if TYPE_CHECKING:
    from sentinel_cli.fitting.reporting import Report


def command(
    ctx: typer.Context,
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A parquet or CSV file with labels.")],
    output: Annotated[
        Path, typer.Option("--output", metavar="FILE.toml", help="Where to write the scorecard.")
    ],
    features: Annotated[
        str | None,
        typer.Option("--features", metavar="COLUMNS", help="Columns that may become factors, as in 'C*,V*'."),
    ] = None,
    mapping: MappingFile = None,
    entity: Annotated[
        str | None,
        typer.Option("--entity", metavar="COLUMNS", help="The columns that make a user's id, with commas."),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Learn a scorecard from the first 80 % of a file's time, and judge it on the last 20 %.

    Bands whose fraud rate rises or falls, weight of evidence, logistic regression. The engine makes the
    features in the order of time, so nothing looks ahead. What --features picks scores live through the
    record's `features` map; `sentinel replay --features` puts it there.
    """
    from datasets.events import Reading
    from datasets.files import replacing
    from sentinel_cli.engine import scorecard, scoring
    from sentinel_cli.fitting import learning, reporting, sample, writing

    context: Context = ctx.obj
    settings = context.settings
    in_force = scorecard.load(settings.detect.scorecard)
    scoring.warm(context.err.print)
    begun = time.perf_counter()
    patterns = tuple(each.strip() for each in features.split(",")) if features else ()
    with replacing(output) as beside:
        with progress.bar(context.err, f"Reading {data}"):
            known = sample.read(data, Reading(mapping, entity, None, patterns))
        for note in known.notes:
            context.err.print(note, markup=False)
        with progress.bar(context.err, "Fitting", known.width) as advance:
            fit = learning.learn(known, f"fitted to {data.name}", settings.fraud_threshold, advance)
        report = reporting.report(known, fit, in_force, settings.fraud_threshold, (data, output))
        beside.write_text(writing.headed(fit.card.text, report.comments(features)), encoding="utf-8")
    _show(context, report.timed(time.perf_counter() - begun), json=json)


def _show(context: Context, report: Report, *, json: bool) -> None:
    from sentinel_cli.fitting import terminal

    if json:
        emit_json(report)
        return
    for table in terminal.tables(report):
        context.out.print(table)
    for line in terminal.next_steps(report):
        context.out.print(line, markup=False, soft_wrap=True)
