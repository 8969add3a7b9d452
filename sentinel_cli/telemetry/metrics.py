"""A worker's numbers for Prometheus, and whether it is alive, over HTTP.

Purpose: ``--metrics-port``. `/metrics` is the worker's snapshot at the moment of the scrape;
`/healthz` answers 200 while the worker's loop turns, 503 once it has stood still for half a minute.
A worker that waits for Kafka or Redis turns: to start it anew would mend nothing.

Design: a collector that reads the snapshot when it is asked, so a record costs nothing.

Not here: what is counted (``telemetry.stats``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer

from prometheus_client import CollectorRegistry, MetricsHandler, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from sentinel_cli.engine.severity import Severity
from sentinel_cli.errors import SentinelError
from sentinel_cli.telemetry.stats import LatencyHistogram, WorkerSnapshot

# Seconds. A worker publishes once a second; half a minute covers any pause that ends by itself.
STALLED_AFTER_S = 30.0

# Seconds: from a tenth of the least latency that Kafka allows to the worst anyone would call live.
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)

# Name on the wire, what it means, and the snapshot's field.
BOTH = (
    (
        "sentinel_dead_letters",
        "Records that could not be read and went to the dead-letter topic",
        "dead_letters",
    ),
    ("sentinel_duplicates", "Records that had been dealt with before and were left alone", "duplicates"),
    ("sentinel_saves", "Atomic writes of state and offset", "saves"),
    ("sentinel_conflicts", "Saves refused because another worker owned the partition", "conflicts"),
)
COUNTERS = {
    "detect": (("sentinel_transactions_processed", "Transactions scored and learnt", "processed"), *BOTH),
    "respond": (
        ("sentinel_alerts_processed", "Alerts read", "processed"),
        ("sentinel_alerts_acted", "Alerts acted on", "acted"),
        ("sentinel_users_blocked", "Blocks set", "blocked"),
        ("sentinel_cases_opened", "Cases opened", "cases"),
        *BOTH,
    ),
}


class WorkerCollector(Collector):
    """The metrics of one worker; ``snapshot`` is called once a scrape, from the server's thread."""

    def __init__(self, snapshot: Callable[[], WorkerSnapshot]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        now = self._snapshot()
        for name, meaning, field in COUNTERS[now.role]:
            yield CounterMetricFamily(name, meaning, value=getattr(now, field))
        alerts = CounterMetricFamily("sentinel_alerts", "Alerts by severity", labels=["severity"])
        for severity in Severity:
            alerts.add_metric([severity.name], now.alerts.get(severity.name, 0))
        yield alerts
        yield GaugeMetricFamily("sentinel_consumer_lag", "Records behind the end of its partitions", now.lag)
        yield GaugeMetricFamily("sentinel_partitions", "Partitions assigned", len(now.partitions))
        yield GaugeMetricFamily("sentinel_paused", "1 while it waits for Kafka or Redis", bool(now.paused))
        yield _histogram(LatencyHistogram(now.latency))


def _histogram(latency: LatencyHistogram) -> HistogramMetricFamily:
    counts = latency.at_most([bound * 1000 for bound in BUCKETS_S])
    bounds = [(str(bound), float(count)) for bound, count in zip(BUCKETS_S, counts, strict=True)]
    return HistogramMetricFamily(
        "sentinel_latency_seconds",
        "From a record's arrival on Kafka until it was done",
        buckets=[*bounds, ("+Inf", float(len(latency)))],
        sum_value=latency.sum_ms() / 1000,
    )


@contextmanager
def serving(
    port: int, snapshot: Callable[[], WorkerSnapshot], host: str = "127.0.0.1"
) -> Iterator[tuple[str, int]]:
    """Serve while the block runs; yields the address, whose port is free to choose with 0.

    Raises SentinelError when the address cannot be had.
    """
    registry = CollectorRegistry()
    registry.register(WorkerCollector(snapshot))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    try:
        server = ThreadingHTTPServer((host, port), _handler(registry, snapshot))
    except OSError as error:
        raise SentinelError(
            f"Metrics cannot be served on {host}:{port} ({error.strerror}): choose another --metrics-port."
        ) from error
    with server:
        threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
        try:
            yield host, server.server_port
        finally:
            server.shutdown()


def _handler(metrics: CollectorRegistry, snapshot: Callable[[], WorkerSnapshot]) -> type[MetricsHandler]:
    class Handler(MetricsHandler):
        registry = metrics

        def do_GET(self) -> None:  # noqa: N802 - as http.server calls it
            if self.path != "/healthz":
                super().do_GET()
                return
            status, said = _health(snapshot())
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.end_headers()
            self.wfile.write(f"{said}\n".encode())

    return Handler


def _health(now: WorkerSnapshot) -> tuple[int, str]:
    still = time.time() - now.published_at
    if still > STALLED_AFTER_S:
        return 503, f"stalled for {still:.0f} s"
    return 200, f"paused: {now.paused}" if now.paused else "ok"
