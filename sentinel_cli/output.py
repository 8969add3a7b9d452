"""Data for machines, on stdout: JSON without colour, and nothing else between.

Purpose: `--json` prints either one document (``emit_json``) or one object a line (``emit_line``).
A reader that goes away (`| head -1`) raises BrokenPipeError, which the error boundary in `app`
turns into a quiet end.

Not here: text for people (``Context.out``), messages (``Context.err``).
"""

from __future__ import annotations

import re
import sys
from pathlib import PurePath
from typing import Any

import msgspec
import typer

from sentinel_cli.errors import UsageError

_CONTROL = re.compile(r"[\0-\x08\x0b-\x1f\x7f-\x9f]")


def emit_json(document: object) -> None:
    """One document, as `as_json` has it."""
    _write(as_json(document))


def as_json(document: object) -> bytes:
    """One document, indented by two spaces. Takes what msgspec encodes, paths and numpy numbers."""
    return msgspec.json.format(_encode(document), indent=2)


def emit_line(document: object) -> None:
    """One object on one line, flushed, so that a reader of a stream sees it at once."""
    _write(_encode(document))


def moment(rfc3339: str) -> str:
    """A time to the second, for people: 2017-12-10 19:45:08."""
    return rfc3339[:19].replace("T", " ")


def printable(text: str) -> str:
    """Text from a record as it is, but for what a terminal would obey."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is destroyed; "no" ends the command with exit code 1.

    Raises UsageError where nobody can answer and ``--yes`` was not given.
    """
    if yes:
        return
    from rich.console import Console
    from rich.prompt import Confirm

    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody can answer here: add --yes to go on without asking.")
    # rich asks instead of typer so that Ctrl-C at the question is an interrupt, and "no" is a no.
    if not Confirm.ask(question, console=Console(stderr=True), default=False):
        raise typer.Abort


def _write(text: bytes) -> None:
    sys.stdout.write(text.decode() + "\n")
    sys.stdout.flush()


def _encode(document: object) -> bytes:
    return msgspec.json.encode(document, enc_hook=_plain)


def _plain(value: Any) -> Any:
    """Paths become text, numpy's numbers Python's."""
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "item"):
        return value.item()
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")
