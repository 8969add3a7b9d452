"""`sentinel down`: stop the local servers, and with --erase forget what they hold."""

from __future__ import annotations

from typing import Annotated

import typer

from sentinel_cli.context import Context
from sentinel_cli.options import DryRun, JsonFlag, Yes
from sentinel_cli.output import confirm, emit_json

Erase = Annotated[bool, typer.Option("--erase", help="Also remove topics, profiles and logs.")]


def command(
    ctx: typer.Context,
    erase: Erase = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: JsonFlag = False,
) -> None:
    """Stop the local Kafka and Valkey; their data stays.

    With --erase the data goes too: topics, profiles, cases, logs.
    """
    from sentinel_cli import stack

    context: Context = ctx.obj
    home = context.settings.home
    doomed = [str(path) for path in stack.data(home)] if erase else []
    if dry_run:
        found = stack.status(home)
        names = [server.name for server in found.servers if server.running] if found else []
    else:
        if doomed:
            confirm(f"Remove {', '.join(doomed)} for good?", yes=yes)
        names = [server.name for server in stack.stop(home, stack.ConsoleReport(context.err))]
        if erase:
            stack.erase(home)
    if json:
        emit_json({"stopped": names, "erased": doomed, "dry_run": dry_run})
    else:
        context.out.print(_sentence(names, doomed, dry_run=dry_run), markup=False)


def _sentence(names: list[str], doomed: list[str], *, dry_run: bool) -> str:
    would = "Would have " if dry_run else ""
    stopped = (
        f"{would}{'s' if would else 'S'}topped {' and '.join(names)}." if names else "Nothing was running."
    )
    erased = f" {would}{'r' if would else 'R'}emoved {', '.join(doomed)}." if doomed else ""
    return stopped + erased
