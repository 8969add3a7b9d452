from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_cli.telemetry.stats import GROWTH, LatencyHistogram, WorkerSnapshot

latencies = st.lists(st.floats(0.002, 3_000_000), min_size=1, max_size=200)
# A bucket's middle against any value in it.
WITHIN = GROWTH**0.5 * (1 + 1e-9)


def filled(values: list[float]) -> LatencyHistogram:
    histogram = LatencyHistogram()
    histogram.add(values)
    return histogram


@given(latencies, st.sampled_from([1, 50, 90, 99, 100]))
def test_a_percentile_is_within_its_stated_error(values: list[float], q: float) -> None:
    exact = float(np.percentile(values, q, method="inverted_cdf"))
    found = filled(values).percentile(q)
    assert found is not None
    assert exact / WITHIN <= found <= exact * WITHIN


@given(latencies, latencies)
def test_merging_is_adding_both(left: list[float], right: list[float]) -> None:
    merged = filled(left)
    merged.merge(filled(right))
    assert merged.counts() == filled(left + right).counts()


@given(latencies, latencies)
def test_since_is_what_came_later(before: list[float], after: list[float]) -> None:
    histogram = filled(before)
    earlier = LatencyHistogram(histogram.counts())
    histogram.add(after)
    assert histogram.since(earlier).counts() == filled(after).counts()


@given(latencies)
def test_counts_survive_json_inside_a_snapshot(values: list[float]) -> None:
    counts = filled(values).counts()
    shown = WorkerSnapshot(worker_id="w", role="detect", host="h", pid=1, started_at=0.0, latency=counts)
    back = msgspec.json.decode(msgspec.json.encode(shown), type=WorkerSnapshot)
    assert back == shown
    assert LatencyHistogram(back.latency).counts() == counts


def test_values_one_by_one_are_an_array() -> None:
    one_by_one = LatencyHistogram()
    for value in (0.5, 3.0, 250.0):
        one_by_one.add(value)
    assert one_by_one.counts() == filled([0.5, 3.0, 250.0]).counts()


def test_impossible_and_endless_latencies_are_kept_at_the_ends() -> None:
    histogram = filled([-5.0, 0.0, 1e12])
    assert len(histogram) == 3
    assert histogram.percentile(50) == pytest.approx(0.001, rel=0.03)
    assert histogram.percentile(100) == pytest.approx(3_600_000, rel=0.06)


@given(latencies)
def test_the_sum_is_within_the_error_of_a_bucket(values: list[float]) -> None:
    assert filled(values).sum_ms() == pytest.approx(sum(values), rel=WITHIN - 1)


def test_nothing_seen_has_no_percentile() -> None:
    assert LatencyHistogram().percentile(50) is None
    LatencyHistogram().add(np.array([]))


def test_at_most_counts_cumulatively() -> None:
    assert filled([1.0, 4.0, 4.0, 90.0]).at_most([0.5, 2, 10, 1000]) == [0, 1, 3, 4]


def test_a_snapshot_measures_its_own_process() -> None:
    shown = WorkerSnapshot(worker_id="w", role="respond", host="h", pid=1, started_at=0.0)
    assert shown.rss_bytes > 1_000_000
    assert shown.cpu_seconds > 0
    assert shown.published_at > 1_700_000_000
