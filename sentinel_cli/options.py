"""Option types that several commands share, each defined once.

    def command(ctx: typer.Context, json: JsonFlag = False, workers: Workers = 1) -> None: ...

Not here: options of a single command (its own file), and the global ones (`app`).
"""

from __future__ import annotations

from typing import Annotated

import typer

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of text.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Workers = Annotated[int, typer.Option("--workers", min=1, help="Worker processes in the consumer group.")]
MappingFile = Annotated[
    str | None,
    typer.Option(
        "--mapping",
        metavar="FILE",
        help="TOML file that says which column is which, or one of ours: ieee_cis, handbook, sparkov.",
    ),
]
ExitAtEnd = Annotated[
    bool,
    typer.Option("--exit-at-end", help="Process up to the end offsets seen at start, then stop."),
]
MetricsPort = Annotated[
    int | None,
    typer.Option("--metrics-port", min=1, max=65535, help="Serve Prometheus metrics on this port."),
]
LOOPBACK = "127.0.0.1"
MetricsHost = Annotated[
    str, typer.Option("--metrics-host", help="Where to serve them; 0.0.0.0 for other machines.")
]
