"""`sentinel doctor`: is everything there that the pipeline needs, and does it work end to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from sentinel_cli.context import Context
from sentinel_cli.errors import SentinelError, Unreachable
from sentinel_cli.options import JsonFlag
from sentinel_cli.output import emit_json

if TYPE_CHECKING:
    from sentinel_cli.checks import Finding

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "skip": "dim"}


def command(ctx: typer.Context, json: JsonFlag = False) -> None:
    """Check Kafka, Redis, the topics, the clocks and this machine.

    Writes a record to a topic of its own, reads it back and removes the topic. Exit code 3 when
    something does not answer, 1 when something answers and does not work.
    """
    from sentinel_cli import checks

    context: Context = ctx.obj
    findings = checks.run(context.settings)
    failed = [finding for finding in findings if finding.status == "fail"]
    if json:
        emit_json({"ok": not failed, "checks": findings})
    else:
        _render(context, findings)
    if silent := [finding.detail for finding in failed if finding.unreachable]:
        raise Unreachable(" ".join(silent))
    if failed:
        raise SentinelError(f"{', '.join(finding.name for finding in failed)}: not well, as the list says.")


def _render(context: Context, findings: list[Finding]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table("check", "", "finding", box=None, pad_edge=False)
    for finding in findings:
        colour = COLOURS[finding.status]
        table.add_row(finding.name, f"[{colour}]{finding.status}[/{colour}]", escape(finding.detail))
    context.out.print(table)
