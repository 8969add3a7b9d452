"""Results of benchmarks for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from sentinel_cli.benching import PARTITIONS
from sentinel_cli.benching.burst import PHASES

COLUMNS = ("", "a second", "raw drain", "of it", "µs of CPU", "MB", "rounds from … to")


def draw(document: dict[str, Any]) -> Table:
    machine = document["machine"]
    table = Table(
        title=f"{machine['cpu']}, {machine['cores']} cores; load {machine['load']} when it began",
        title_justify="left",
    )
    for number, column in enumerate(COLUMNS):
        table.add_column(column, justify="right" if number else "left")
    for result in document["results"]:
        for title, cells in _lines(result):
            table.add_row(title, *cells)
    return table


def _lines(result: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    if result["bench"] == "burst":
        for phase in PHASES:
            yield f"{name(result)}, {phase}", _phase(result, phase)
    else:
        yield name(result), _latency(result) if result["bench"] == "latency" else _throughput(result)


def name(result: dict[str, Any]) -> str:
    """Which benchmark it is, in the words of its options."""
    words = [result["bench"]]
    if result["bench"] in {"detect", "latency", "burst"}:
        words += [result["source"], result["delivery"]]
    words += [f"{result['users']:,} users"]
    if result.get("cache", result["users"]) < result["users"]:
        words += [f"{result['cache']:,} in the cache"]
    if result.get("partitions", PARTITIONS) != PARTITIONS:
        words += [f"{result['partitions']} partitions"]
    if result.get("hot"):
        words += ["one with half of the traffic"]
    if result.get("features"):
        words += [f"{result['features']} features"]
    if result.get("workers", 1) > 1:
        words += [f"{result['workers']} workers"]
    return ", ".join(words)


def _throughput(result: dict[str, Any]) -> list[str]:
    spread = result["spread"]["tps"]
    cpu = result.get("cpu_us_per_tx")
    return [
        f"{result['tps']:,.0f}",
        f"{result['raw_drain_tps']:,.0f}",
        f"{result['ratio_to_raw']:.2f}",
        "" if cpu is None else f"{cpu:.2f}",
        f"{result['peak_rss_mb']:,.0f}",
        f"{spread['min']:,.0f} … {spread['max']:,.0f}",
    ]


def _latency(result: dict[str, Any]) -> list[str]:
    return [f"{result['rate']:,.0f}", f"{result['raw_drain_tps']:,.0f}", "", "", "", _waited(result)]


def _phase(result: dict[str, Any], phase: str) -> list[str]:
    found, caught_up = result[phase], result["catch_up_s"]
    words = [_waited(found), f"lag {found['most_lag']:,}"]
    if phase == PHASES[-1]:
        words += ["not caught up" if caught_up is None else f"caught up after {caught_up:.1f} s"]
    return [f"{found['achieved_rate']:,.0f}", f"{result['raw_drain_tps']:,.0f}", "", "", "", ", ".join(words)]


def _waited(found: dict[str, Any]) -> str:
    return f"p50 {found['p50_ms']:.1f} ms, p99 {found['p99_ms']:.1f} ms, p99.9 {found['p999_ms']:.1f} ms"
