"""The command line: which commands there are, the global options, the one error boundary.

Purpose: ``COMMANDS`` lists every command. A command's module is imported when that command is
invoked or its own help is asked for; `sentinel --help` and completion read the table alone.

Design: `commands/<name>.py` holds a function ``command``, or for a group of subcommands a
``typer.Typer`` called ``app``. Whatever a command raises ends up in ``main``, which prints one
sentence and gives the exit code of `errors`.

Not here: what a command does.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from sentinel_cli import __version__
from sentinel_cli.context import Context


class Command(NamedTuple):
    help: str
    panel: str
    module: str | None = None


RUN, SEE, KEEP = "Run the pipeline", "See and ask", "Servers and settings"

COMMANDS: dict[str, Command] = {
    "demo": Command("Everything in one terminal: servers, traffic, detection, response, live view.", RUN),
    "produce": Command("Write synthetic transactions, with labelled fraud episodes, to Kafka.", RUN),
    "detect": Command("Score transactions as they arrive, raise alerts, keep every user's profile.", RUN),
    "respond": Command("Act on alerts: block users, open cases, record every step.", RUN),
    "top": Command("Live view: throughput, lag, latency, alerts with their reasons.", SEE),
    "profiles": Command("What is known about users: get, list.", SEE),
    "up": Command("Start a local Kafka and Valkey, without Docker or Java.", KEEP),
    "down": Command("Stop the local servers.", KEEP),
    "status": Command("Which local servers run, where, and where their logs are.", KEEP),
    "doctor": Command("Check Kafka, Redis and the settings, end to end.", KEEP),
    "topics": Command("Create and list the topics.", KEEP),
    "config": Command("Show, check or write the settings.", KEEP),
}


class Commands(TyperGroup):
    """The root group: knows its commands by the table, loads one when it is resolved."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {
            name: TyperCommand(name, help=entry.help, rich_help_panel=entry.panel)
            for name, entry in COMMANDS.items()
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, listed, rest = super().resolve_command(ctx, args)
        return name, load(name) if name else listed, rest


def load(name: str) -> Any:
    """Import one command's module and make it a command of this application."""
    entry = COMMANDS[name]
    module = importlib.import_module(entry.module or f"commands.{name}")
    if hasattr(module, "app"):
        command: Any = typer.main.get_group(module.app)
        command.help = command.help or entry.help
    else:
        single = typer.Typer(add_completion=False)
        single.command()(module.command)
        command = typer.main.get_command(single)
    command.name = name
    return command


app = typer.Typer(cls=Commands, no_args_is_help=True)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"sentinel {__version__}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", help="Settings file instead of sentinel.toml.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", help="Table [profiles.NAME] of that file.")
    ] = None,
    prefix: Annotated[
        str | None, typer.Option("--prefix", help="Prefix of every topic and Redis key.")
    ] = None,
    kafka_servers: Annotated[str | None, typer.Option("--kafka-servers", help="Kafka's host:port.")] = None,
    redis_host: Annotated[str | None, typer.Option("--redis-host", help="Redis's host.")] = None,
    redis_port: Annotated[int | None, typer.Option("--redis-port", help="Redis's port.")] = None,
    log_level: Annotated[str | None, typer.Option("--log-level", help="DEBUG, INFO, WARNING, ERROR.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Card fraud, scored exactly once as it streams through Kafka."""
    flags = {
        "config": config,
        "profile": profile,
        "prefix": prefix,
        "kafka.servers": kafka_servers,
        "redis.host": redis_host,
        "redis.port": redis_port,
        "log_level": log_level,
    }
    context: Context = ctx.obj
    context.debug = debug
    context.flags |= {name: value for name, value in flags.items() if value is not None}


def main(args: list[str] | None = None) -> int:
    """Run one command line and return its exit code; nothing escapes as a traceback unasked."""
    from sentinel_cli import boundary

    context = Context()
    command = typer.main.get_command(app)
    return boundary.run(lambda: command.main(args, prog_name="sentinel", obj=context), context)
