"""`sentinel status`: which local servers run, and where everything of theirs is."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sentinel_cli.context import Context
from sentinel_cli.options import JsonFlag
from sentinel_cli.output import emit_json

if TYPE_CHECKING:
    from sentinel_cli.stack import Server, Stack


def command(ctx: typer.Context, json: JsonFlag = False) -> None:
    """Show the local servers: addresses, processes, versions, data and logs."""
    from sentinel_cli import stack

    context: Context = ctx.obj
    home = context.settings.home
    found = stack.status(home)
    if json:
        emit_json(document(home, found))
    else:
        render(context, found)


def document(home: Path, found: Stack | None) -> dict[str, Any]:
    """The same keys whether or not anything runs."""
    return {
        "running": found is not None and found.ready,
        "mode": found.mode if found else None,
        "home": home,
        "kafka_servers": found.kafka_servers if found else None,
        "redis_host": found.redis_host if found else None,
        "redis_port": found.redis_port if found else None,
        "servers": [_server(server) for server in found.servers] if found else [],
    }


def render(context: Context, found: Stack | None) -> None:
    """Short lines, since paths are long: nothing of them may be cut."""
    if found is None:
        context.out.print("No local servers run; `sentinel up` starts them.")
        return
    for server in found.servers:
        row = _server(server)
        state = f"up {row['uptime']}" if row["running"] else "[red]has ended, its log says why[/red]"
        context.out.print(f"[bold]{server.name}[/bold] {server.version}  {server.address}  {state}")
        for name, value in (("pid", server.pid), ("data", server.data), ("log", server.log)):
            context.out.print(f"  {name:<5}{value}", markup=False, soft_wrap=True)
    if found.mode == "mock":
        context.out.print("Kafka is the mock cluster: its records are gone when it stops.")


def _server(server: Server) -> dict[str, Any]:
    running = server.running
    uptime = timedelta(seconds=int(server.uptime_s)) if running else None
    return {
        "name": server.name,
        "running": running,
        "address": server.address,
        "version": server.version,
        "pid": server.pid,
        "uptime": str(uptime) if uptime is not None else None,
        "uptime_s": round(server.uptime_s, 1) if running else None,
        "data": server.data,
        "log": server.log,
    }
