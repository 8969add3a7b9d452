"""TOML files read into structs, with the line of whatever is wrong in them.

Purpose: scorecards and policies are written by people; an error must name the file, the line and
the key. tomllib knows lines only for broken syntax, msgspec only the path of a wrong value.

Design: TOML is read top to bottom, so a value stands where the text, cut off after one line more,
first has its path. That costs a parse a line, and only when there is an error to report.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sentinel_cli.errors import ScorecardError

T = TypeVar("T")


def read(path: Path) -> str:
    """The text of a file. Raises ScorecardError."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScorecardError(f"{path} cannot be read: {error}") from error


def parse(text: str, shape: type[T], name: str) -> T:
    """``text`` as ``shape``. Raises ScorecardError, in which the text is called ``name``."""
    try:
        document = tomllib.loads(text)
        for path in _not_finite(document, "$"):
            raise fault(text, name, path, "nan and inf are no numbers to count with")
        return msgspec.convert(document, shape)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"\(at line (\d+)", str(error))
        line = int(at.group(1)) if at else max(len(text.splitlines()), 1)
        reason = re.sub(r" \(at .*\)$", "", str(error))
        raise ScorecardError(f"{name}, line {line}: {reason}") from error
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `")
        path = path.rstrip("`") or "$"
        unknown = re.fullmatch(r"Object contains unknown field `(.+)`", reason)
        if unknown:
            path, reason = f"{path}.{unknown.group(1)}", "there is no such key"
        missing = re.fullmatch(r"Object missing required field `(.+)`", reason)
        if missing:
            reason = f"the key {missing.group(1)} is missing"
        raise fault(text, name, path, reason) from error


def fault(text: str, name: str, path: str, reason: str) -> ScorecardError:
    """The error for what stands at ``path``, written as msgspec writes it: ``$.factor[2].cuts``."""
    where = path.removeprefix("$").lstrip(".")
    return ScorecardError(f"{name}, line {line_of(text, path)}: {where + ': ' if where else ''}{reason}")


def line_of(text: str, path: str) -> int:
    """The line on which ``path`` begins, or the nearest place around it; the first one for the whole."""
    steps = [int(index) if index else key for key, index in re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", path)]
    lines = text.split("\n")
    while steps:
        begun = 0  # lines that parse as they are: what comes next begins on the line after them
        for count in range(1, len(lines) + 1):
            try:
                document = tomllib.loads("\n".join([*lines[:count], ""]))
            except tomllib.TOMLDecodeError:
                continue  # in the middle of a value
            if _has(document, steps):
                return begun + 1
            begun = count
        steps.pop()
    return 1


def _has(document: Any, steps: list[int | str]) -> bool:
    try:
        for step in steps:
            document = document[step]
    except (KeyError, IndexError, TypeError):
        return False
    return True


def _not_finite(value: Any, path: str) -> Iterator[str]:
    """The paths of every nan and inf: no bound keeps the first out, and none is ever meant."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _not_finite(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _not_finite(item, f"{path}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        yield path
