from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from profiles import archive, blocks, layout
from profiles.connection import Client
from profiles.keys import Keys
from sentinel_cli.errors import InputError

pytestmark = pytest.mark.real


def dumped(redis: Any, prefix: str) -> dict[bytes, bytes]:
    return {key: redis.dump(key) for key in archive.keys(redis, prefix)}


def fill(redis: Any, keys: Keys) -> None:
    rows = layout.empty(1)
    rows["version"], rows["total_amount"] = layout.VERSION, 0.1
    for number in range(2_500):
        redis.set(keys.profile(number % 3, f"user_{number} {{}}\n\xff"), layout.to_bytes(rows)[0])
    for partition in range(3):
        redis.set(keys.offset(partition), 100 + partition)
    blocks.block(redis, keys, 1, "user_1", 2**60, "alert_1")
    redis.zadd(keys.done(0), {"alert_1": 1_693_123_200.25, "alert_2": 3.0})
    redis.rpush(keys.case_alerts(0, "case"), "second", "first", "second")


def test_a_namespace_comes_back_as_it_went(client: Client, keys: Keys, tmp_path: Path) -> None:
    redis: Any = client
    fill(redis, keys)
    redis.set(f"{keys.prefix}:workers:one", "gone in a moment")
    before = dumped(redis, keys.prefix)
    assert archive.export(client, keys.prefix, tmp_path / "a.parquet") == len(before) - 1
    for key in list(before):
        redis.unlink(key)
    assert archive.restore(client, keys.prefix, tmp_path / "a.parquet") == len(before) - 1
    del before[f"{keys.prefix}:workers:one".encode()]
    assert dumped(redis, keys.prefix) == before
    assert blocks.read(client, keys, 1, 0) == (1, {"user_1": 2**60})


def test_another_namespace_and_another_file_are_refused(client: Client, keys: Keys, tmp_path: Path) -> None:
    fill(client, keys)
    archive.export(client, keys.prefix, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="SENTINEL_PREFIX"):
        archive.restore(client, "elsewhere", tmp_path / "a.parquet")
    pq.write_table(pa.table({"key": [1]}), tmp_path / "b.parquet")
    with pytest.raises(InputError, match="sentinel profiles export"):
        archive.restore(client, keys.prefix, tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_text("no parquet")
    with pytest.raises(InputError, match="cannot be read"):
        archive.restore(client, keys.prefix, tmp_path / "c.parquet")
