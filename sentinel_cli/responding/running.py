"""One responder, put together from the settings and run to its end.

Purpose: `sentinel respond` in one process: the clients, the loop, what is told about it each second.

Not here: the loop itself (``responder``), several processes (``streaming.processes``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from typing import Any

from confluent_kafka import Consumer, Message, Producer
from msgspec import Struct

from profiles import connection
from profiles.keys import Keys
from sentinel_cli.config import Settings
from sentinel_cli.engine import severity
from sentinel_cli.responding import incoming
from sentinel_cli.responding.actions import Actions
from sentinel_cli.responding.incoming import AlertBatch, Record
from sentinel_cli.responding.responder import Plan, Responder
from sentinel_cli.responding.store import RedisStore
from sentinel_cli.streaming import kafka, topics, transactor
from sentinel_cli.streaming.batches import SystemClock
from sentinel_cli.streaming.plain_source import CONSUMER, PlainSource, arrived_ms, offset_of
from sentinel_cli.streaming.poison import LARGEST_RECORD
from sentinel_cli.streaming.sink import KafkaSink
from sentinel_cli.streaming.transactor import KafkaTransactor
from sentinel_cli.telemetry.herald import Herald
from sentinel_cli.telemetry.stats import LatencyHistogram, WorkerSnapshot

# Kafka deletes whole segments, so a record may outlive its retention by the time one may take to
# fill: seven days unless segment.ms says otherwise.
SEGMENT_MS = 7 * topics.DAY_MS


class RespondSummary(Struct, kw_only=True):
    """What one responder did. ``age`` and ``steps`` are histogram counts in ms (``LatencyHistogram``)."""

    processed: int
    acted: int
    duplicates: int
    blocked: int
    cases: int
    dead_letters: int
    conflicts: int
    saves: int
    severities: dict[str, int]
    elapsed_s: float
    age: dict[int, int]
    steps: dict[str, dict[int, int]]


def run(
    settings: Settings,
    *,
    index: int,
    exit_at_end: bool,
    accept_loss: bool,
    register_stop: Callable[[Callable[[], None]], None],
    tell: Callable[[WorkerSnapshot], None],
) -> RespondSummary:
    """Respond until stopped, or up to the end offsets seen now.

    ``index`` tells the workers of one command apart; ``accept_loss``: go on behind alerts that Kafka
    deleted before they were acted on; ``register_stop`` is given the function that ends the run
    gracefully; ``tell`` gets a snapshot a second. Raises KafkaUnreachable, RedisUnreachable,
    LostRangeError, ScorecardError.
    """
    policy = severity.load(settings.respond.policy)
    kafka.reachable(settings)
    client = connection.connect_to(settings.redis)
    connection.reachable(client)
    plan, clock = _plan(settings), SystemClock()
    group = kafka.group(settings, "respond")
    consumer = kafka.consumer(settings, group, **CONSUMER, **kafka.member(settings, index))
    producer, transact = _producer(settings, consumer, group, index)
    source = PlainSource(consumer, plan.topic, _batch)
    responder = Responder(
        plan,
        source,
        KafkaSink(producer),
        _store(settings, client, plan.topic),
        clock,
        Actions(policy, clock),
        transact,
    )
    source.on_loss = responder.moved if accept_loss else None
    register_stop(responder.stop)
    began, herald = time.monotonic(), Herald("respond", lambda: _snapshot(responder), tell)
    responder.run(until_end=exit_at_end, each_turn=herald)
    return _summary(responder, began)


def _producer(
    settings: Settings, consumer: Consumer, group: str, index: int
) -> tuple[Producer, KafkaTransactor | None]:
    producer = kafka.producer(settings)
    if settings.delivery == "idempotent":
        return producer, None
    topic = settings.topic(topics.FRAUD_ALERTS)
    return producer, transactor.of_worker(settings, group, index, consumer, topic)


def _plan(settings: Settings) -> Plan:
    return Plan(
        topic=settings.topic(topics.FRAUD_ALERTS),
        responses_topic=settings.topic(topics.ALERT_RESPONSES),
        dead_letters_topic=settings.topic(topics.FRAUD_ALERTS_DLQ),
        largest_dead_letter=topics.largest_record(settings, topics.FRAUD_ALERTS_DLQ) or LARGEST_RECORD,
        batch_size=settings.respond.batch_size,
    )


def _store(settings: Settings, client: connection.Client, topic: str) -> RedisStore:
    transactions = Keys(settings.redis_prefix, settings.topic(topics.TRANSACTIONS))
    return RedisStore(client, Keys(settings.redis_prefix, topic), transactions, _remember(settings, topic))


def _remember(settings: Settings, topic: str) -> float:
    """Seconds to remember an alert's id: as long as it may come again, which is while it is kept."""
    state = next(each for each in topics.describe(settings) if each.name == topic)
    kept = max(state.expected_retention_ms, state.retention_ms or 0)
    return inf if state.retention_ms == topics.FOR_EVER else (kept + SEGMENT_MS) / 1_000


def _batch(partition: int, messages: list[Message], next_offset: int) -> AlertBatch:
    records = [Record(offset_of(m), arrived_ms(m), m.key(), m.value()) for m in messages]
    return incoming.batch(partition, records, next_offset)


def _snapshot(responder: Responder) -> dict[str, Any]:
    counts = responder.counts
    return {
        "processed": counts.processed,
        "alerts": dict(counts.severities),
        "dead_letters": counts.dead_letters,
        "duplicates": counts.duplicates,
        "acted": counts.acted,
        "blocked": counts.blocked,
        "cases": counts.cases,
        "saves": counts.saves,
        "conflicts": counts.conflicts,
        "partitions": responder.partitions(),
        "lag": responder.lag(),
        "latency": counts.age.counts(),
        "paused": responder.paused,
    }


def _summary(responder: Responder, began: float) -> RespondSummary:
    counts = responder.counts
    return RespondSummary(
        processed=counts.processed,
        acted=counts.acted,
        duplicates=counts.duplicates,
        blocked=counts.blocked,
        cases=counts.cases,
        dead_letters=counts.dead_letters,
        conflicts=counts.conflicts,
        saves=counts.saves,
        severities=dict(counts.severities),
        elapsed_s=time.monotonic() - began,
        age=counts.age.counts(),
        steps={name: histogram.counts() for name, histogram in counts.steps.items()},
    )


def document(summaries: list[RespondSummary]) -> dict[str, Any]:
    """The closing summary of one or several responders, as `--json` prints it."""
    severities = {
        each.name: sum(s.severities.get(each.name, 0) for s in summaries) for each in severity.Severity
    }
    names = dict.fromkeys(name for summary in summaries for name in summary.steps)
    return {
        "processed": sum(s.processed for s in summaries),
        "acted": sum(s.acted for s in summaries),
        "duplicates": sum(s.duplicates for s in summaries),
        "blocked": sum(s.blocked for s in summaries),
        "cases": sum(s.cases for s in summaries),
        "dead_letters": sum(s.dead_letters for s in summaries),
        "conflicts": sum(s.conflicts for s in summaries),
        "saves": sum(s.saves for s in summaries),
        "severities": severities,
        "elapsed_s": round(max(s.elapsed_s for s in summaries), 3),
        "alert_age_ms": _percentiles([s.age for s in summaries]),
        "step_ms": {name: _percentiles([s.steps.get(name, {}) for s in summaries]) for name in names},
    }


def _percentiles(parts: list[dict[int, int]]) -> dict[str, float | None]:
    whole = LatencyHistogram()
    for part in parts:
        whole.merge(LatencyHistogram(part))
    return {f"p{q}": whole.percentile(q) for q in (50, 99)}
