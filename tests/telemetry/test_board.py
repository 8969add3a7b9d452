from __future__ import annotations

import time
import uuid

import pytest
from redis import Redis

from sentinel_cli.telemetry import board
from sentinel_cli.telemetry.stats import WorkerSnapshot

pytestmark = pytest.mark.real


def snapshot(worker_id: str, **more: float) -> WorkerSnapshot:
    return WorkerSnapshot(worker_id=worker_id, role="detect", host="h", pid=1, started_at=0.0, **more)  # type: ignore[arg-type]


@pytest.fixture
def prefix() -> str:
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def client(redis_url: str) -> Redis:
    return Redis.from_url(redis_url)


def test_what_workers_publish_is_read_back_in_order(client: Redis, prefix: str) -> None:
    shown = [snapshot("b", processed=7), snapshot("a")]
    for one in shown:
        board.publish(client, prefix, one)
    assert board.read(client, prefix) == shown[::-1]
    assert board.read(client, f"{prefix}x") == []


def test_the_latest_snapshot_stands_and_expires(client: Redis, prefix: str) -> None:
    board.publish(client, prefix, snapshot("a", processed=1))
    board.publish(client, prefix, snapshot("a", processed=2))
    assert [one.processed for one in board.read(client, prefix)] == [2]
    assert 0 < client.ttl(f"{prefix}:workers:a") <= board.EXPIRY_S


def test_a_worker_that_ends_leaves_at_once(client: Redis, prefix: str) -> None:
    board.publish(client, prefix, snapshot("a"))
    board.withdraw(client, prefix, "a")
    assert board.read(client, prefix) == []


def test_ids_of_the_long_dead_are_forgotten(client: Redis, prefix: str) -> None:
    board.publish(client, prefix, snapshot("old", published_at=time.time() - 2 * board.FORGET_S))
    board.publish(client, prefix, snapshot("new"))
    assert client.zrange(f"{prefix}:workers", 0, -1) == [b"new"]
