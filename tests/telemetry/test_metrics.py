from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sentinel_cli.errors import SentinelError
from sentinel_cli.telemetry.metrics import STALLED_AFTER_S, serving
from sentinel_cli.telemetry.stats import LatencyHistogram, WorkerSnapshot


@pytest.fixture
def worker() -> WorkerSnapshot:
    latency = LatencyHistogram()
    latency.add([3.0, 3.0, 40.0])
    return WorkerSnapshot(
        worker_id="w",
        role="detect",
        host="h",
        pid=1,
        started_at=0.0,
        processed=1200,
        alerts={"HIGH": 4},
        dead_letters=2,
        lag=17,
        partitions=[0, 3],
        latency=latency.counts(),
    )


@pytest.fixture
def address(worker: WorkerSnapshot) -> Iterator[str]:
    with serving(0, lambda: worker) as (host, port):
        yield f"http://{host}:{port}"


def ask(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - http, our own server
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def scrape(address: str) -> dict[str, float]:
    families = text_string_to_metric_families(ask(f"{address}/metrics")[1])
    samples = [sample for family in families for sample in family.samples]
    return {f"{s.name}{sorted(s.labels.items()) or ''}": s.value for s in samples}


def test_a_scrape_shows_the_worker_as_it_is_now(address: str, worker: WorkerSnapshot) -> None:
    first = scrape(address)
    worker.processed += 300
    worker.paused = "Kafka does not answer"
    second = scrape(address)
    assert first["sentinel_transactions_processed_total"] == 1200
    assert second["sentinel_transactions_processed_total"] == 1500
    assert [each["sentinel_paused"] for each in (first, second)] == [0, 1]
    assert first["sentinel_consumer_lag"] == 17
    assert first["sentinel_dead_letters_total"] == 2
    assert first["sentinel_alerts_total[('severity', 'HIGH')]"] == 4
    assert first["sentinel_alerts_total[('severity', 'LOW')]"] == 0


def test_latencies_are_a_cumulative_histogram_in_seconds(address: str) -> None:
    found = scrape(address)
    assert found["sentinel_latency_seconds_bucket[('le', '0.0025')]"] == 0
    assert found["sentinel_latency_seconds_bucket[('le', '0.005')]"] == 2
    assert found["sentinel_latency_seconds_bucket[('le', '0.05')]"] == 3
    assert found["sentinel_latency_seconds_count"] == 3
    assert found["sentinel_latency_seconds_sum"] == pytest.approx(0.046, rel=0.03)


def test_a_responder_counts_what_it_did(address: str, worker: WorkerSnapshot) -> None:
    worker.role, worker.acted, worker.blocked, worker.cases = "respond", 5, 2, 3
    found = scrape(address)
    assert found["sentinel_alerts_acted_total"] == 5
    assert found["sentinel_users_blocked_total"] == 2
    assert found["sentinel_cases_opened_total"] == 3
    assert "sentinel_transactions_processed_total" not in found


def test_health_is_whether_the_loop_turns(address: str, worker: WorkerSnapshot) -> None:
    assert ask(f"{address}/healthz") == (200, "ok\n")
    worker.paused = "Redis does not answer"
    assert ask(f"{address}/healthz") == (200, "paused: Redis does not answer\n")
    worker.published_at = time.time() - STALLED_AFTER_S - 5
    status, said = ask(f"{address}/healthz")
    assert status == 503
    assert said.startswith("stalled for 35")


def test_a_port_that_is_taken_is_one_sentence(address: str, worker: WorkerSnapshot) -> None:
    port = int(address.rpartition(":")[2])
    with (
        pytest.raises(SentinelError, match=f"127.0.0.1:{port}.*choose another --metrics-port"),
        serving(port, lambda: worker),
    ):
        pass
