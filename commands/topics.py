"""`sentinel topics`: create the topics, and see what the cluster makes of them."""

from __future__ import annotations

from typing import Annotated

import typer

from sentinel_cli.context import Context
from sentinel_cli.options import DryRun, JsonFlag
from sentinel_cli.output import emit_json

app = typer.Typer(no_args_is_help=True)

Partitions = Annotated[
    int | None, typer.Option("--partitions", min=1, help="Partitions of each topic, 12 by default.")
]
Replication = Annotated[
    int, typer.Option("--replication", min=-1, help="Replicas of each; -1 leaves it to the cluster.")
]


@app.command()
def create(
    ctx: typer.Context,
    partitions: Partitions = None,
    replication: Replication = -1,
    dry_run: DryRun = False,
    json: JsonFlag = False,
) -> None:
    """Create the topics that are missing.

    How long they are kept depends on the environment (STREAM_SENTINEL_ENV). A topic that exists is
    left as it is.
    """
    from sentinel_cli.streaming import topics

    context: Context = ctx.obj
    partitions = partitions or topics.DEFAULT_PARTITIONS
    done = topics.ensure(context.settings, partitions, replication, dry_run=dry_run)
    if json:
        emit_json(done)
        return
    for topic in done:
        context.out.print(f"{topic.outcome:<12} {topic.name}", markup=False)


@app.command(name="list")
def list_(ctx: typer.Context, json: JsonFlag = False) -> None:
    """List the topics and how long they are kept."""
    from rich.table import Table

    from sentinel_cli.streaming import topics

    context: Context = ctx.obj
    states = topics.describe(context.settings)
    if json:
        emit_json(states)
        return
    table = Table("topic", "key", "partitions", "replicas", "kept", "wanted", box=None, pad_edge=False)
    for state in states:
        wanted = topics.days(state.expected_retention_ms)
        if not state.exists:
            table.add_row(state.name, state.key, "[yellow]missing[/yellow]", "", "", wanted)
            continue
        kept = topics.days(state.retention_ms) if state.retention_ms is not None else "unknown"
        table.add_row(state.name, state.key, str(state.partitions), str(state.replication), kept, wanted)
    context.out.print(table)
