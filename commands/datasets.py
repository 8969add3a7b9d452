"""`sentinel datasets`: IEEE-CIS's files as parquet, what a file is, and synthetic ones."""

from __future__ import annotations

import signal
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sentinel_cli import progress
from sentinel_cli.context import Context
from sentinel_cli.options import JsonFlag
from sentinel_cli.output import emit_json

if TYPE_CHECKING:
    from datasets.describing import Description
    from datasets.importing import Imported

app = typer.Typer(no_args_is_help=True)

Sources = Annotated[
    list[Path],
    typer.Argument(metavar="SOURCE", help="CSV files, zip archives or folders with them."),
]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="The file to write.")]


@app.command("import")
def import_(ctx: typer.Context, source: Sources, out: Out, json: JsonFlag = False) -> None:
    """Turn IEEE-CIS's CSV files into one parquet file.

    SOURCE is as downloaded: train_transaction.csv and train_identity.csv, zipped or not, or the archive or
    the folder that holds them. Identities are joined; those beside a file of transactions are found. Columns
    that are not known are kept. OUT is replaced when all of it is written.
    """
    from datasets import importing

    context: Context = ctx.obj
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that no half file stays
    files = importing.pair(source)
    with progress.bar(context.err, f"Reading {files.transactions.name}", files.size) as advance:
        imported = importing.run(files, out, advance)
    if json:
        emit_json(asdict(imported))
    else:
        _render_import(context, imported)


@app.command()
def describe(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A parquet or CSV file.")],
    json: JsonFlag = False,
) -> None:
    """Say what a file is: kind, rows, columns, what is missing.

    Missing columns are named, with what cannot be done without them. `sentinel analyze` computes more.
    """
    from datasets import describing

    context: Context = ctx.obj
    size = file.stat().st_size if file.exists() else 0
    with progress.bar(context.err, f"Reading {file}", size) as advance:
        found = describing.describe(file, advance)
    if json:
        emit_json(_document(found))
    else:
        _render(context, found)


@app.command()
def synthesize(
    ctx: typer.Context,
    n: Annotated[int, typer.Argument(metavar="N", min=1, help="How many transactions.")],
    out: Out,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same file.")] = 0,
    json: JsonFlag = False,
) -> None:
    """Write synthetic transactions in IEEE-CIS's schema.

    OUT has all 434 columns, with their gaps. The same N and seed give the same file. Scenarios and episodes
    of the frauds stand in the file's metadata, where no model can learn from them.
    """
    from datasets import synthesis

    context: Context = ctx.obj
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that no half file stays
    started = time.perf_counter()
    with progress.bar(context.err, f"Writing {out}", n) as advance:
        synthesis.run(n, out, seed, advance)
    document = {
        "file": out,
        "rows": n,
        "seed": seed,
        "bytes": out.stat().st_size,
        "elapsed_s": round(time.perf_counter() - started, 3),
    }
    if json:
        emit_json(document)
    else:
        context.out.print(
            f"Wrote {n:,} transactions to {out} in {document['elapsed_s']:.1f} s.", markup=False
        )


def _render_import(context: Context, i: Imported) -> None:
    joined = f", {i.identities:,} of them with an identity" if i.identity else ", without identities"
    context.out.print(
        f"Wrote {i.rows:,} transactions{joined}, {i.columns} columns, to {i.file} "
        f"({i.bytes / 1e6:,.0f} MB) in {i.elapsed_s:.1f} s.",
        markup=False,
    )
    for group, names in i.missing.items():
        context.err.print(f"Missing of {group}: {', '.join(names)}.", markup=False)
    if i.unknown:
        context.err.print(f"Kept, though not known: {', '.join(i.unknown)}.", markup=False)


def _document(found: Description) -> dict[str, Any]:
    from sentinel_cli.records import rfc3339

    document = asdict(found)
    document["schema"] = document.pop("every_column")
    document["fraud_rate"] = found.frauds / found.rows if found.frauds is not None else None
    for end in ("first_time", "last_time"):
        document[end] = rfc3339(document[end]) if document[end] is not None else None
    return document


def _render(context: Context, found: Description) -> None:
    from rich.table import Table

    document = _document(found)
    facts = Table(show_header=False, box=None, pad_edge=False)
    facts.add_row("file", f"{found.file}, {found.format}, {found.bytes / 1e6:,.1f} MB")
    facts.add_row("kind", found.kind or "not known")
    facts.add_row("rows", f"{found.rows:,}")
    facts.add_row("columns", f"{found.columns}")
    if document["first_time"]:
        facts.add_row("time", f"{document['first_time']} to {document['last_time']}")
    if found.frauds is not None:
        facts.add_row("frauds", f"{found.frauds:,} ({document['fraud_rate']:.2%})")
    if found.scenarios:
        facts.add_row("scenarios", ", ".join(found.scenarios))
    context.out.print(facts, markup=False)
    table = Table("group", "columns", "types", "empty", "missing", "meaning", box=None, pad_edge=False)
    for group in found.groups:
        empty = f"{group.empty:.0%}" if group.columns else ""
        table.add_row(
            group.name,
            str(group.columns),
            ", ".join(group.types),
            empty,
            _listed(group.missing),
            group.meaning,
        )
    context.out.print("", table, markup=False)
    for cost in found.costs:
        context.out.print(cost, markup=False)


def _listed(names: list[str], most: int = 6) -> str:
    return ", ".join(names) if len(names) <= most else f"{names[0]} to {names[-1]} ({len(names)})"
