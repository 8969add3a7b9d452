"""`sentinel bench latency`: from the producer's timestamp to the alert in a consumer's hands.

Purpose: at an even pace, with the detector running as it does in production. The clock of a record
starts when it is handed to the producer, and stops when a consumer of `fraud-alerts` returns it.

Design: producer and consumer are in this process, so one clock times both; the detector is the command
in a process of its own. Records are made beforehand. The first seconds, in which the detector joins its
group and the caches fill, count for nothing.
"""

from __future__ import annotations

import threading
import time
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from confluent_kafka import TopicPartition

from sentinel_cli.benching import figures, records
from sentinel_cli.benching.detecting import Way
from sentinel_cli.benching.draining import drain
from sentinel_cli.benching.records import Shape
from sentinel_cli.errors import SentinelError
from sentinel_cli.streaming import kafka, topics
from sentinel_cli.streaming.pacing import Pacer
from sentinel_cli.telemetry import board

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka import Consumer

    from sentinel_cli.benching.trial import Trial
    from sentinel_cli.demo.child import Child

WARM_UP_S = 3.0
START_S = 120.0  # which a detector may take to start: where nothing was compiled yet, some tens
PATIENCE_S = 30.0  # without an alert
LOOK_EVERY_S = 0.1
QUANTILES = {"p50_ms": 50, "p99_ms": 99, "p999_ms": 99.9, "max_ms": 100}


class _Identity(msgspec.Struct):
    transaction_id: str


class _Alert(msgspec.Struct):
    transaction_details: _Identity


_decoder = msgspec.json.Decoder(_Alert)


class _Paced:
    """Sends ``values`` at ``rate`` from a thread of its own; ``at`` is when each was handed over, in
    seconds since 1970."""

    def __init__(self, trial: Trial, rate: float, keys: list[bytes], values: list[bytes]) -> None:
        self.at = np.zeros(len(values))
        self._topic, self._rate = trial.topic(topics.TRANSACTIONS), rate
        self._keys, self._values = keys, values
        # Waiting for more would be the producer's own latency, not the detector's.
        self._producer = kafka.producer(trial.settings, **{"linger.ms": 0})
        self._stop = threading.Event()
        self.thread = threading.Thread(target=self._send, name="paced")

    def _send(self) -> None:
        pacer, sent = Pacer(self._rate, time.monotonic(), time.monotonic), 0
        while sent < len(self._values) and not self._stop.wait(pacer.pause(sent)):
            n = min(pacer.due(sent), len(self._values) - sent)
            for at in range(sent, sent + n):
                self.at[at] = time.time()
                self._producer.produce(self._topic, self._values[at], self._keys[at])
            sent += n
            self._producer.poll(0)
        self._producer.flush(PATIENCE_S)

    @contextmanager
    def flowing(self) -> Iterator[None]:
        self.thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self.thread.join()


def measure(trial: Trial, rate: float, seconds: float, users: int, way: Way) -> dict[str, Any]:
    """``seconds`` of paced traffic, and a warm-up before. Raises SentinelError when alerts are missing."""
    way, warm_up = way.found(trial.settings), int(WARM_UP_S * rate)
    shape = Shape(warm_up + int(seconds * rate), users)
    parts = list(records.slices(shape, time.time_ns() // 1000))
    sent = _Paced(trial, rate, [key for p in parts for key in p.keys], [v for p in parts for v in p.values])
    with (
        trial.child("detect", ["--workers", str(way.workers)], way.environment(trial)) as detector,
        closing(_consumer(trial)) as consumer,
    ):
        _await_group(trial, detector)
        trial.say(f"Sending {shape.records:,} records at {rate:,.0f} a second …")
        with sent.flowing():
            received = _alerts(consumer, sum(part.alerts for part in parts), detector)
    waited = np.array([(at - sent.at[index]) * 1_000 for index, at in received.items() if index >= warm_up])
    raw = drain(trial.settings, trial.topic(topics.TRANSACTIONS))
    return {
        "bench": "latency",
        "rate": rate,
        "achieved_rate": round((len(sent.at) - 1) / (sent.at[-1] - sent.at[0])),
        **{name: figures.rounded(float(np.percentile(waited, q))) for name, q in QUANTILES.items()},
        "alerts": len(waited),
        "seconds": seconds,
        "users": users,
        **asdict(way),
        "raw_drain_tps": round(raw.tps),
        "broker": trial.broker,
        "redis": trial.store,
    }


def _consumer(trial: Trial) -> Consumer:
    """Of the alerts from now on, as one who waits for them."""
    reads = kafka.consumer(trial.settings, f"{trial.settings.prefix}.alerts")
    topic = trial.topic(topics.FRAUD_ALERTS)
    reads.assign(
        [TopicPartition(topic, number, end) for number, end in trial.ends(topics.FRAUD_ALERTS).items()]
    )
    return reads


def _await_group(trial: Trial, detector: Child) -> None:
    """Until a worker tells that it has partitions."""
    begun = time.monotonic()
    while not any(worker.partitions for worker in board.read(trial.client, trial.settings.redis_prefix)):
        detector.must_run()
        if time.monotonic() - begun > START_S:
            raise SentinelError(f"The detector has no partitions after {START_S:.0f} s: {detector.said()}")
        time.sleep(LOOK_EVERY_S)


def _alerts(consumer: Consumer, count: int, detector: Child) -> dict[int, float]:
    """When each alert first came, in seconds since 1970, by the index of its record."""
    raw: list[tuple[float, bytes]] = []
    last = time.monotonic()
    while len(raw) < count:
        message = consumer.poll(1.0)
        if message is not None and message.error() is None:
            raw.append((time.time(), message.value() or b""))
            last = time.monotonic()
        elif time.monotonic() - last > PATIENCE_S:
            raise SentinelError(f"{count - len(raw):,} of {count:,} alerts never came: {detector.said()}")
        else:
            detector.must_run()
    received: dict[int, float] = {}
    for at, value in raw:
        received.setdefault(records.index_of(_decoder.decode(value).transaction_details.transaction_id), at)
    return received
