"""`sentinel detect` as a process, on the real servers."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, TopicPartition

from profiles import connection, layout
from profiles.keys import Keys
from sentinel_cli.config import Settings
from sentinel_cli.records import Alert
from sentinel_cli.streaming import kafka, topics

pytestmark = pytest.mark.real

PARTITIONS = 4
START = datetime(2025, 8, 24, tzinfo=UTC)


def transaction(number: int, user: int, amount: float) -> bytes:
    return msgspec.json.encode(
        {
            "transaction_id": f"T{number}",
            "user_id": f"user_{user:06d}",
            "timestamp": (START + timedelta(seconds=number * 0.7)).isoformat(),
            "amount": amount,
        }
    )


def produce(settings: Settings, count: int, users: int = 500, seed: int = 1) -> None:
    topics.ensure(settings, partitions=PARTITIONS)
    producer, rng = kafka.producer(settings), random.Random(seed)
    for number in range(count):
        user = rng.randrange(users)
        amount = 4_000.0 if rng.random() < 0.01 else round(rng.lognormvariate(3.5, 0.6), 2)
        producer.produce(
            settings.topic("transactions"), transaction(number, user, amount), f"user_{user:06d}"
        )
        producer.poll(0)
    assert producer.flush(30) == 0


def read(settings: Settings, topic: str) -> Iterator[Any]:
    """Every record of a topic as it stands."""
    consumer: Consumer = kafka.consumer(settings, "test-reader", **{"enable.partition.eof": True})
    name = settings.topic(topic)
    parts = list(consumer.list_topics(name).topics[name].partitions)
    consumer.assign([TopicPartition(name, p, OFFSET_BEGINNING) for p in parts])
    while parts:
        message = consumer.poll(10)
        assert message is not None, f"{name} does not answer"
        error = message.error()
        if error is None:
            yield message
        elif error.code() == KafkaError._PARTITION_EOF:
            parts.remove(message.partition())
        else:
            raise AssertionError(error)
    consumer.close()


def start(
    settings: Settings, *arguments: str, command: str = "detect", **environ: str
) -> subprocess.Popen[str]:
    environment = os.environ | {
        "KAFKA_SERVERS": settings.kafka.servers,
        "REDIS_HOST": settings.redis.host,
        "REDIS_PORT": str(settings.redis.port),
        "SENTINEL_PREFIX": settings.prefix,
        "FRAUD_THRESHOLD": "0.1",
        "SENTINEL_DETECT_SCORECARD": str(Path(__file__).parents[1] / "scorecard.toml"),
        **environ,
    }
    words = [sys.executable, "-m", "sentinel_cli", command, *arguments]
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def detect(settings: Settings, *arguments: str, **environ: str) -> dict[str, Any]:
    process = start(settings, "--exit-at-end", "--json", *arguments, **environ)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    return dict(json.loads(out))


def stored(settings: Settings) -> layout.Profiles:
    client: Any = connection.connect_to(settings.redis)
    keys = Keys(settings.redis_prefix, settings.topic("transactions"))
    found = [k for p in range(PARTITIONS) for k in client.scan_iter(keys.profile_pattern(p), count=1000)]
    return layout.from_bytes(client.mget(sorted(found)))


def test_every_transaction_once_and_running_again_does_nothing(settings: Settings) -> None:
    produce(settings, 5_000)
    first = detect(settings)
    assert (first["processed"], first["dead_letters"], first["duplicates"]) == (5_000, 0, 0)
    rows = stored(settings)
    assert rows["total_transactions"].sum() == 5_000
    alerts = [msgspec.json.decode(m.value(), type=Alert) for m in read(settings, "fraud-alerts")]
    assert len({a.alert_id for a in alerts}) == len(alerts) == first["alerts"] == rows["alerts"].sum() > 20
    assert {a.config_version for a in alerts} != {""}
    assert detect(settings)["processed"] == 0


def test_two_workers_share_the_partitions(settings: Settings) -> None:
    produce(settings, 5_000)
    summary = detect(settings, "--workers", "2")
    assert stored(settings)["total_transactions"].sum() == 5_000
    assert summary["processed"] >= 5_000  # a rebalance may repeat a batch that was not saved


def test_malformed_records_are_set_aside_and_the_worker_goes_on(settings: Settings) -> None:
    produce(settings, 100)
    producer = kafka.producer(settings)
    producer.produce(settings.topic("transactions"), b"{broken", "user_000001")
    producer.produce(settings.topic("transactions"), None, "user_000002")
    assert producer.flush(10) == 0
    produce(settings, 100, seed=2)
    summary = detect(settings)
    assert (summary["processed"], summary["dead_letters"]) == (200, 2)
    letters = {m.key(): (m.value(), dict(m.headers())) for m in read(settings, "transactions.dlq")}
    value, headers = letters[b"user_000001"]
    assert value == b"{broken"
    assert b"malformed" in headers["error"]
    assert headers["source.topic"] == settings.topic("transactions").encode()
    assert letters[b"user_000002"][1]["error"] == b"the record has no value"


def test_sigterm_saves_and_says_what_was_done(settings: Settings) -> None:
    produce(settings, 2_000)
    process = start(settings, "--json")
    client: Any = connection.connect_to(settings.redis)
    keys = Keys(settings.redis_prefix, settings.topic("transactions"))
    deadline = time.monotonic() + 60
    offsets = [keys.offset(p) for p in range(PARTITIONS)]
    while not any(int(offset or 0) for offset in client.mget(offsets)):
        assert time.monotonic() < deadline, process.stderr
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    processed = json.loads(out)["processed"]
    assert processed == sum(int(offset) for offset in client.mget(offsets)) > 0
    assert processed == stored(settings)["total_transactions"].sum()


@pytest.mark.parametrize("delivery", ["idempotent", pytest.param("transactional", marks=pytest.mark.apache)])
def test_a_crash_repeats_a_batch_and_nothing_else(settings: Settings, tmp_path: Path, delivery: str) -> None:
    """Killed again and again while it works; what is in Redis equals one uninterrupted run."""
    file = tmp_path / "sentinel.toml"
    file.write_text(
        f'delivery = "{delivery}"\n[kafka]\n"group.instance.id" = "one"\n'
        "[detect]\nbatch_size = 100\nmax_poll_records = 50\n"
    )
    client: Any = connection.connect_to(settings.redis)
    keys = Keys(settings.redis_prefix, settings.topic("transactions"))

    def position() -> int:
        return sum(int(at or 0) for at in client.mget([keys.offset(p) for p in range(PARTITIONS)]))

    produce(settings, 6_000)
    kills = 0
    while position() < 4_000:
        process = start(settings, SENTINEL_CONFIG=str(file))
        before = position()
        while position() == before:
            assert process.poll() is None, process.communicate()
            time.sleep(0.005)
        process.kill()
        process.communicate()
        kills += 1
    assert kills > 3
    detect(settings, SENTINEL_CONFIG=str(file))
    crashed = stored(settings).tobytes()
    said = [m.headers() for m in read(settings, "fraud-alerts")]
    client.unlink(*client.scan_iter(f"{settings.redis_prefix}:*", count=10_000))
    again = detect(settings, SENTINEL_CONFIG=str(file), CONSUMER_GROUP="reference")
    assert again["processed"] == 6_000
    assert stored(settings).tobytes() == crashed
    alerts = stored(settings)["alerts"].sum()
    assert len({str(headers) for headers in said}) == alerts
    assert len(said) == alerts or delivery == "idempotent"


def test_profiles_that_redis_lost_are_made_again(settings: Settings) -> None:
    produce(settings, 3_000)
    first = detect(settings)
    before = stored(settings).tobytes()
    client: Any = connection.connect_to(settings.redis)
    client.unlink(*client.scan_iter(f"{settings.redis_prefix}:*", count=10_000))
    process = start(settings, "--exit-at-end")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "sentinel profiles rebuild" in err
    process = start(settings, "rebuild", "--yes", "--json", command="profiles")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out)["processed"] == 3_000
    assert stored(settings).tobytes() == before
    assert detect(settings)["processed"] == 0
    assert len(list(read(settings, "fraud-alerts"))) == first["alerts"]


@pytest.mark.apache
def test_records_that_expired_are_named_and_only_skipped_when_asked(settings: Settings) -> None:
    produce(settings, 500)
    detect(settings)
    produce(settings, 500, seed=2)
    topic = settings.topic("transactions")
    ends = [TopicPartition(topic, p, OFFSET_END) for p in range(PARTITIONS)]
    admin = kafka.admin(settings)
    for future in admin.delete_records(ends).values():
        future.result(30)
    produce(settings, 100, seed=3)
    process = start(settings, "--exit-at-end")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "were deleted before they were processed" in err
    assert detect(settings, "--accept-loss")["processed"] == 100


@pytest.mark.apache
def test_a_topic_made_anew_is_noticed(settings: Settings) -> None:
    produce(settings, 500)
    detect(settings)
    admin = kafka.admin(settings)
    admin.delete_topics([settings.topic("transactions")])[settings.topic("transactions")].result(30)
    topics.ensure(settings, partitions=PARTITIONS)
    produce(settings, 50, seed=2)
    process = start(settings, "--exit-at-end")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "made anew" in err
    assert detect(settings, "--accept-loss")["processed"] == 50


def test_a_topic_that_is_not_there_is_one_sentence(settings: Settings) -> None:
    process = start(settings, "--exit-at-end")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "sentinel topics create" in err
