"""Records that come at a pace, to a detector at work, and the alerts that come of them.

Purpose: what `bench latency` and `bench burst` have in common. The clock of a record starts when it is
handed to the producer, and stops when a consumer of `fraud-alerts` returns its alert.

Design: producer and consumer are in this process, so one clock times both; the detector is the command
in a process of its own. Records are made beforehand. The first seconds, in which the detector joins its
group, the caches fill and a broker that was just started compiles what it does now, count for nothing.
"""

from __future__ import annotations

import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from confluent_kafka import TopicPartition

from sentinel_cli.benching import alerts, figures, records
from sentinel_cli.benching.records import Shape
from sentinel_cli.errors import SentinelError
from sentinel_cli.streaming import kafka, topics
from sentinel_cli.streaming.pacing import Pacer
from sentinel_cli.telemetry import board

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka import Consumer

    from sentinel_cli.benching.detecting import Way
    from sentinel_cli.benching.trial import Trial
    from sentinel_cli.demo.child import Child

WARM_UP_S = 40.0
START_S = 120.0  # which a detector may take to start: where nothing was compiled yet, some tens
PATIENCE_S = 30.0  # without an alert
LOOK_EVERY_S = 0.1
QUANTILES = {"p50_ms": 50, "p99_ms": 99, "p999_ms": 99.9, "max_ms": 100}

Floats = npt.NDArray[np.float64]
# Records a second, and for how many seconds.
Stretch = tuple[float, float]


class Flow:
    """Sends records for each of ``stretches`` in turn, after a warm-up at the first one's pace. ``at`` is
    when each record was handed over, in seconds since 1970; the first that counts is ``warm_up``."""

    def __init__(self, trial: Trial, stretches: list[Stretch], users: int) -> None:
        paces = [(stretches[0][0], WARM_UP_S), *stretches]
        self._counts = [(pace, int(pace * seconds)) for pace, seconds in paces]
        self.warm_up, self.sent = self._counts[0][1], 0
        shape = Shape(sum(count for _, count in self._counts), users)
        parts = list(records.slices(shape, time.time_ns() // 1000))
        self._keys = [key for part in parts for key in part.keys]
        self._values = [value for part in parts for value in part.values]
        self.alerts = np.concatenate([part.alerts for part in parts])
        self.at = np.zeros(shape.records)
        self._topic = trial.topic(topics.TRANSACTIONS)
        # Waiting for more would be the producer's own latency, not the detector's.
        self._producer = kafka.producer(trial.settings, **{"linger.ms": 0})
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send_all, name="flow")

    def __len__(self) -> int:
        return len(self._values)

    def bounds(self) -> list[int]:
        """Where each stretch begins, and the last one ends."""
        return [int(each) for each in np.cumsum([count for _, count in self._counts])]

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """All of it is sent when this ends, unless it ends with an error."""
        self._thread.start()
        try:
            yield
        except BaseException:
            self._stop.set()
            raise
        finally:
            self._thread.join()

    def _send_all(self) -> None:
        for pace, count in self._counts:
            self._send(pace, self.sent, count)
        self._producer.flush(PATIENCE_S)

    def _send(self, pace: float, first: int, count: int) -> None:
        pacer, sent = Pacer(pace, time.monotonic(), time.monotonic), 0
        while sent < count and not self._stop.wait(pacer.pause(sent)):
            n = min(pacer.due(sent), count - sent)
            for at in range(first + sent, first + sent + n):
                self.at[at] = time.time()
                self._produce(at)
            sent += n
            self.sent = first + sent
            self._producer.poll(0)

    def _produce(self, at: int) -> None:
        """Waits where the producer's queue is full: then a pace is beyond what Kafka takes."""
        while True:
            try:
                return self._producer.produce(self._topic, self._values[at], self._keys[at])
            except BufferError:
                self._producer.poll(LOOK_EVERY_S)


@contextmanager
def detector(trial: Trial, way: Way) -> Iterator[Child]:
    """The command at work: it has its partitions."""
    with trial.child("detect", ["--workers", str(way.workers)], way.environment(trial)) as child:
        begun = time.monotonic()
        while not any(each.partitions for each in board.read(trial.client, trial.settings.redis_prefix)):
            child.must_run()
            if time.monotonic() - begun > START_S:
                raise SentinelError(f"The detector has no partitions after {START_S:.0f} s: {child.said()}")
            time.sleep(LOOK_EVERY_S)
        yield child


def received(trial: Trial, flow: Flow, child: Child) -> Floats:
    """Let it flow. When the alert of each of ``flow.alerts`` came, in seconds since 1970, in their order.
    Raises SentinelError when some are missing, came twice, or should not have come."""
    indexes: list[int] = []
    times: list[float] = []
    with closing(_consumer(trial)) as consumer, flow.flowing():
        last = time.monotonic()
        while len(indexes) < len(flow.alerts):
            message = consumer.poll(1.0)
            if message is not None and message.error() is None:
                times.append(time.time())
                indexes.append(alerts.index_of(message.value()))
                last = time.monotonic()
            elif time.monotonic() - last > PATIENCE_S:
                lack = len(flow.alerts) - len(indexes)
                raise SentinelError(f"{lack:,} of {len(flow.alerts):,} alerts never came: {child.said()}")
            else:
                child.must_run()
    found = np.array(indexes, np.int64)
    alerts.compare(trial.topic(topics.FRAUD_ALERTS), found, flow.alerts)
    return np.array(times)[np.argsort(found)]


def quantiles(flow: Flow, came: Floats, first: int, last: int) -> dict[str, float]:
    """How long the alerts of the records from ``first`` up to ``last`` took, in milliseconds. Raises
    SentinelError when none of them alerted."""
    chosen = (flow.alerts >= first) & (flow.alerts < last)
    waited = (came[chosen] - flow.at[flow.alerts[chosen]]) * 1_000
    if not len(waited):
        raise SentinelError("No record alerted in so short a time: give it more --seconds.")
    return {name: figures.rounded(float(np.percentile(waited, q))) for name, q in QUANTILES.items()}


def achieved(flow: Flow, first: int, last: int) -> int:
    """Records a second, from the record ``first`` up to ``last``."""
    return round((last - 1 - first) / float(flow.at[last - 1] - flow.at[first]))


def _consumer(trial: Trial) -> Consumer:
    """Of the alerts from now on, as one who waits for them."""
    reads = kafka.consumer(trial.settings, f"{trial.settings.prefix}.alerts")
    topic, ends = trial.topic(topics.FRAUD_ALERTS), trial.ends(topics.FRAUD_ALERTS)
    reads.assign([TopicPartition(topic, number, end) for number, end in ends.items()])
    return reads
