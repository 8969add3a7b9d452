"""`sentinel detect`: score transactions as they arrive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from sentinel_cli.options import LOOPBACK, ExitAtEnd, JsonFlag, MetricsHost, MetricsPort, Workers
from sentinel_cli.output import emit_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentinel_cli.config import Settings
    from sentinel_cli.streaming.detecting import DetectSummary, Job


@dataclass(frozen=True)
class Detector:
    """One worker process's work, picklable."""

    settings: Settings
    job: Job
    metrics_port: int | None
    metrics_host: str

    def __call__(self, register_stop: Callable[[Callable[[], None]], None]) -> DetectSummary:
        from sentinel_cli import logs
        from sentinel_cli.streaming import detecting
        from sentinel_cli.telemetry.publishing import Publisher

        logs.configure(self.settings.log_level)
        with Publisher(self.settings, self.metrics_port, self.metrics_host) as publisher:
            return detecting.run(
                self.settings,
                self.job,
                register_stop=register_stop,
                tell=publisher,
                report=lambda text: typer.echo(text, err=True),
            )


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
    detectors = [
        Detector(
            context.settings,
            detecting.Job(index, exit_at_end, accept_loss=accept_loss),
            metrics_port + index if metrics_port else None,
            metrics_host,
        )
        for index in range(workers)
    ]
    summaries = processes.run_workers(detectors)
    document = detecting.document(summaries)
    if json:
        emit_json(document)
    else:
        context.out.print(_sentence(document))


def _sentence(document: dict[str, object]) -> str:
    return (
        f"Scored {document['processed']:,} transactions in {document['elapsed_s']:.1f} s "
        f"({document['tps']:,} a second): {document['alerts']:,} alerts, "
        f"{document['dead_letters']:,} dead letters, {document['duplicates']:,} duplicates."
    )
