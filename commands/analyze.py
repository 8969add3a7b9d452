"""`sentinel analyze`: what a file of transactions holds, and what tells fraud in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sentinel_cli import progress
from sentinel_cli.context import Context
from sentinel_cli.options import JsonFlag, MappingFile
from sentinel_cli.output import as_json, emit_json

File = Annotated[Path, typer.Argument(metavar="FILE", help="A parquet or CSV file.")]
Output = Annotated[
    Path | None, typer.Option("--output", metavar="FILE.json", help="Also write the JSON document.")
]


def command(
    ctx: typer.Context,
    file: File,
    mapping: MappingFile = None,
    output: Output = None,
    json: JsonFlag = False,
) -> None:
    """Compute what a file of transactions holds, and what tells fraud in it.

    Size, time, fraud by hour, weekday, amount and so on, missing values, the strongest single columns, and
    the users behind the cards.
    """
    from datasets import analysis, document, terminal

    context: Context = ctx.obj
    with progress.bar(context.err, f"Analyzing {file}", analysis.columns_to_read(file)) as advance:
        found = analysis.analyze(file, mapping, advance)
    as_document = document.document(found)
    if output:
        from datasets.files import replacing

        with replacing(output) as beside:
            beside.write_bytes(as_json(as_document))
    if json:
        emit_json(as_document)
    else:
        for table in terminal.tables(found):
            context.out.print(table)
