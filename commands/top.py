"""`sentinel top`: watch the pipeline at work."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from sentinel_cli.options import JsonFlag
from sentinel_cli.output import emit_json

Once = Annotated[bool, typer.Option("--once", help="Print one frame and exit, as without a terminal.")]


def command(ctx: typer.Context, once: Once = False, json: JsonFlag = False) -> None:
    """Show throughput, lag, latency and alerts with their reasons, twice a second. q ends it.

    It only reads, and asks neither workers nor their consumer group for anything. Throughput is that
    of the last 5 seconds, latency that of the last 10; alerts count since the detectors began.
    """
    from sentinel_cli.watching import screen
    from sentinel_cli.watching.frame import frame
    from sentinel_cli.watching.observer import Observer

    context = ctx.obj
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the terminal is restored
    with Observer(context.settings) as observer:
        if json or once or not context.out.is_terminal:
            observer.settle()
            if json:
                emit_json(observer.picture())
            else:
                context.out.print(frame(observer.picture(), context.out.width))
        else:
            screen.show(
                context.out,
                lambda width, height: frame(observer.picture(), width, height),
                turn=lambda key: key not in screen.QUIT,
            )
