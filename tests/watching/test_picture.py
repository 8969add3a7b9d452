from __future__ import annotations

import pytest

from sentinel_cli.telemetry.stats import LatencyHistogram, WorkerSnapshot
from sentinel_cli.watching.picture import SILENT_AFTER_S, History, lag


def snapshot(at: float, processed: int = 0, **more: object) -> WorkerSnapshot:
    fields: dict[str, object] = {
        "worker_id": "d",
        "role": "detect",
        "host": "h",
        "pid": 1,
        "started_at": 0.0,
        "cpu_seconds": 0.0,
        **more,
    }
    return WorkerSnapshot(published_at=at, processed=processed, **fields)  # type: ignore[arg-type]


def latencies(*milliseconds: float) -> dict[int, int]:
    histogram = LatencyHistogram()
    histogram.add(list(milliseconds))
    return histogram.counts()


def test_a_rate_is_what_two_snapshots_differ_by() -> None:
    history = History()
    history.take([snapshot(100.0, 5_000)], now=0.0)
    history.take([snapshot(102.0, 9_000)], now=2.0)
    assert history.throughput(now=2.0) == 2_000


def test_a_rate_forgets_what_lies_before_its_window() -> None:
    history = History()
    for second in range(20):
        processed = 1_000 * second if second < 10 else 10_000 + 50 * (second - 10)
        history.take([snapshot(100.0 + second, processed)], now=float(second))
    assert history.throughput(now=19.0) == 50


def test_the_same_snapshot_seen_again_is_no_news() -> None:
    history = History()
    history.take([snapshot(100.0, 0)], now=0.0)
    history.take([snapshot(101.0, 600)], now=1.0)
    history.take([snapshot(101.0, 600)], now=1.5)
    assert history.throughput(now=1.5) == 600


def test_workers_add_up_and_responders_are_not_throughput() -> None:
    history = History()
    for at in (0.0, 1.0):
        history.take(
            [
                snapshot(at, int(100 * at)),
                snapshot(at, int(300 * at), worker_id="e"),
                snapshot(at, int(7 * at), worker_id="r", role="respond"),
            ],
            now=at,
        )
    assert history.throughput(now=1.0) == 400
    assert [round(worker.tps) for worker in history.workers(now=1.0)] == [100, 300, 7]


def test_one_snapshot_alone_gives_the_mean_of_the_workers_life() -> None:
    history = History()
    history.take([snapshot(50.0, 10_000, started_at=40.0, cpu_seconds=2.5)], now=0.0)
    assert history.throughput(now=0.0) == 1_000
    assert history.workers(now=0.0)[0].cpu_percent == 25
    assert not history.settled()


def test_a_worker_that_fell_silent_has_no_rate_and_one_that_is_gone_no_line() -> None:
    history = History()
    history.take([snapshot(100.0, 0)], now=0.0)
    history.take([snapshot(101.0, 500)], now=1.0)
    history.take([snapshot(101.0, 500)], now=1.5 + SILENT_AFTER_S)
    assert history.throughput(now=1.5 + SILENT_AFTER_S) == 0
    history.take([], now=7.0)
    assert history.workers(now=7.0) == []
    assert history.throughput(now=7.0) == 0


def test_latency_is_of_the_last_seconds_while_there_is_any() -> None:
    history = History()
    history.take([snapshot(100.0, latency=latencies(900.0, 900.0))], now=0.0)
    history.take([snapshot(101.0, latency=latencies(900.0, 900.0, 4.0))], now=1.0)
    assert history.latency().p50 == pytest.approx(4.0, rel=0.03)
    assert history.latency().window == "last 10 s"
    for at in range(2, 14):
        history.take([snapshot(100.0 + at, latency=latencies(900.0, 900.0, 4.0))], now=float(at))
    assert history.latency().p50 == pytest.approx(900.0, rel=0.03)
    assert history.latency().window == "since start"


def test_alerts_add_up_by_severity_the_worst_first() -> None:
    history = History()
    history.take(
        [snapshot(0.0, alerts={"HIGH": 2}), snapshot(0.0, worker_id="e", alerts={"HIGH": 1, "LOW": 4})],
        now=0.0,
    )
    assert list(history.alerts().items()) == [("CRITICAL", 0), ("HIGH", 3), ("MEDIUM", 0), ("LOW", 4)]


def test_seconds_are_one_bar_each() -> None:
    history = History()
    for half in range(8):
        history.take([snapshot(half / 2, 100 * half)], now=half / 2)
    assert history.seconds() == [200, 200, 200, 200]


def test_lag_counts_from_the_stored_offset_else_from_the_first_record() -> None:
    found = lag({0: 10, 1: 0, 2: 5}, {0: 110, 1: 40, 2: 5}, {0: 100, 1: None, 2: 5})
    assert found.lag_by_partition == {0: 10, 1: 40, 2: 0}
    assert found.lag == 50
    assert found.records == 140
