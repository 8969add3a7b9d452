"""How far a replay came, kept in a file, so that it can go on from there.

Purpose: `sentinel replay --resume`. The position of a replay lies in ``<home>/replays/``, under a name
that follows from the file's content, its destination and its options: other options, another replay.

Design: a position is written only after the broker acknowledged everything before it. A replay that
is killed repeats at most what it sent since, with the same transaction ids.

Not here: when that is (`replaying`).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
from msgspec import Struct

_ENDS = 1 << 20  # bytes at each end of a file that tell it from others


class Position(Struct):
    """Transactions and labels before these indices were sent; in pass k of a loop, indices go on."""

    transaction: int = 0
    label: int = 0


def place(home: Path, file: Path, *options: object) -> Path:
    """Where the position of the replay of ``file`` with these ``options`` lies."""
    digest = hashlib.blake2b(repr(options).encode(), digest_size=16)
    with file.open("rb") as content:
        size = file.stat().st_size
        digest.update(size.to_bytes(8, "big") + content.read(_ENDS))
        content.seek(max(size - _ENDS, 0))
        digest.update(content.read(_ENDS))
    return home / "replays" / f"{digest.hexdigest()}.json"


def load(path: Path) -> Position | None:
    """None where no such replay ever saved one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Position)
    except FileNotFoundError:
        return None


def save(path: Path, position: Position) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_bytes(msgspec.json.encode(position))
    beside.replace(path)
