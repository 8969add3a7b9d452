"""`sentinel detect`: score transactions as they arrive."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from sentinel_cli.options import LOOPBACK, ExitAtEnd, JsonFlag, MetricsHost, MetricsPort, Workers
from sentinel_cli.output import emit_json


def command(
    ctx: typer.Context,
    exit_at_end: ExitAtEnd = False,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Go on behind records that Kafka deleted unprocessed.")
    ] = False,
    workers: Workers = 1,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = LOOPBACK,
    json: JsonFlag = False,
) -> None:
    """Score transactions: read them from Kafka, keep profiles in Redis, send alerts.

    Each transaction changes its user's profile exactly once, whatever dies. Ctrl-C finishes the
    batch and saves.
    """
    from sentinel_cli.streaming import detecting, processes

    context = ctx.obj
    jobs = [detecting.Job(index, exit_at_end, accept_loss=accept_loss) for index in range(workers)]
    runs = [partial(detecting.run, job=job, report=_report) for job in jobs]
    summaries = processes.run_told(context.settings, runs, metrics_port, metrics_host)
    document = detecting.document(summaries)
    if json:
        emit_json(document)
    else:
        context.out.print(_sentence(document))


def _report(text: str) -> None:
    typer.echo(text, err=True)


def _sentence(document: dict[str, object]) -> str:
    return (
        f"Scored {document['processed']:,} transactions in {document['elapsed_s']:.1f} s "
        f"({document['tps']:,} a second): {document['alerts']:,} alerts, "
        f"{document['dead_letters']:,} dead letters, {document['duplicates']:,} duplicates."
    )
