"""`sentinel backtest` of a topic: the same as live, and nobody notices."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from profiles import connection
from sentinel_cli.backtesting import topic
from sentinel_cli.backtesting.decisions import decide
from sentinel_cli.engine import scorecard
from sentinel_cli.errors import InputError, SentinelError
from sentinel_cli.records import Alert
from sentinel_cli.streaming import detecting, kafka, producing, topics
from sentinel_cli.streaming.alerts import alert_id
from sentinel_cli.streaming.detecting import Job
from sentinel_cli.streaming.producing import Order
from tests.topic import read

if TYPE_CHECKING:
    from sentinel_cli.config import Settings

pytestmark = pytest.mark.real

COUNT = 4_000


@pytest.fixture
def produced(settings: Settings) -> Settings:
    producing.run(settings, Order(count=COUNT, users=300, seed=9), threading.Event())
    return settings


def test_live_and_backtest_raise_the_same_alerts_and_only_live_leaves_a_trace(produced: Settings) -> None:
    settings = produced
    of = topic.read(settings, topics.TRANSACTIONS, None, ())
    decisions = decide(of, scorecard.load(), settings.fraud_threshold)
    assert len(of) == COUNT
    assert of.left_out == 0
    assert (of.truth.label >= 0).all()
    assert of.truth.label.sum() == (of.truth.episode >= 0).sum() > 50
    assert len(of.truth.names) > 3

    groups = {each.group_id for each in kafka.admin(settings).list_consumer_groups().result().valid}
    assert not any(settings.prefix in group for group in groups)
    client = connection.connect_to(settings.redis)
    assert not list(client.scan_iter(f"{settings.redis_prefix}:*"))

    detecting.run(
        settings, Job(exit_at_end=True), register_stop=lambda _: None, tell=lambda _: None,
        report=lambda _: None,
    )  # fmt: skip
    live = [msgspec.json.decode(m.value() or b"", type=Alert) for m in read(settings, topics.FRAUD_ALERTS)]
    ids, times = of.ids.to_pylist(), of.rows["time"].tolist()
    ours = {
        alert_id(ids[at], times[at]): float(decisions.score[at])
        for at in decisions.alert.nonzero()[0].tolist()
    }
    assert {alert.alert_id: alert.fraud_score for alert in live} == ours
    assert len(ours) > 20


def test_since_begins_where_kafka_received_it(produced: Settings) -> None:
    later = time.time_ns() // 1_000 + 1_000
    while time.time_ns() // 1_000 <= later:
        pass  # Kafka's clock counts milliseconds
    producing.run(produced, Order(count=500, users=300, seed=10), threading.Event())
    assert len(topic.read(produced, topics.TRANSACTIONS, later, ())) == 500
    assert len(topic.read(produced, topics.TRANSACTIONS, None, ())) == COUNT + 500
    with pytest.raises(InputError, match="--since"):
        topic.read(produced, topics.TRANSACTIONS, time.time_ns() // 1_000 + 60_000_000, ())


def test_a_topic_that_is_not_there(produced: Settings) -> None:
    with pytest.raises(SentinelError, match="nothing-like-it"):
        topic.read(produced, "nothing-like-it", None, ())
