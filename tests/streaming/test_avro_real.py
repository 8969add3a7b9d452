"""Transactions as Avro on a real Kafka: the same decisions as in JSON."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from profiles import connection
from profiles.keys import Keys
from sentinel_cli.app import main
from sentinel_cli.backtesting import topic
from sentinel_cli.config import Settings
from sentinel_cli.records import Alert
from sentinel_cli.streaming import detecting, kafka, producing, topics
from sentinel_cli.streaming.detecting import DetectSummary, Job
from sentinel_cli.streaming.producing import Order
from tests import registry as registries
from tests.registry import Registry
from tests.topic import read

pytestmark = pytest.mark.real

COUNT = 1_500


@pytest.fixture
def registry() -> Iterator[Registry]:
    with registries.running() as registry:
        yield registry


@pytest.fixture
def in_json(settings: Settings) -> Iterator[Settings]:
    """Topics and keys of their own; the topics go with those of ``settings``."""
    mine = settings.model_copy(update={"prefix": f"{settings.prefix}-json"})
    yield mine
    client: Any = connection.connect_to(mine.redis)
    for key in client.scan_iter(f"{mine.redis_prefix}:*", count=10_000):
        client.unlink(key)


def with_registry(settings: Settings, url: str | None) -> Settings:
    kafka_settings = settings.kafka.model_copy(update={"schema_registry_url": url})
    return settings.model_copy(update={"kafka": kafka_settings})


def produce(settings: Settings, seed: int) -> None:
    producing.run(settings, Order(count=COUNT, users=200, seed=seed), threading.Event())


def detect(settings: Settings) -> DetectSummary:
    return detecting.run(
        settings,
        Job(exit_at_end=True),
        register_stop=lambda _: None,
        tell=lambda _: None,
        report=lambda _: None,
    )


def alerts(settings: Settings) -> dict[str, Alert]:
    found = [msgspec.json.decode(m.value() or b"", type=Alert) for m in read(settings, topics.FRAUD_ALERTS)]
    return {alert.alert_id: alert for alert in found}


def profiles(settings: Settings) -> dict[str, bytes]:
    client: Any = connection.connect_to(settings.redis)
    keys = Keys(settings.redis_prefix, settings.topic(topics.TRANSACTIONS))
    found = {}
    for key in client.scan_iter(keys.profile_pattern(), count=1_000):
        parsed = keys.parse_profile(key)
        assert parsed
        found[parsed[1]] = client.get(key)
    return found


def test_avro_beside_json_makes_the_same_alerts_and_profiles(
    settings: Settings, in_json: Settings, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    mixed = with_registry(settings, registry.url)
    for seed in (1, 2):
        produce(in_json, seed)
    produce(mixed, 1)
    produce(settings, 2)  # JSON, on the same topic
    firsts = [(message.value() or b"")[:1] for message in read(mixed, topics.TRANSACTIONS)]
    assert sorted(firsts) == [b"\0"] * COUNT + [b"{"] * COUNT
    assert {(message.value() or b"")[:1] for message in read(mixed, topics.LABELS)} == {b"\0", b"{"}

    assert (detect(mixed).processed, detect(in_json).processed) == (2 * COUNT, 2 * COUNT)
    ours, theirs = alerts(mixed), alerts(in_json)
    assert len(ours) > 20
    assert {name: alert.fraud_score for name, alert in ours.items()} == {
        name: alert.fraud_score for name, alert in theirs.items()
    }
    assert profiles(mixed) == profiles(in_json)

    of = topic.read(mixed, topics.TRANSACTIONS, None, ())
    assert (len(of), of.left_out) == (2 * COUNT, 0)
    assert (of.truth.label >= 0).all()
    capsys.readouterr()
    where = ["--prefix", settings.prefix, "--kafka-servers", settings.kafka.servers]
    assert main([*where, "alerts", "explain", next(iter(ours))]) == 0
    assert "the same number" in capsys.readouterr().out


def test_what_no_registry_explains_is_a_dead_letter(settings: Settings, registry: Registry) -> None:
    mixed = with_registry(settings, registry.url)
    produce(mixed, 1)
    unknown = b"\0\0\0\3\xe7 of nobody's schema"
    producer = kafka.producer(settings)
    producer.produce(settings.topic(topics.TRANSACTIONS), unknown, b"user")
    assert producer.flush(30) == 0
    summary = detect(mixed)
    assert (summary.processed, summary.dead_letters) == (COUNT, 1)
    (letter,) = read(settings, topics.TRANSACTIONS_DLQ)
    assert letter.value() == unknown


def test_a_registry_that_is_away_stops_the_worker_and_loses_nothing(
    settings: Settings,
    registry: Registry,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    produce(with_registry(settings, registry.url), 1)
    monkeypatch.setenv("SCHEMA_REGISTRY_URL", "http://127.0.0.1:1")
    where = ["--prefix", settings.prefix, "--kafka-servers", settings.kafka.servers]
    redis = ["--redis-host", settings.redis.host, "--redis-port", str(settings.redis.port)]
    assert main([*where, *redis, "detect", "--exit-at-end"]) == 3
    assert "Schema Registry does not answer at http://127.0.0.1:1" in capsys.readouterr().err
    assert not profiles(settings)
    assert detect(with_registry(settings, registry.url)).processed == COUNT
