"""The command line: which commands there are, and the options that all of them take.

Purpose: ``COMMANDS`` lists every command. A command's module is imported when that command is
invoked or its own help is asked for; `sentinel --help` and completion read the table alone.

Design: `commands/<name>.py` holds a function ``command``, or for a group of subcommands a
``typer.Typer`` called ``app``. The global options may stand before the command or after it.

Not here: what a command does, and how an error ends one (`boundary`).
"""

from __future__ import annotations

import copy
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from sentinel_cli import __version__, boundary, packages
from sentinel_cli.context import Context


class Entry(NamedTuple):
    """One line of `sentinel --help`, in the panel that it stands in."""

    help: str
    panel: str


RUN, SEE, DATA, KEEP = "Run the pipeline", "See and ask", "Data", "Servers and settings"

COMMANDS: dict[str, Entry] = {
    "demo": Entry("Watch fraud being caught, everything in one terminal.", RUN),
    "produce": Entry("Write synthetic transactions and their fraud labels to Kafka.", RUN),
    "replay": Entry("Write a file's transactions to Kafka, as they happened.", RUN),
    "detect": Entry("Score transactions, raise alerts, keep every user's profile.", RUN),
    "respond": Entry("Act on alerts: block users, open cases, record every step.", RUN),
    "top": Entry("Live view: throughput, lag, latency, alerts and their reasons.", SEE),
    "alerts": Entry("List alerts, open one, compute its score again.", SEE),
    "dlq": Entry("Records that could not be read: why, and back again.", SEE),
    "profiles": Entry("What is known about each user.", SEE),
    "backtest": Entry("What would have been decided, and what that is worth.", DATA),
    "analyze": Entry("What a file of transactions holds, and what tells fraud in it.", DATA),
    "fit": Entry("Learn a scorecard from a file whose fraud is known.", DATA),
    "datasets": Entry("Import IEEE-CIS, describe a file, synthesize one.", DATA),
    "bench": Entry("Measure throughput and latency on this machine.", KEEP),
    "up": Entry("Start a local Kafka and Valkey, without Docker or Java.", KEEP),
    "down": Entry("Stop the local servers.", KEEP),
    "status": Entry("Which local servers run, where they listen and log.", KEEP),
    "doctor": Entry("Check Kafka, Redis and the settings, end to end.", KEEP),
    "topics": Entry("Create and list the topics.", KEEP),
    "config": Entry("Show, check or write the settings.", KEEP),
}

# The global options that are settings, by their parameter's name in `options` below.
FLAGS = {
    "config": "config",
    "profile": "profile",
    "prefix": "prefix",
    "kafka_servers": "kafka.servers",
    "redis_host": "redis.host",
    "redis_port": "redis.port",
    "log_level": "log_level",
}


class Commands(TyperGroup):
    """The root group: lists commands by the table, and loads one when it is resolved."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {
            name: TyperCommand(name, help=entry.help, rich_help_panel=entry.panel)
            for name, entry in COMMANDS.items()
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        name, _, rest = super().resolve_command(ctx, args)
        return name, self.load(name) if name else None, rest

    def load(self, name: str) -> Any:
        """Import one command's module and make it a command of this application."""
        module = importlib.import_module(f"commands.{name}")
        command: Any
        if hasattr(module, "app"):
            command = typer.main.get_group(module.app)
            command.help = command.help or COMMANDS[name].help
        else:
            single = typer.Typer(add_completion=False)
            single.command()(module.command)
            command = typer.main.get_command(single)
        command.name = name
        self._adopt(command)
        return command

    def _adopt(self, command: Any) -> None:
        """Give a loaded command, and what is below it, our way of showing help and our options."""
        command.rich_markup_mode = self.rich_markup_mode
        command.help = _reflowed(command.help or "")
        if isinstance(command, TyperGroup):
            for below in command.commands.values():
                self._adopt(below)
        taken = {spelling for param in command.params for spelling in param.opts}
        ours = [param for param in self.params if param.name in {*FLAGS, "debug"}]
        command.params += [_hidden(param) for param in ours if not taken & set(param.opts)]


def _reflowed(text: str) -> str:
    """Paragraphs as one line each, so that a terminal breaks them where it ends; lists as they are."""
    return "\n\n".join(
        part if "\n " in part or "\n-" in part else part.replace("\n", " ") for part in text.split("\n\n")
    )


def _hidden(param: Any) -> Any:
    """A global option as a command takes it: not listed again, not an argument of the function."""
    twin = copy.copy(param)
    twin.hidden, twin.expose_value, twin.callback = True, False, _take
    return twin


def _take(ctx: typer.Context, param: Any, value: Any) -> None:
    if not ctx.resilient_parsing:
        _note(ctx.obj, **{param.name: value})


def _note(context: Context, **given: object) -> None:
    """Keep what was given on the command line; None and False were not."""
    context.debug |= bool(given.get("debug"))
    context.flags |= {
        FLAGS[name]: value for name, value in given.items() if name in FLAGS and value is not None
    }


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sentinel {__version__}")
        raise typer.Exit


app = typer.Typer(cls=Commands, no_args_is_help=True)


@app.callback()
def options(
    ctx: typer.Context,
    config: Annotated[Path | None, typer.Option(help="Settings file instead of ./sentinel.toml.")] = None,
    profile: Annotated[str | None, typer.Option(help="Profile of the settings file.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Prefix of every topic and Redis key.")] = None,
    kafka_servers: Annotated[str | None, typer.Option(help="Kafka's host:port,…")] = None,
    redis_host: Annotated[str | None, typer.Option(help="Host of Redis or Valkey.")] = None,
    redis_port: Annotated[int | None, typer.Option(help="Its port.")] = None,
    log_level: Annotated[str | None, typer.Option(help="DEBUG, INFO, WARNING, ERROR or CRITICAL.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Card fraud, scored exactly once as it streams through Apache Kafka.

    These options may stand before the command or after it.
    """
    _note(
        ctx.obj,
        config=config,
        profile=profile,
        prefix=prefix,
        kafka_servers=kafka_servers,
        redis_host=redis_host,
        redis_port=redis_port,
        log_level=log_level,
        debug=debug,
    )


def root() -> Any:
    """The whole command line as one command, with panels on a terminal and plain text elsewhere."""
    command: Any = typer.main.get_command(app)
    command.rich_markup_mode = "rich" if sys.stdout.isatty() else None
    return command


def main(args: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; no traceback unless it is asked for."""
    context = Context()

    def run() -> None:
        packages.check()
        root().main(args, prog_name="sentinel", obj=context)

    return boundary.run(run, context)
