from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from sentinel_cli.benching import figures, scaling, table
from sentinel_cli.benching.scaling import Costs

DETECT: dict[str, Any] = {
    "bench": "detect",
    "source": "native",
    "delivery": "idempotent",
    "workers": 2,
    "users": 20_000,
    "hot": True,
    "tps": 600_000,
    "raw_drain_tps": 1_000_000,
    "ratio_to_raw": 0.6,
    "cpu_us_per_tx": 1.5,
    "peak_rss_mb": 300,
    "spread": {"tps": {"min": 500_000, "median": 600_000, "max": 650_000}},
}
MACHINE = {"cpu": "A processor", "cores": 2, "load": 0.1}


def test_the_median_counts_and_the_spread_is_told() -> None:
    summary = figures.summary([{"tps": 10}, {"tps": 50}, {"tps": 20}])
    assert summary == {"tps": 20, "rounds": 3, "spread": {"tps": {"min": 10, "median": 20, "max": 50}}}


@pytest.mark.parametrize(("value", "shown"), [(0.123456, 0.1235), (12.3456, 12.35), (123_456.7, 123_457)])
def test_four_digits_count(value: float, shown: float) -> None:
    assert figures.rounded(value) == shown


def test_a_table_says_which_way_was_measured() -> None:
    console = Console(width=200, file=io.StringIO())
    console.print(table.draw({"machine": MACHINE, "results": [DETECT]}))
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    for words in (
        "detect, native, idempotent",
        "one with half of the traffic",
        "2 workers",
        "600,000",
        "0.60",
    ):
        assert words in printed


def test_scale_is_arithmetic() -> None:
    costs = Costs(worker=2.0, read=1.0, written=1.0, redis=3.0, sent=400.0, profile=500.0, process=5e8)
    rates = [line.split(" | ") for line in scaling.by_rate(costs).splitlines()[2:]]
    # 10,000 tps at 2 µs is 2 % of a core; 10,000,000 are 20 cores, 40 of them half full.
    assert [line[1] for line in rates] == ["1", "1", "4", "40"]
    assert rates[-1][2:5] == ["20.0", "160", "60"]
    users = [line.split(" | ") for line in scaling.by_users(costs).splitlines()[2:]]
    assert [line[1] for line in users] == ["5", "50", "500"]
    assert [line[2] for line in users] == ["10", "100", "1,000"]
    assert [line[3].removesuffix(" |") for line in users] == ["1", "2", "16"]


def measured(**changes: Any) -> dict[str, Any]:
    """A result of `bench detect` that two others are like."""
    parts = {"cpu_us_per_tx": 2.0, "broker_cpu_us_per_tx": 1.0, "redis_cpu_us_per_tx": 1.0}
    same = {"records": 1_000, "features": 0, "hot": False, "partitions": 4, "cache": 1_000_000, "workers": 1}
    more = {"redis_bytes_per_tx": 400, "redis_bytes_per_profile": 500}
    return {**DETECT, **same, **parts, **more, **changes}


def test_planned_is_with_what_the_cache_fits_least() -> None:
    produced = {"bench": "produce", "broker_cpu_us_per_tx": 3.0, "users": 20_000}
    small, many = (
        {"users": 200_000, "cache": 20_000, "cpu_us_per_tx": 9.0},
        {"users": 1_000_000, "peak_rss_mb": 400},
    )
    costs = Costs.of({"results": [measured(), measured(**small), measured(**many), produced]})
    assert (costs.worker, costs.written, costs.process) == (9.0, 3.0, 400 * 2**20)


def test_two_workers_are_compared_with_one_over_the_same() -> None:
    others = [measured(source="plain"), measured(hot=True), measured(partitions=64)]
    two = measured(workers=2, cpu_us_per_tx=2.4)
    lines = scaling.two_workers({"results": [*others, measured(), two]}).splitlines()
    assert lines[2] == "| one worker | 600,000 | 2.00 µs | 1.00 | 1.00 µs | 1.00 µs |"
    assert lines[3] == "| two workers | 600,000 | 2.40 µs | 1.20 | 1.00 µs | 1.00 µs |"


PHASE = {
    "achieved_rate": 10_000,
    "p50_ms": 2.0,
    "p99_ms": 5.0,
    "p999_ms": 7.0,
    "max_ms": 9.0,
    "most_lag": 1_234,
}
BURST: dict[str, Any] = {
    **{key: DETECT[key] for key in ("source", "delivery", "users", "raw_drain_tps")},
    "bench": "burst",
    "rate": 10_000.0,
    "times": 10.0,
    "seconds": 10.0,
    "before": PHASE,
    "during": {**PHASE, "most_lag": 56_789},
    "after": PHASE,
}


@pytest.mark.parametrize(("caught_up", "said"), [(1.25, "1.2 s"), (None, "not caught up")])
def test_a_burst_has_three_lines(caught_up: float | None, said: str) -> None:
    console = Console(width=250, file=io.StringIO())
    console.print(table.draw({"machine": MACHINE, "results": [{**BURST, "catch_up_s": caught_up}]}))
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    for words in ("before", "during", "after", "lag 1,234", "lag 56,789", said):
        assert words in printed
