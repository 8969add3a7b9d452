"""TOML files read into structs, with the line of whatever is wrong in them.

Purpose: scorecards and policies are written by people; an error must name the file, the line and
the key. tomllib knows lines only for broken syntax, msgspec only the path of a wrong value, so the
path is looked up in the text.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TypeVar

import msgspec

from sentinel_cli.errors import ScorecardError

T = TypeVar("T")


def read(path: Path, shape: type[T]) -> tuple[T, str]:
    """The file as ``shape``, and its text. Raises ScorecardError with file, line and reason."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScorecardError(f"{path} cannot be read: {error}") from error
    return parse(text, shape, str(path)), text


def parse(text: str, shape: type[T], name: str) -> T:
    """``text`` as ``shape``. Raises ScorecardError, in which the text is called ``name``."""
    try:
        return msgspec.convert(tomllib.loads(text), shape)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"\(at line (\d+)", str(error))
        line = int(at.group(1)) if at else text.count("\n") + 1
        reason = re.sub(r" \(at .*\)$", "", str(error))
        raise ScorecardError(f"{name}, line {line}: {reason}") from error
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `")
        raise fault(text, name, path.rstrip("`"), reason) from error


def fault(text: str, name: str, path: str, reason: str) -> ScorecardError:
    """The error for what stands at ``path``, written as msgspec writes it: ``$.factor[2].cuts``."""
    where = path.removeprefix("$").lstrip(".")
    return ScorecardError(f"{name}, line {line_of(text, path)}: {where + ': ' if where else ''}{reason}")


def line_of(text: str, path: str) -> int:
    """The line where ``path`` stands in ``text``, or the nearest one above it; 1 if there is none.

    Tables are found by their headers, so inline tables count as a value of their key.
    """
    steps = re.findall(r"\.([A-Za-z_][\w-]*)|\[(\d+)\]", path)
    prefix, index, keys = "", 0, []
    for name, number in steps:
        if name:
            keys.append(name)
        elif len(keys) == 1 and not prefix:
            prefix, index, keys = keys[0], int(number), []
    table, seen, best = "", -1, 1
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\[?\s*([\w.-]+)\s*\]", line)
        if header:
            table = header.group(1)
            seen += table == prefix
            if (prefix and table == prefix and seen == index) or (not prefix and keys and table == keys[0]):
                best = number
            continue
        key = re.match(r"\s*([\w.-]+)\s*=", line)
        inside = (table == prefix and seen == index) if prefix else table in ("", *keys[:1])
        if key and keys and inside and key.group(1) == keys[-1]:
            return number
    return best
