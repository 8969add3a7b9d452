"""`sentinel up`: Apache Kafka and Valkey on this machine, without Docker or an installed Java."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from commands.status import document, render
from sentinel_cli.context import Context
from sentinel_cli.options import JsonFlag
from sentinel_cli.output import emit_json

if TYPE_CHECKING:
    from sentinel_cli.stack import Stack


def command(ctx: typer.Context, json: JsonFlag = False) -> None:
    """Start a local Kafka and Valkey, and create the topics.

    The first time fetches Kafka's jars, some 36 MB. Data stays between starts; every other command
    finds the servers by itself.
    """
    from sentinel_cli import stack
    from sentinel_cli.streaming import topics

    context: Context = ctx.obj
    home = context.settings.home
    before = stack.status(home)
    running = stack.start(home, stack.ConsoleReport(context.err))
    topics.ensure(stack.settings(running, context.settings), partitions=stack.PARTITIONS)
    if json:
        emit_json(document(home, running))
    else:
        if before and before.servers == running.servers:
            context.err.print("The local stack runs already.")
        render(context, running)
    for line in _elsewhere(context, running):
        context.err.print(f"[yellow]sentinel:[/yellow] {line}", soft_wrap=True)


def _elsewhere(context: Context, running: Stack) -> list[str]:
    """Settings that name other servers and win over the stack's."""
    from sentinel_cli import config

    local = {
        "kafka.servers": running.kafka_servers,
        "redis.host": running.redis_host,
        "redis.port": running.redis_port,
    }
    return [
        f"{name} is {value} ({origin}), so other commands use that and not the local stack."
        for name, value, origin in config.explain(context.flags)
        if name in local and value != local[name]
    ]
