"""`sentinel demo`: everything in one terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from sentinel_cli.options import JsonFlag
from sentinel_cli.output import emit_json

if TYPE_CHECKING:
    from sentinel_cli.context import Context
    from sentinel_cli.demo.pipeline import Pipeline

# Without a terminal: seconds between two looks, and between two lines.
LOOK_EVERY_S, TELL_EVERY_S = 0.2, 5.0


def command(
    ctx: typer.Context,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=1, help="End after so many seconds of traffic.")
    ] = None,
    tps: Annotated[float, typer.Option("--tps", min=1, help="Transactions a second.")] = 1_500,
    users: Annotated[int, typer.Option("--users", min=1, help="Users behind the cards.")] = 1_000,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="The same seed gives the same traffic.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Watch fraud being caught: real Kafka and Valkey, synthetic users and thieves, all in this terminal.

    Uses the Kafka and Redis that the settings name, or the local stack if it is up, or starts one for
    itself. Users live days within a second, so that they have habits soon. Ctrl-C ends the traffic;
    what is on its way is scored and answered, and a summary against the truth closes it. Nothing stays
    behind: no process, topic or key.
    """
    from sentinel_cli.demo.ending import Ending
    from sentinel_cli.demo.lock import alone
    from sentinel_cli.demo.pipeline import Pipeline, Traffic
    from sentinel_cli.demo.servers import servers
    from sentinel_cli.demo.summary import panel, summary
    from sentinel_cli.stack import ConsoleReport

    context, ending = ctx.obj, Ending()
    traffic = Traffic(seconds, tps, users, seed)
    with (
        alone(context.settings.home / "demo.lock"),
        servers(context.flags, ConsoleReport(context.err)) as settings,
        ending.not_afterwards(),
        Pipeline(settings, context.flags, traffic) as pipeline,
    ):
        with ending.gently(pipeline.stop):
            _watch(context, pipeline, live=context.out.is_terminal and not json)
        assert pipeline.closing is not None
        closing = summary(pipeline.closing)
        if json:
            emit_json(closing)
        else:
            context.out.print(panel(closing))


def _watch(context: Context, pipeline: Pipeline, *, live: bool) -> None:
    """Go through the pipeline's steps, showing them."""
    if live:
        _on_screen(context, pipeline)
    else:
        _in_lines(context, pipeline.steps(), pipeline)


def _on_screen(context: Context, pipeline: Pipeline) -> None:
    from sentinel_cli.demo import view
    from sentinel_cli.watching import screen

    steps, status = pipeline.steps(), ""

    def turn(key: str) -> bool:
        nonlocal status
        if key in screen.QUIT:
            pipeline.stop()
        status = next(steps, "")
        return bool(status)

    screen.show(context.out, lambda width, height: view.draw(pipeline, status, width, height), turn)


def _in_lines(context: Context, steps: Iterator[str], pipeline: Pipeline) -> None:
    from sentinel_cli.demo import view

    said, told = "", 0.0
    for status in steps:
        if status != said or time.monotonic() - told >= TELL_EVERY_S:
            said, told = status, time.monotonic()
            context.err.print(view.line(pipeline, status), markup=False, soft_wrap=True)
        time.sleep(LOOK_EVERY_S)
