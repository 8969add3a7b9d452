"""docs/performance.md, from what `sentinel bench all --json` printed.

Purpose: `make reference` writes the page anew from docs/performance.json, so no figure on it was typed.

Not here: what follows for larger systems (``scaling``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sentinel_cli.benching import table
from sentinel_cli.benching.burst import PHASES
from sentinel_cli.benching.flowing import WARM_UP_S

PAGE = """\
# Performance

Made by `make reference` from [performance.json](performance.json), which is what
`sentinel bench all --json` printed:

| | |
|---|---|
{machine}

{disturbed}Broker, Redis, producer and worker share these cores. {rounds}

The *raw drain* is what confluent-kafka, tuned, hands to Python when nobody looks at the records, measured in
the same minute over the same records: the share of it is the figure that compares across machines. `make
bench` measures all of this where you are.

## Detection

All records wait on Kafka: 280 bytes of JSON unless said otherwise, 1 % of them alerts. The command scores
them exactly once, with its profiles and offsets in Redis, alerts, blocks and telemetry. Every round is
checked: all transactions scored, and on the topic exactly the alerts that had to be, each once: none lost,
none doubled. `tps` counts from the group's assignment to the last save; what comes before (starting Python,
loading the compiled kernel, joining) is the last column, up to the first save.

{detect}

CPU of the other parts, microseconds a transaction, while the detector runs:

{parts}

## Latency

From the producer's timestamp to the alert in a consumer's hands, at an even pace, after {warm_up:.0f} seconds
that count for nothing.

{latency}

{burst}## The other commands

{others}

`produce` counts transactions, each of which has a label too; `respond` counts alerts, of every severity,
half of its records being alerts; `backtest` reads a topic and joins the labels.
"""

BURST = """\
## A burst

{rate:,.0f} a second, then {times:.0f} times that, then as before, for {seconds:.0f} seconds each. Lag is what
was sent and is not in the saved profiles yet.
{caught_up}

{phases}

"""
CAUGHT_UP = (
    "After the last record of the burst it took {seconds:.1f} seconds until no more waited than before."
)
NOT_CAUGHT_UP = "In the time that followed it did not catch up."

# Cores. The kernel's work for the network is nobody's, and comes to some tenth of one.
DISTURBING = 0.3
DISTURBED = """\
**These figures were measured while the machine did other work**, which took up to {others} of its {cores}
cores: they show less than it can do, and rounds differ.

"""


ROUNDS = "Figures are the median of {count} rounds, with the lowest and the highest in brackets."
ONCE = "Each figure is of one round."


def performance(document: dict[str, Any]) -> str:
    """The whole page."""
    machine, results = document["machine"], document["results"]
    of = {
        kind: [each for each in results if each["bench"] == kind] for kind in ("detect", "latency", "burst")
    }
    rest = [each for each in results if each["bench"] not in of]
    others = max(each["others_cores"] for each in results if "others_cores" in each)
    return PAGE.format(
        machine="\n".join(f"| {name} | {value} |" for name, value in _machine(document)),
        disturbed=DISTURBED.format(others=others, cores=machine["cores"]) if others >= DISTURBING else "",
        rounds=ONCE if (count := of["detect"][0]["rounds"]) == 1 else ROUNDS.format(count=count),
        warm_up=WARM_UP_S,
        detect=_detect(of["detect"]),
        parts=_parts(of["detect"]),
        latency=_latency(of["latency"]),
        burst="".join(map(_burst, of["burst"])),
        others=_others(rest),
    )


def rows(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A table of Markdown; the first column is text, the others are numbers."""
    lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(cells)} |" for cells in body)])


def _machine(document: dict[str, Any]) -> list[tuple[str, object]]:
    machine, first = document["machine"], document["results"][0]
    return [
        ("processor", f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB"),
        ("system", machine["system"]),
        ("software", f"Python {machine['python']}, librdkafka {machine['librdkafka']}"),
        ("broker", first["broker"]),
        ("Redis", first["redis"]),
        ("version", f"Stream-Sentinel {machine['sentinel']}"),
    ]


def _detect(results: list[dict[str, Any]]) -> str:
    return rows(
        ("", "records", "tps", "raw drain", "of it", "µs of CPU", "MB", "start, s"),
        (
            (
                table.name(each),
                f"{each['records']:,}",
                _spread(each, "tps"),
                f"{each['raw_drain_tps']:,.0f}",
                f"**{each['ratio_to_raw']:.2f}**",
                f"{each['cpu_us_per_tx']:.2f}",
                f"{each['peak_rss_mb']:,.0f}",
                f"{each['start_s']:.1f}",
            )
            for each in results
        ),
    )


def _parts(results: list[dict[str, Any]]) -> str:
    return rows(
        ("", "worker", "broker", "Redis", "bytes to Redis", "bytes a profile takes there"),
        (
            (
                table.name(each),
                f"{each['cpu_us_per_tx']:.2f}",
                f"{each['broker_cpu_us_per_tx']:.2f}" if "broker_cpu_us_per_tx" in each else "elsewhere",
                f"{each['redis_cpu_us_per_tx']:.2f}",
                f"{each['redis_bytes_per_tx']:,.0f}",
                f"{each['redis_bytes_per_profile']:,.0f}",
            )
            for each in results
        ),
    )


def _burst(result: dict[str, Any]) -> str:
    caught_up = result["catch_up_s"]
    figures = ("p50_ms", "p99_ms", "p999_ms", "max_ms")
    phases = rows(
        ("", "tps", "p50, ms", "p99, ms", "p99.9, ms", "max, ms", "most lag"),
        (
            (
                f"{table.name(result)}, {phase}",
                f"{result[phase]['achieved_rate']:,.0f}",
                *(f"{result[phase][name]:,.1f}" for name in figures),
                f"{result[phase]['most_lag']:,}",
            )
            for phase in PHASES
        ),
    )
    return BURST.format(
        rate=result["rate"],
        times=result["times"],
        seconds=result["seconds"],
        caught_up=NOT_CAUGHT_UP if caught_up is None else CAUGHT_UP.format(seconds=caught_up),
        phases=phases,
    )


def _latency(results: list[dict[str, Any]]) -> str:
    return rows(
        ("", "tps", "alerts", "p50, ms", "p99, ms", "p99.9, ms", "max, ms"),
        (
            (
                table.name(each),
                f"{each['achieved_rate']:,.0f}",
                f"{each['alerts']:,}",
                *(f"{each[name]:,.1f}" for name in ("p50_ms", "p99_ms", "p999_ms", "max_ms")),
            )
            for each in results
        ),
    )


def _others(results: list[dict[str, Any]]) -> str:
    return rows(
        ("", "a second", "raw drain", "of it", "MB"),
        (
            (
                table.name(each),
                _spread(each, "tps"),
                f"{each['raw_drain_tps']:,.0f}",
                f"{each['ratio_to_raw']:.2f}",
                f"{each['peak_rss_mb']:,.0f}",
            )
            for each in results
        ),
    )


def _spread(result: dict[str, Any], figure: str) -> str:
    spread = result["spread"][figure]
    if result["rounds"] == 1:
        return f"{spread['median']:,.0f}"
    return f"{spread['median']:,.0f} ({spread['min']:,.0f} to {spread['max']:,.0f})"
