"""Option types that several commands share, and what their text means, each defined once.

    def command(ctx: typer.Context, json: JsonFlag = False, workers: Workers = 1) -> None: ...

Not here: options of a single command (its own file), and the global ones (`app`).
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from sentinel_cli.errors import UsageError
from sentinel_cli.records import EPOCH

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
BEGINNING = "beginning"
LOOPBACK = "127.0.0.1"
MetricsHost = Annotated[
    str, typer.Option("--metrics-host", help="Where to serve them; 0.0.0.0 for other machines.")
]


def instant(option: str, text: str | None) -> int | None:
    """A moment as an option takes it, RFC 3339 with UTC where no zone is given: microseconds since 1970.

    Raises UsageError.
    """
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option} {text!r} is not a time: write it as 2026-01-31T12:00:00Z.") from error
    return ((found if found.tzinfo else found.replace(tzinfo=UTC)) - EPOCH) // timedelta(microseconds=1)


def since(text: str) -> int | None:
    """What `--since` says, microseconds since 1970: a time, how long ago as in 2h, or beginning, which is
    None. Raises UsageError."""
    if text == BEGINNING:
        return None
    if is_duration(text):
        return time.time_ns() // 1_000 - duration("--since", text)
    return instant("--since", text)


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def is_duration(text: str) -> bool:
    return _DURATION.fullmatch(text) is not None


def duration(option: str, text: str) -> int:
    """Microseconds of "90s", "12h", "30d". Raises UsageError."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise UsageError(f"{option} {text!r} is not a duration: write it as 90s, 15m, 12h, 30d or 2w.")
    return timedelta(**{_UNITS[found[2]]: float(found[1])}) // timedelta(microseconds=1)
