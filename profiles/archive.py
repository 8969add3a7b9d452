"""A namespace as one parquet file, and back: profiles, offsets, blocks, cases, all that Redis holds of it.

Purpose: take the state along, to another Redis or to tomorrow.

Design: a row a value: the key, its kind, and of a hash the field, of a sorted set the member and its score;
a list's values stand in their order. Nothing is interpreted, so that what comes back is what went, byte
for byte. Both directions go through in pieces, so memory stays small.

Not here: that nobody writes meanwhile, without which profiles and offsets would not belong together (the
caller's affair).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from profiles.connection import Client
from sentinel_cli.errors import InputError

# Keys that are fetched at once, and rows that are written at once.
AT_ONCE = 1_000

SCHEMA = pa.schema(
    [
        pa.field("key", pa.binary(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("field", pa.binary()),
        pa.field("score", pa.float64()),
        pa.field("value", pa.binary()),
    ]
)
PREFIX = b"sentinel.prefix"
READ = {"string": "GET", "hash": "HGETALL", "list": "LRANGE", "zset": "ZRANGE"}
REST = {"list": (0, -1), "zset": (0, -1, "WITHSCORES")}

Row = tuple[bytes, str, bytes | None, float | None, bytes | None]


def export(client: Client, prefix: str, path: Path) -> int:
    """Write every key below ``prefix`` but the workers' notices; how many keys."""
    names = (key for key in keys(client, prefix) if not key.startswith(f"{prefix}:workers".encode()))
    count = 0
    with pq.ParquetWriter(path, SCHEMA.with_metadata({PREFIX: prefix}), compression="zstd") as writer:
        while some := list(islice(names, AT_ONCE)):
            rows = list(_rows(client, some))
            columns = [list(column) for column in zip(*rows, strict=True)]
            if rows:
                writer.write_table(pa.table(columns, schema=writer.schema))
            count += len({row[0] for row in rows})
    return count


def keys(client: Client, prefix: str) -> Iterator[bytes]:
    """Each key below ``prefix``, once."""
    seen: set[bytes] = set()
    redis: Any = client
    for key in redis.scan_iter(match=f"{prefix}:*", count=AT_ONCE):
        if key not in seen:
            seen.add(key)
            yield key


def restore(client: Client, prefix: str, path: Path) -> int:
    """Write what the file holds; how many keys. Raises InputError for a file that is none of this prefix."""
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{path} cannot be read as parquet: {error}") from error
    of = (file.schema_arrow.metadata or {}).get(PREFIX)
    if of is None or file.schema_arrow.names != SCHEMA.names:
        raise InputError(f"{path} was not written by `sentinel profiles export`.")
    if of.decode() != prefix:
        raise InputError(
            f"{path} holds the namespace {of.decode()!r}, and this is {prefix!r}: set SENTINEL_PREFIX to it."
        )
    written: set[bytes] = set()
    redis: Any = client
    for batch in file.iter_batches(AT_ONCE):
        with redis.pipeline(transaction=False) as pipe:
            for row in batch.to_pylist():
                _put(pipe, row)
                written.add(row["key"])
            pipe.execute()
    return len(written)


def _rows(client: Any, names: list[bytes]) -> Iterator[Row]:
    with client.pipeline(transaction=False) as pipe:
        for key in names:
            pipe.execute_command("TYPE", key)
        kinds = [kind.decode() for kind in pipe.execute()]
        there = [(key, kind) for key, kind in zip(names, kinds, strict=True) if kind in READ]
        for key, kind in there:
            pipe.execute_command(READ[kind], key, *REST.get(kind, ()))
        values = pipe.execute()
    for (key, kind), value in zip(there, values, strict=True):
        yield from _parts(key, kind, value)


def _parts(key: bytes, kind: str, value: Any) -> Iterator[Row]:
    if kind == "string":
        yield key, kind, None, None, value
    elif kind == "list":
        for each in value:
            yield key, kind, None, None, each
    elif kind == "hash":
        for field, each in value.items():
            yield key, kind, field, None, each
    else:
        for member, score in value:
            yield key, kind, member, float(score), None


def _put(pipe: Any, row: dict[str, Any]) -> None:
    key = row["key"]
    match row["kind"]:
        case "string":
            pipe.set(key, row["value"])
        case "list":
            pipe.rpush(key, row["value"])
        case "hash":
            pipe.hset(key, row["field"], row["value"])
        case _:
            pipe.zadd(key, {row["field"]: row["score"]})
