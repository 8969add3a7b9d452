"""The pipeline at one moment, and how rates come out of snapshots.

Purpose: ``Picture`` is what `sentinel top --json` prints and what the frame is drawn from.
``History`` keeps the last seconds of every worker's snapshots and answers with rates.

Design: pure; snapshots, alerts and the time come in as arguments. A rate is what two snapshots of
the same worker differ by, divided by the worker's own clock between them.

Not here: where the numbers come from (``watching.observer``), how they are drawn (``watching.frame``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec import Struct, field

from sentinel_cli.engine.severity import Severity
from sentinel_cli.telemetry.stats import LatencyHistogram, WorkerSnapshot

# Seconds. Long enough that a save of 100 ms does not show as a jump, short enough to be "now".
THROUGHPUT_WINDOW_S = 5.0
LATENCY_WINDOW_S = 10.0
# Bars of the sparkline, one a second.
HISTORY_S = 60
# A worker whose snapshot has not changed for so long does nothing that we know of.
SILENT_AFTER_S = 3.0


class WorkerLine(Struct):
    """One worker: ``tps`` records a second, ``lag`` records, ``cpu_percent`` of one core."""

    worker_id: str
    role: str
    host: str
    pid: int
    tps: float
    processed: int
    lag: int
    partitions: list[int]
    rss_bytes: int
    cpu_percent: float
    paused: str


class AlertLine(Struct):
    """One alert: when and how much the transaction was, and the reason that raised its score most."""

    alert_id: str
    timestamp: str
    user_id: str
    severity: str
    fraud_score: float
    amount: float | None
    currency: str
    reason: str


class Latency(Struct):
    """Milliseconds from arrival on Kafka to scored; None where nothing was scored."""

    p50: float | None
    p99: float | None
    window: str


class Topic(Struct):
    """A topic against the offset that is done in each partition; counts of records."""

    records: int
    lag: int
    lag_by_partition: dict[int, int]


class Picture(Struct):
    """Everything at one moment. What a server that is away would have to say is None.

    ``transactions`` and ``alert_records`` are how many the topics hold.
    """

    at: datetime
    environment: str
    prefix: str
    kafka: str
    redis: str
    problems: list[str]
    throughput_tps: float | None
    throughput_window_s: float
    throughput_history: list[float]
    lag: int | None
    lag_by_partition: dict[int, int]
    alerts_lag: int | None
    latency_ms: Latency
    alerts: dict[str, int]
    workers: list[WorkerLine]
    latest_alerts: list[AlertLine] = field(default_factory=list)
    transactions: int | None = None
    alert_records: int | None = None


def lag(starts: dict[int, int], ends: dict[int, int], done: dict[int, int | None]) -> Topic:
    """Records behind the end by partition; one that nobody has begun counts from its first record."""
    behind = {p: max(0, end - (starts[p] if done.get(p) is None else done[p])) for p, end in ends.items()}  # type: ignore[operator]
    records = sum(end - starts[p] for p, end in ends.items())
    return Topic(records, sum(behind.values()), behind)


class History:
    """The last seconds of every worker that is alive."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[float, WorkerSnapshot]]] = {}
        self._seconds: deque[tuple[int, float]] = deque(maxlen=HISTORY_S)

    def take(self, snapshots: Iterable[WorkerSnapshot], now: float) -> None:
        """What the notice board holds at ``now`` (seconds, any clock that only goes forward)."""
        kept: dict[str, deque[tuple[float, WorkerSnapshot]]] = {}
        for snapshot in snapshots:
            seen = kept[snapshot.worker_id] = self._seen.get(snapshot.worker_id, deque())
            if not seen or seen[-1][1].published_at != snapshot.published_at:
                seen.append((now, snapshot))
            while now - seen[0][0] > LATENCY_WINDOW_S + 1.5 and len(seen) > 1:
                seen.popleft()
        self._seen = kept
        self._note(int(now), self.throughput(now, window=1.0))

    def _note(self, second: int, rate: float) -> None:
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds.pop()
        self._seconds.append((second, rate))

    def settled(self) -> bool:
        """Whether every worker has been seen twice, so that rates are of now."""
        return all(len(seen) > 1 for seen in self._seen.values())

    def seconds(self) -> list[float]:
        """Transactions a second in each of the last seconds, oldest first."""
        return [rate for _, rate in self._seconds]

    def throughput(self, now: float, window: float = THROUGHPUT_WINDOW_S) -> float:
        """Transactions a second of all detectors."""
        return sum(_rate(seen, now, window) for seen in self._seen.values() if seen[-1][1].role == "detect")

    def workers(self, now: float) -> list[WorkerLine]:
        return [_line(seen, now) for seen in self._seen.values()]

    def alerts(self) -> dict[str, int]:
        """Alerts by severity since the detectors that are alive began."""
        latest = [seen[-1][1] for seen in self._seen.values() if seen[-1][1].role == "detect"]
        return {s.name: sum(one.alerts.get(s.name, 0) for one in latest) for s in reversed(Severity)}

    def latency(self) -> Latency:
        """Of the last ten seconds, or since the detectors began when nothing came since."""
        recent, ever = LatencyHistogram(), LatencyHistogram()
        for seen in self._seen.values():
            newest = seen[-1][1]
            if newest.role == "detect":
                total = LatencyHistogram(newest.latency)
                recent.merge(total.since(LatencyHistogram(_before(seen, LATENCY_WINDOW_S).latency)))
                ever.merge(total)
        chosen, window = (recent, f"last {LATENCY_WINDOW_S:.0f} s") if len(recent) else (ever, "since start")
        return Latency(chosen.percentile(50), chosen.percentile(99), window)


def _before(seen: deque[tuple[float, WorkerSnapshot]], window: float) -> WorkerSnapshot:
    """The oldest snapshot within ``window`` seconds (and the half second that publishing may be late)."""
    newest = seen[-1][1].published_at
    return next(one for _, one in seen if newest - one.published_at <= window + 0.5)


def _rate(seen: deque[tuple[float, WorkerSnapshot]], now: float, window: float) -> float:
    if now - seen[-1][0] > SILENT_AFTER_S:
        return 0.0
    newest, base = seen[-1][1], _before(seen, window)
    passed = newest.published_at - base.published_at
    if passed <= 0:  # one snapshot: all we know is the mean of its life
        return newest.processed / max(newest.published_at - newest.started_at, 1.0)
    return (newest.processed - base.processed) / passed


def _line(seen: deque[tuple[float, WorkerSnapshot]], now: float) -> WorkerLine:
    newest, base = seen[-1][1], _before(seen, THROUGHPUT_WINDOW_S)
    passed = newest.published_at - base.published_at
    used = newest.cpu_seconds - base.cpu_seconds
    if passed <= 0:
        used, passed = newest.cpu_seconds, max(newest.published_at - newest.started_at, 1.0)
    return WorkerLine(
        worker_id=newest.worker_id,
        role=newest.role,
        host=newest.host,
        pid=newest.pid,
        tps=_rate(seen, now, THROUGHPUT_WINDOW_S),
        processed=newest.processed,
        lag=newest.lag,
        partitions=newest.partitions,
        rss_bytes=newest.rss_bytes,
        cpu_percent=100 * used / passed,
        paused=newest.paused,
    )


def utc_now() -> datetime:
    return datetime.now(UTC)
