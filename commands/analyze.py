"""`sentinel analyze`: what a file of transactions holds, and what tells fraud in it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sentinel_cli import progress
from sentinel_cli.context import Context
from sentinel_cli.options import JsonFlag, MappingFile
from sentinel_cli.output import as_json, emit_json

if TYPE_CHECKING:
    from datasets.analysis import Analysis
    from datasets.comparing import Comparison


def command(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A parquet or CSV file.")],
    compare: Annotated[
        Path | None, typer.Option("--compare", metavar="OTHER", help="Another file to put beside it.")
    ] = None,
    mapping: MappingFile = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE.json", help="Also write the JSON document here.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE.html", help="Also write a page with charts here.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Compute what a file of transactions holds, and what tells fraud in it.

    Size, time, fraud by hour, weekday, amount and so on, missing values, the strongest single columns, and
    the users behind the cards. With --compare, the distance of every distribution from another file's.
    """
    from datasets import comparing, terminal
    from datasets.report import page

    context: Context = ctx.obj
    here = _analyzed(context, file, mapping)
    there = _analyzed(context, compare, mapping) if compare else None
    comparison = comparing.compare(here, there) if there else None
    document = _document(here, there, comparison)
    if output:
        _write(output, as_json(document))
    if report:
        _write(report, page(here, there, comparison).encode())
    if json:
        emit_json(document)
        return
    tables = terminal.compared(here, there, comparison) if there and comparison else terminal.tables(here)
    for table in tables:
        context.out.print(table)


def _analyzed(context: Context, file: Path, mapping: str | None) -> Analysis:
    from datasets import analysis

    with progress.bar(context.err, f"Analyzing {file}", analysis.columns_to_read(file)) as advance:
        return analysis.analyze(file, mapping, advance)


def _document(here: Analysis, there: Analysis | None, comparison: Comparison | None) -> dict[str, Any]:
    """The first file's own, and what the comparison found."""
    from datasets.document import document

    if there is None or comparison is None:
        return document(here)
    return document(here) | {"other": document(there), "comparison": asdict(comparison)}


def _write(path: Path, content: bytes) -> None:
    from datasets.files import replacing

    with replacing(path) as beside:
        beside.write_bytes(content)
