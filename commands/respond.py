"""`sentinel respond`: act on alerts."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import typer

from sentinel_cli.options import LOOPBACK, ExitAtEnd, JsonFlag, MetricsHost, MetricsPort, Workers
from sentinel_cli.output import emit_json


def command(
    ctx: typer.Context,
    exit_at_end: ExitAtEnd = False,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Go on behind alerts that Kafka deleted unprocessed.")
    ] = False,
    workers: Workers = 1,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = LOOPBACK,
    json: JsonFlag = False,
) -> None:
    """Act on alerts: block users, open cases, and record every step with its time.

    Which severity an alert has and what follows from it is the policy's decision (respond.policy).
    Each alert is acted on exactly once, whatever dies. Ctrl-C finishes the batch and saves.
    """
    from sentinel_cli.responding import running
    from sentinel_cli.streaming import processes

    context = ctx.obj
    runs = [
        partial(running.run, index=index, exit_at_end=exit_at_end, accept_loss=accept_loss)
        for index in range(workers)
    ]
    summaries = processes.run_told(context.settings, runs, metrics_port, metrics_host)
    document = running.document(summaries)
    if json:
        emit_json(document)
    else:
        context.out.print(_sentence(document))


def _sentence(document: dict[str, Any]) -> str:
    return (
        f"Acted on {document['acted']:,} of {document['processed']:,} alerts "
        f"in {document['elapsed_s']:.1f} s: "
        f"{document['blocked']:,} blocks, {document['cases']:,} cases opened, "
        f"{document['duplicates']:,} duplicates, {document['dead_letters']:,} dead letters."
    )
