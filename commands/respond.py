"""`sentinel respond`: act on alerts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sentinel_cli.options import LOOPBACK, ExitAtEnd, JsonFlag, MetricsHost, MetricsPort, Workers
from sentinel_cli.output import emit_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentinel_cli.config import Settings
    from sentinel_cli.responding.running import RespondSummary


@dataclass(frozen=True)
class _Responder:
    """One worker process's work, picklable."""

    settings: Settings
    index: int
    exit_at_end: bool
    accept_loss: bool
    metrics_port: int | None
    metrics_host: str

    def __call__(self, register_stop: Callable[[Callable[[], None]], None]) -> RespondSummary:
        from sentinel_cli import logs
        from sentinel_cli.responding import running
        from sentinel_cli.telemetry.publishing import Publisher

        logs.configure(self.settings.log_level)
        with Publisher(self.settings, self.metrics_port, self.metrics_host) as publisher:
            return running.run(
                self.settings,
                index=self.index,
                exit_at_end=self.exit_at_end,
                accept_loss=self.accept_loss,
                register_stop=register_stop,
                tell=publisher,
            )


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
    responders = [
        _Responder(
            context.settings,
            i,
            exit_at_end,
            accept_loss,
            metrics_port + i if metrics_port else None,
            metrics_host,
        )
        for i in range(workers)
    ]
    summaries = processes.run_workers(responders)
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
