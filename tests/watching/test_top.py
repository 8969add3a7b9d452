"""`sentinel top` against real servers, with snapshots, offsets and alerts put there by hand."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from profiles import connection
from profiles.keys import Keys
from sentinel_cli.records import Alert, Contribution, Source
from sentinel_cli.streaming import kafka, topics
from sentinel_cli.telemetry import board
from sentinel_cli.telemetry.stats import LatencyHistogram, WorkerSnapshot
from sentinel_cli.watching import tail
from sentinel_cli.watching.observer import Observer
from tests.terminal import ALTERNATE_SCREEN, CTRL_C, CURSOR_SHOWN, NORMAL_SCREEN, Terminal

if TYPE_CHECKING:
    from sentinel_cli.config import Settings


def alert(n: int, reason: str = "a device never seen for this user") -> Alert:
    return Alert(
        alert_id=f"alert_{n}",
        timestamp="2026-01-01T14:32:34Z",
        user_id=f"user_{n:06d}",
        fraud_score=0.91,
        severity="HIGH",
        risk_factors={},
        contributions=[
            Contribution("hour", 3.0, -2.5, "their usual hour"),
            Contribution("device", 1.0, 2.0, reason),
        ],
        transaction_details=msgspec.Raw(b'{"transaction_id":"T1","amount":99.5,"currency":"EUR"}'),
        profile_before={},
        config_version="v",
        source=Source("transactions", 0, n),
    )


def send(settings: Settings, topic: str, values: list[bytes], partition: int = 0) -> None:
    producer = kafka.producer(settings)
    for value in values:
        producer.produce(settings.topic(topic), value, partition=partition)
    producer.flush()


def worker(published_at: float, processed: int) -> WorkerSnapshot:
    latency = LatencyHistogram()
    latency.add([5.0] * processed)
    return WorkerSnapshot(
        worker_id="d",
        role="detect",
        host="h",
        pid=7,
        started_at=0.0,
        published_at=published_at,
        processed=processed,
        alerts={"HIGH": 3},
        latency=latency.counts(),
    )


def top(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(settings, *arguments), capture_output=True, text=True, check=False)


def command(settings: Settings, *arguments: str) -> list[str]:
    place = settings.redis
    return [
        *(sys.executable, "-m", "sentinel_cli", "top", *arguments, "--prefix", settings.prefix),
        *(
            "--kafka-servers",
            settings.kafka.servers,
            "--redis-host",
            place.host,
            "--redis-port",
            str(place.port),
        ),
    ]


@pytest.fixture
def traffic(settings: Settings) -> Settings:
    """120 transactions on partition 0, of which 100 are done; five alerts, of which the first is no JSON."""
    topics.ensure(settings, partitions=2)
    send(settings, topics.TRANSACTIONS, [b"{}"] * 120)
    send(settings, topics.FRAUD_ALERTS, [b"no alert", *(msgspec.json.encode(alert(n)) for n in (1, 2, 2, 3))])
    client = connection.connect_to(settings.redis)
    client.set(Keys(settings.redis_prefix, settings.topic(topics.TRANSACTIONS)).offset(0), "100")
    return settings


@pytest.mark.real
def test_json_has_everything_also_when_no_worker_runs(traffic: Settings) -> None:
    ran = top(traffic, "--json")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["lag"] == 20
    assert found["lag_by_partition"] == {
        "0": 20,
        "1": 0,
        **{p: 0 for p in found["lag_by_partition"] if p > "1"},
    }
    assert found["alerts_lag"] == 5
    assert found["workers"] == []
    assert found["throughput_tps"] == 0
    assert found["latency_ms"]["p50"] is None
    assert found["alerts"] == {"CRITICAL": 0, "HIGH": 0, "MEDIUM": 0, "LOW": 0}
    assert {line["alert_id"] for line in found["latest_alerts"]} == {"alert_1", "alert_2", "alert_3"}
    assert found["latest_alerts"][0]["reason"] == "a device never seen for this user"
    assert found["latest_alerts"][0]["amount"] == 99.5


@pytest.mark.real
def test_one_frame_without_a_terminal(traffic: Settings) -> None:
    ran = top(traffic)
    assert ran.returncode == 0, ran.stderr
    assert "No worker is running" in ran.stdout
    assert "20 transactions to score" in ran.stdout
    assert "user_000002" in ran.stdout
    assert "\x1b" not in ran.stdout


@pytest.mark.real
def test_watching_joins_no_group_and_commits_nothing(traffic: Settings) -> None:
    assert top(traffic, "--json").returncode == 0
    if kafka.is_mock(kafka.reachable(traffic)):
        pytest.skip("the mock cluster lists no groups")
    admin = kafka.admin(traffic)
    groups = [group.group_id for group in admin.list_consumer_groups(request_timeout=10).result().valid]
    assert not [name for name in groups if "top" in name]


@pytest.mark.real
def test_rates_come_from_two_snapshots(traffic: Settings) -> None:
    client = connection.connect_to(traffic.redis)
    with Observer(traffic) as observer:
        board.publish(client, traffic.redis_prefix, worker(100.0, 1_000))
        wait_for(lambda: bool(observer.picture().workers))
        board.publish(client, traffic.redis_prefix, worker(102.0, 5_000))
        observer.settle()
        found = observer.picture()
    assert found.throughput_tps == 2_000
    assert found.latency_ms.p50 == pytest.approx(5.0, rel=0.03)
    assert found.alerts["HIGH"] == 3
    assert [(line.role, line.pid) for line in found.workers] == [("detect", 7)]


@pytest.mark.real
def test_alerts_that_come_faster_than_anyone_reads_are_skipped(traffic: Settings) -> None:
    with Observer(traffic) as observer:
        observer.settle()
        send(traffic, topics.FRAUD_ALERTS, [msgspec.json.encode(alert(n)) for n in range(10, 2_010)])
        wait_for(lambda: "alert_2009" in {line.alert_id for line in observer.picture().latest_alerts})
        shown = {line.alert_id for line in observer.picture().latest_alerts}
    assert len(shown) <= tail.KEPT
    assert "alert_500" not in shown


@pytest.mark.real
def test_topics_that_do_not_exist_yet_are_said_and_not_made(settings: Settings) -> None:
    ran = top(settings, "--once")
    assert ran.returncode == 0
    assert f"Kafka has no topic '{settings.topic(topics.TRANSACTIONS)}' yet" in ran.stdout
    assert not any(state.exists for state in topics.describe(settings))


def test_a_redis_that_does_not_answer_ends_it_within_ten_seconds(free_port: int) -> None:
    away(free_port, "--redis-host=127.0.0.1", f"--redis-port={free_port}", "--kafka-servers=127.0.0.1:1")


@pytest.mark.real
def test_a_kafka_that_does_not_answer_ends_it_within_ten_seconds(settings: Settings, free_port: int) -> None:
    place = settings.redis
    redis = f"--redis-host={place.host}", f"--redis-port={place.port}"
    away(free_port, *redis, f"--kafka-servers=127.0.0.1:{free_port}")


def away(port: int, *addresses: str) -> None:
    begun = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-m", "sentinel_cli", "top", "--json", *addresses],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 3
    assert ran.stdout == ""
    assert f"127.0.0.1:{port}" in ran.stderr
    assert time.monotonic() - begun < 10


@pytest.mark.real
@pytest.mark.parametrize(("end", "code"), [("q", 0), (CTRL_C, 130), (signal.SIGTERM, 130)])
def test_the_terminal_is_as_it_was_however_it_ends(traffic: Settings, end: Any, code: int) -> None:
    with Terminal(command(traffic)) as terminal:
        terminal.read_until(b"latest alerts")
        if isinstance(end, str):
            terminal.type(end)
        else:
            terminal.send(end)
        terminal.read_until(NORMAL_SCREEN)
        assert terminal.code() == code
        assert ALTERNATE_SCREEN in terminal.seen
        assert CURSOR_SHOWN in terminal.seen
        assert terminal.is_as_before()


def wait_for(condition: Any, within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def free_port() -> Iterator[int]:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]  # bound and not listening: every connection is refused
