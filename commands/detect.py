"""`sentinel detect`: score transactions as they arrive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from sentinel_cli.options import ExitAtEnd, JsonFlag, MetricsPort, Workers
from sentinel_cli.output import emit_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentinel_cli.config import Settings
    from sentinel_cli.streaming.detecting import DetectSummary


@dataclass(frozen=True)
class _Detector:
    """One worker process's work, picklable."""

    settings: Settings
    exit_at_end: bool
    metrics_port: int | None
    index: int

    def __call__(self, register_stop: Callable[[Callable[[], None]], None]) -> DetectSummary:
        from sentinel_cli import logs
        from sentinel_cli.streaming import detecting
        from sentinel_cli.telemetry.publishing import Publisher

        logs.configure(self.settings.log_level)
        with Publisher(self.settings, self.metrics_port) as publisher:
            return detecting.run(
                self.settings,
                index=self.index,
                exit_at_end=self.exit_at_end,
                register_stop=register_stop,
                tell=publisher,
                report=lambda text: typer.echo(text, err=True),
            )


def command(
    ctx: typer.Context,
    exit_at_end: ExitAtEnd = False,
    workers: Workers = 1,
    metrics_port: MetricsPort = None,
    json: JsonFlag = False,
) -> None:
    """Score transactions: read them from Kafka, keep profiles in Redis, send alerts.

    Each transaction changes its user's profile exactly once, whatever dies. Ctrl-C finishes the
    batch and saves.
    """
    from sentinel_cli.streaming import detecting, processes

    context = ctx.obj
    detectors = [
        _Detector(context.settings, exit_at_end, metrics_port + i if metrics_port else None, i)
        for i in range(workers)
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
