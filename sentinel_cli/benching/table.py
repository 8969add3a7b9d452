"""Results of benchmarks for people."""

from __future__ import annotations

from typing import Any

from rich.table import Table

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
        cells = _latency(result) if result["bench"] == "latency" else _throughput(result)
        table.add_row(name(result), *cells)
    return table


def name(result: dict[str, Any]) -> str:
    """Which benchmark it is, in the words of its options."""
    words = [result["bench"]]
    if result["bench"] in {"detect", "latency"}:
        words += [result["source"], result["delivery"]]
    words += [f"{result['users']:,} users"]
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
    waited = f"p50 {result['p50_ms']:.1f} ms, p99 {result['p99_ms']:.1f} ms, p99.9 {result['p999_ms']:.1f} ms"
    return [f"{result['rate']:,.0f}", f"{result['raw_drain_tps']:,.0f}", "", "", "", waited]
