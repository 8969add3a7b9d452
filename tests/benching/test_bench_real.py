"""`sentinel bench` as a process, on the real servers, so short that its figures say nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from profiles import connection
from sentinel_cli.streaming import kafka

if TYPE_CHECKING:
    from sentinel_cli.config import Settings

pytestmark = [pytest.mark.real, pytest.mark.apache]


def command(settings: Settings, *arguments: str) -> list[str]:
    servers = [
        *("--kafka-servers", settings.kafka.servers),
        *("--redis-host", settings.redis.host, "--redis-port", str(settings.redis.port)),
        *("--prefix", settings.prefix),
    ]
    return [sys.executable, "-m", "sentinel_cli", *servers, "bench", *arguments]


def bench(settings: Settings, *arguments: str) -> dict[str, Any]:
    ran = subprocess.run(command(settings, *arguments, "--json"), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return dict(json.loads(ran.stdout))


@pytest.fixture
def nothing_left(settings: Settings) -> Iterator[None]:
    """Neither a topic nor a group nor a key of a benchmark stands on the servers afterwards."""
    yield
    admin, ours = kafka.admin(settings), f"{settings.prefix}.bench-"
    assert [name for name in admin.list_topics(timeout=10).topics if name.startswith(ours)] == []
    groups = admin.list_consumer_groups(request_timeout=10).result().valid
    assert [each.group_id for each in groups if each.group_id.startswith(ours)] == []
    client = connection.connect_to(settings.redis)
    assert list(client.scan_iter(f"{ours}*", count=10_000)) == []
    client.close()


@pytest.mark.usefixtures("nothing_left")
def test_detect(settings: Settings) -> None:
    told = bench(
        settings, "detect", "--records", "5000", "--users", "700", "--rounds", "2", "--partitions", "3"
    )
    assert told["tps"] > 0
    assert told["raw_drain_tps"] > 0
    assert told["ratio_to_raw"] > 0
    assert told["cpu_us_per_tx"] > 0
    assert told["peak_rss_mb"] > 50
    assert told["start_s"] > 0
    assert (told["users"], told["rounds"], told["partitions"], told["workers"]) == (700, 2, 3, 1)
    assert told["source"] in {"native", "plain"}
    assert told["delivery"] == "idempotent"
    assert told["broker"]
    spread = told["spread"]["tps"]
    assert spread["min"] <= told["tps"] <= spread["max"]
    assert told["redis_bytes_per_profile"] > 200
    assert told["machine"]["cores"] >= 1


@pytest.mark.usefixtures("nothing_left")
def test_latency(settings: Settings) -> None:
    told = bench(settings, "latency", "--rate", "1000", "--seconds", "2")
    assert told["rate"] == 1000
    assert 0 < told["p50_ms"] <= told["p99_ms"] <= told["p999_ms"] <= told["max_ms"]
    assert told["alerts"] > 5


@pytest.mark.usefixtures("nothing_left")
def test_burst(settings: Settings) -> None:
    told = bench(settings, "burst", "--rate", "500", "--times", "4", "--seconds", "1.5")
    for phase in ("before", "during", "after"):
        found = told[phase]
        assert 0 < found["p50_ms"] <= found["p99_ms"] <= found["p999_ms"] <= found["max_ms"]
        assert found["most_lag"] >= 0
    assert told["during"]["achieved_rate"] > 2 * told["before"]["achieved_rate"]
    assert "catch_up_s" in told


@pytest.mark.usefixtures("nothing_left")
def test_a_cache_that_is_too_small(settings: Settings) -> None:
    told = bench(
        settings, "detect", "--records", "20000", "--users", "5000", "--cache", "500", "--rounds", "1"
    )
    assert (told["cache"], told["alerts"] > 100) == (500, True)


@pytest.mark.usefixtures("nothing_left")
def test_ctrl_c_leaves_nothing(settings: Settings) -> None:
    with subprocess.Popen(
        command(settings, "detect", "--records", "20000", "--rounds", "1000"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "1 of 1000" in line:  # so a detector is at work, or starts
                process.send_signal(signal.SIGINT)
                break
        assert process.stderr.read() == ""
        assert process.wait() == 130
