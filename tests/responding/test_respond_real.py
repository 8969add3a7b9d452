"""`sentinel respond` as a process, on the real servers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import TopicPartition

from profiles import blocks, cases, connection
from profiles.keys import Keys
from sentinel_cli.config import Settings
from sentinel_cli.records import Response
from sentinel_cli.streaming import kafka, topics
from tests.responding.fakes import POLICY, alert
from tests.topic import read

pytestmark = pytest.mark.real

PARTITIONS = 3
SCORES = (0.75, 0.85, 0.95, 0.99)


def produce(settings: Settings, *values: tuple[str, bytes | None], partition: int = -1) -> None:
    topics.ensure(settings, partitions=PARTITIONS)
    producer = kafka.producer(settings)
    for user, value in values:
        producer.produce(settings.topic("fraud-alerts"), value, user, partition=partition)
    assert producer.flush(30) == 0


def alerts(count: int, first: int = 0) -> list[tuple[str, bytes | None]]:
    """A quarter of each severity, forty users."""
    return [
        (f"user_{n % 40}", alert(n, f"user_{n % 40}", SCORES[n // 40 % 4]))
        for n in range(first, first + count)
    ]


def start(settings: Settings, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    environment = os.environ | {
        "KAFKA_SERVERS": settings.kafka.servers,
        "REDIS_HOST": settings.redis.host,
        "REDIS_PORT": str(settings.redis.port),
        "SENTINEL_PREFIX": settings.prefix,
        "SENTINEL_RESPOND_POLICY": str(POLICY),
        **environ,
    }
    command = [sys.executable, "-m", "sentinel_cli", "respond", *arguments]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def respond(settings: Settings, *arguments: str, **environ: str) -> dict[str, Any]:
    process = start(settings, "--exit-at-end", "--json", *arguments, **environ)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    return dict(json.loads(out))


class Stored:
    """What a responder has left in Redis."""

    def __init__(self, settings: Settings) -> None:
        self.client: Any = connection.connect_to(settings.redis)
        self.alerts = Keys(settings.redis_prefix, settings.topic("fraud-alerts"))
        self.transactions = Keys(settings.redis_prefix, settings.topic("transactions"))

    def offsets(self) -> list[int]:
        return [int(at or 0) for at in self.client.mget([self.alerts.offset(p) for p in range(PARTITIONS)])]

    def everything(self) -> dict[str, object]:
        """Who was acted on, the cases with their alerts, the blocks; times of acting left out."""
        done, found = set(), {}
        for partition in range(PARTITIONS):
            done |= set(self.client.zrange(self.alerts.done(partition), 0, -1))
            for case_id in self.client.zrange(self.alerts.cases(partition), 0, -1):
                case = cases.get(self.client, self.alerts, partition, case_id.decode())
                assert case is not None
                joined = cases.alerts(self.client, self.alerts, partition, case.case_id)
                assert case.alerts == len(joined)
                found[case.case_id] = (case.user_id, case.severity, joined)
        return {"done": done, "cases": found, "blocks": blocks.read(self.client, self.transactions, 3, 0)[1]}


def test_every_alert_is_acted_on_once_and_running_again_does_nothing(settings: Settings) -> None:
    given = alerts(400)
    produce(settings, *given, *given[:50])
    summary = respond(settings)
    assert (summary["processed"], summary["acted"], summary["duplicates"]) == (450, 400, 50)
    assert summary["severities"] == {"LOW": 120, "MEDIUM": 120, "HIGH": 80, "CRITICAL": 80}
    assert (summary["blocked"], summary["cases"]) == (80, 40)
    assert summary["step_ms"]["block"]["p50"] > 0
    responses = [
        msgspec.json.decode(m.value() or b"", type=Response) for m in read(settings, "alert-responses")
    ]
    assert len({each.response_id for each in responses}) == len(responses) == 400
    assert {each.source.topic for each in responses} == {settings.topic("fraud-alerts")}
    assert len(Stored(settings).everything()["blocks"]) == 40  # type: ignore[arg-type]
    assert respond(settings)["processed"] == 0


def test_the_offset_is_committed_for_lag_tools(settings: Settings) -> None:
    produce(settings, *alerts(100))
    respond(settings)
    group = kafka.consumer(settings, kafka.group(settings, "respond"))
    places = [TopicPartition(settings.topic("fraud-alerts"), p) for p in range(PARTITIONS)]
    committed = [place.offset for place in group.committed(places, timeout=10)]
    group.close()
    assert committed == Stored(settings).offsets()
    assert sum(committed) == 100


def test_malformed_alerts_are_set_aside_and_the_worker_goes_on(settings: Settings) -> None:
    produce(settings, ("a", b"{broken"), ("b", None), *alerts(10))
    summary = respond(settings)
    assert (summary["processed"], summary["acted"], summary["dead_letters"]) == (12, 10, 2)
    letters = {m.key(): (m.value(), dict(m.headers() or [])) for m in read(settings, "fraud-alerts.dlq")}
    assert letters[b"a"][0] == b"{broken"
    assert letters[b"a"][1]["source.topic"] == settings.topic("fraud-alerts").encode()
    assert letters[b"b"] == (None, {**letters[b"b"][1], "error": b"the record has no value"})


def test_two_workers_share_the_partitions(settings: Settings) -> None:
    produce(settings, *alerts(300))
    summary = respond(settings, "--workers", "2")
    assert summary["acted"] >= 300
    assert len(Stored(settings).everything()["done"]) == 300  # type: ignore[arg-type]


def test_sigterm_saves_and_says_what_was_done(settings: Settings) -> None:
    produce(settings, *alerts(100))
    process, stored = start(settings, "--json"), Stored(settings)
    deadline = time.monotonic() + 60
    while sum(stored.offsets()) < 100:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert json.loads(out)["acted"] == 100


@pytest.mark.parametrize("delivery", ["idempotent", pytest.param("transactional", marks=pytest.mark.apache)])
def test_a_crash_repeats_a_batch_and_nothing_else(settings: Settings, tmp_path: Path, delivery: str) -> None:
    """Killed again and again while it works; what is in Redis equals one uninterrupted run."""
    file = tmp_path / "sentinel.toml"
    file.write_text(
        f'delivery = "{delivery}"\n[kafka]\n"group.instance.id" = "one"\n[respond]\nbatch_size = 20\n'
    )
    stored = Stored(settings)
    produce(settings, *alerts(4_000))
    kills = 0
    while (before := sum(stored.offsets())) < 3_000 and kills < 5:
        process = start(settings, SENTINEL_CONFIG=str(file))
        while sum(stored.offsets()) == before:
            assert process.poll() is None, process.communicate()
            time.sleep(0.005)
        process.kill()
        process.communicate()
        kills += 1
    assert kills > 2
    respond(settings, SENTINEL_CONFIG=str(file))
    crashed = stored.everything()
    responses = [
        msgspec.json.decode(m.value() or b"", type=Response) for m in read(settings, "alert-responses")
    ]
    assert {each.alert_id.encode() for each in responses} == crashed["done"]
    assert len(crashed["done"]) == 4_000
    assert len(responses) == 4_000 or delivery == "idempotent"
    stored.client.unlink(*stored.client.scan_iter(f"{settings.redis_prefix}:*", count=10_000))
    assert respond(settings)["acted"] == 4_000
    assert stored.everything() == crashed


@pytest.mark.apache
def test_alerts_that_kafka_no_longer_has_are_named(settings: Settings) -> None:
    produce(settings, *alerts(10), partition=1)
    respond(settings)
    produce(settings, *alerts(30, first=10), partition=1)
    place = TopicPartition(settings.topic("fraud-alerts"), 1, 25)
    admin = kafka.admin(settings)
    for future in admin.delete_records([place]).values():
        future.result()
    process = start(settings, "--exit-at-end")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"{settings.topic('fraud-alerts')}, partition 1" in err
    assert "offsets 10 to 24" in err
    assert respond(settings, "--accept-loss")["acted"] == 15
    assert respond(settings)["acted"] == 0


def test_a_redis_that_is_not_there_is_one_sentence(settings: Settings) -> None:
    topics.ensure(settings, partitions=PARTITIONS)
    began = time.monotonic()
    process = start(settings, REDIS_PORT="1")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "Redis does not answer at 127.0.0.1:1" in err
    assert time.monotonic() - began < 10


@pytest.mark.apache
def test_an_offset_beyond_the_end_is_no_reason_to_start_anywhere(settings: Settings) -> None:
    produce(settings, *alerts(10), partition=1)
    stored = Stored(settings)
    stored.client.set(stored.alerts.offset(1), 500)
    process = start(settings, "--exit-at-end")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Offset 500 comes next" in err
    assert "it ends at 10" in err
    assert respond(settings, "--accept-loss")["acted"] == 10
