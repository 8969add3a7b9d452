"""One detector, put together from the settings and run to its end.

Purpose: `sentinel detect` in one process: the clients, the loop, what is told about it each second.

Not here: the loop itself (``worker``), several processes (``processes``).
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer
from msgspec import Struct

from profiles import connection
from profiles.keys import Keys
from profiles.redis_store import RedisStore
from sentinel_cli.config import Settings
from sentinel_cli.engine import compiled, scorecard, scoring, severity
from sentinel_cli.errors import ScorecardError
from sentinel_cli.streaming import expiring, footing, kafka, sources, topics, transactor
from sentinel_cli.streaming.batches import SystemClock
from sentinel_cli.streaming.codec import Decoder
from sentinel_cli.streaming.footing import FootedStore
from sentinel_cli.streaming.poison import LARGEST_RECORD
from sentinel_cli.streaming.sink import KafkaSink
from sentinel_cli.streaming.transactor import KafkaTransactor
from sentinel_cli.streaming.worker import Plan, Worker, log
from sentinel_cli.telemetry.herald import Herald
from sentinel_cli.telemetry.stats import LatencyHistogram, WorkerSnapshot

# Seconds after which a thread that wants to run is let in. With Python's own, 5 ms, a save in its thread kept
# the loop from records that had come: of the alerts the slowest in a hundred took 14 ms instead of 11.
SWITCH_EVERY = 0.0005


class DetectSummary(Struct, kw_only=True):
    """What one detector did. ``latency`` are histogram counts in ms, from Kafka's timestamp to the score;
    ``assigned_s`` is what went by before the group gave it partitions, a part of ``elapsed_s``."""

    processed: int = 0
    alerts: int = 0
    alerts_by_severity: dict[str, int] = {}
    dead_letters: int = 0
    duplicates: int = 0
    conflicts: int = 0
    saves: int = 0
    elapsed_s: float = 0.0
    assigned_s: float = 0.0
    cpu_s: float = 0.0
    latency: dict[int, int] = {}


@dataclass(frozen=True)
class Job:
    """What one worker process is asked to do; ``index`` tells those of one command apart.

    ``rebuild``: make lost profiles again up to the group's offset in Kafka, and say nothing that was
    said before. ``accept_loss``: go on behind records that Kafka deleted before they were processed.
    ``only``: these partitions, without joining the group, whatever the topic has grown to.
    """

    index: int = 0
    exit_at_end: bool = False
    rebuild: bool = False
    accept_loss: bool = False
    only: list[int] | None = None


def run(
    settings: Settings,
    job: Job,
    *,
    register_stop: Callable[[Callable[[], None]], None],
    tell: Callable[[WorkerSnapshot], None],
    report: Callable[[str], None],
) -> DetectSummary:
    """Detect until stopped, or up to the end offsets seen now.

    ``register_stop`` is given the function that ends the run gracefully; ``tell`` gets a snapshot a
    second; ``report`` a sentence now and then. Raises KafkaUnreachable, RedisUnreachable,
    LostRangeError, LostStateError, ScorecardError.
    """
    card = scorecard.load(settings.detect.scorecard)
    policy = severity.load(settings.respond.policy)
    kafka.reachable(settings)
    client = connection.connect_to(settings.redis)
    connection.reachable(client)
    scoring.warm(report)
    compiled.give_back()
    sys.setswitchinterval(SWITCH_EVERY)
    gc.freeze()  # what is imported by now stays: no collection looks at it again, a fifth of making alerts
    topic, group = settings.topic(topics.TRANSACTIONS), kafka.group(settings)
    store = _store(settings, client, job)
    choice = sources.choose(settings)
    log.debug("the %s source: %s", choice.kind, choice.why)
    consumer = sources.consumer(settings, group, choice, **kafka.member(settings, job.index))
    maker = sources.maker(choice, Decoder(card.record_features), footing.homes(client, _keys(settings)))
    source = sources.over(settings, consumer, topic, maker, job.only)
    producer, transact = _producer(settings, consumer, group, job)
    with ThreadPoolExecutor(1, thread_name_prefix="save") as executor:
        worker = Worker(
            _plan(settings, job),
            source,
            KafkaSink(producer),
            store,
            SystemClock(),
            executor,
            card,
            policy,
            transact,
        )
        source.on_loss = worker.moved if job.accept_loss else None
        register_stop(worker.stop)
        began = _Start()
        herald = Herald("detect", lambda: _snapshot(worker), tell)
        reload = _Reload(settings.detect.scorecard, worker, maker)

        def each_turn() -> None:
            if herald():
                reload()

        with expiring.beside(worker, settings, client):
            worker.run(until_end=job.exit_at_end or job.rebuild, each_turn=each_turn)
    return _summary(worker, began)


def _keys(settings: Settings) -> Keys:
    return Keys(settings.redis_prefix, settings.topic(topics.TRANSACTIONS))


def _store(settings: Settings, client: connection.Client, job: Job) -> RedisStore:
    keys, topic_id = _keys(settings), topics.identity(settings, topics.TRANSACTIONS)
    if job.only is not None:
        return RedisStore(client, keys, topic_id)
    count = partial(topics.partitions, settings, topics.TRANSACTIONS)
    return FootedStore(client, keys, topic_id, count, start_over=job.accept_loss)


def _producer(
    settings: Settings, consumer: Consumer, group: str, job: Job
) -> tuple[Producer, KafkaTransactor | None]:
    # A tenth of a millisecond gathers the alerts of a batch in one request a partition; without it each
    # of the first ones wakes the sender and the broker, a tenth of all the work there is.
    producer = kafka.producer(settings, **{"linger.ms": 0.1})
    if settings.delivery == "idempotent":
        return producer, None
    topic = settings.topic(topics.TRANSACTIONS)
    return producer, transactor.of_worker(settings, group, job.index, consumer, topic)


def _plan(settings: Settings, job: Job) -> Plan:
    detect = settings.detect
    return Plan(
        topic=settings.topic(topics.TRANSACTIONS),
        alerts_topic=settings.topic(topics.FRAUD_ALERTS),
        dead_letters_topic=settings.topic(topics.TRANSACTIONS_DLQ),
        largest_dead_letter=topics.largest_record(settings, topics.TRANSACTIONS_DLQ) or LARGEST_RECORD,
        threshold=settings.fraud_threshold,
        batch_size=detect.batch_size,
        poll_limit=detect.max_poll_records,
        save_interval=detect.save_interval_ms / 1_000,
        save_profiles=detect.save_profiles,
        profile_cache=detect.profile_cache,
        rebuild=job.rebuild,
    )


class _Start:
    """When the work began, by two clocks."""

    def __init__(self) -> None:
        self.monotonic, self.cpu = time.monotonic(), time.process_time()


class _Reload:
    """Puts a changed scorecard in force; a bad one is refused, and the old one stays."""

    def __init__(self, path: Path | None, worker: Worker, maker: sources.Maker) -> None:
        self._path, self._worker, self._maker = path, worker, maker
        self._seen = self._stamp()

    def _stamp(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        try:
            found = self._path.stat()
        except OSError:
            return None  # an editor is replacing it
        return found.st_mtime_ns, found.st_size

    def __call__(self) -> None:
        stamp = self._stamp()
        if stamp is None or stamp == self._seen:
            return
        self._seen = stamp
        try:
            card = scorecard.load(self._path)
        except ScorecardError as error:
            log.error("the scorecard in force stays: %s", error)
            return
        self._maker.decoder = Decoder(card.record_features)
        self._worker.scorecard = card
        log.warning("scorecard %s is in force, version %s", card.name, card.version[:12])


def _snapshot(worker: Worker) -> dict[str, Any]:
    counts = worker.counts
    return {
        "processed": counts.processed,
        "alerts": dict(counts.alerts),
        "dead_letters": counts.dead_letters,
        "duplicates": counts.duplicates,
        "saves": counts.saves,
        "conflicts": counts.conflicts,
        "partitions": worker.partitions(),
        "lag": worker.lag(),
        "latency": counts.latency.counts(),
        "paused": worker.paused,
    }


def _summary(worker: Worker, began: _Start) -> DetectSummary:
    counts = worker.counts
    return DetectSummary(
        processed=counts.processed,
        alerts=counts.alerts.total(),
        alerts_by_severity=dict(counts.alerts),
        dead_letters=counts.dead_letters,
        duplicates=counts.duplicates,
        conflicts=counts.conflicts,
        saves=counts.saves,
        elapsed_s=time.monotonic() - began.monotonic,
        assigned_s=(worker.assigned_at or began.monotonic) - began.monotonic,
        cpu_s=time.process_time() - began.cpu,
        latency=counts.latency.counts(),
    )


def document(summaries: list[DetectSummary]) -> dict[str, object]:
    """The closing summary of one or several detectors, as `--json` prints it."""
    latency = LatencyHistogram()
    for summary in summaries:
        latency.merge(LatencyHistogram(summary.latency))
    processed = sum(s.processed for s in summaries)
    elapsed = max(s.elapsed_s for s in summaries)
    severities: dict[str, int] = {}
    for summary in summaries:
        for name, count in summary.alerts_by_severity.items():
            severities[name] = severities.get(name, 0) + count
    return {
        "processed": processed,
        "alerts": sum(s.alerts for s in summaries),
        "alerts_by_severity": severities,
        "dead_letters": sum(s.dead_letters for s in summaries),
        "duplicates": sum(s.duplicates for s in summaries),
        "conflicts": sum(s.conflicts for s in summaries),
        "saves": sum(s.saves for s in summaries),
        "elapsed_s": round(elapsed, 3),
        "assigned_s": round(min(s.assigned_s for s in summaries), 3),
        "tps": round(processed / elapsed) if elapsed else 0,
        "cpu_us_per_tx": round(sum(s.cpu_s for s in summaries) / processed * 1e6, 3) if processed else None,
        "latency_ms": {"p50": latency.percentile(50), "p99": latency.percentile(99)},
    }
