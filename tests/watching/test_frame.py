from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console
from rich.text import Text

from sentinel_cli.watching.frame import frame, milliseconds, sparkline
from sentinel_cli.watching.picture import AlertLine, Latency, Picture, WorkerLine

WIDTHS = (60, 80, 120, 200)


def picture(**changes: object) -> Picture:
    fields: dict[str, object] = {
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "environment": "development",
        "prefix": "",
        "kafka": "127.0.0.1:9092",
        "redis": "127.0.0.1:6379",
        "problems": [],
        "throughput_tps": 1_234.5,
        "throughput_window_s": 5.0,
        "throughput_history": [float(n) for n in range(60)],
        "lag": 72,
        "lag_by_partition": {0: 2, 1: 70, 2: 0},
        "alerts_lag": 3,
        "latency_ms": Latency(3.4, 12.0, "last 10 s"),
        "alerts": {"CRITICAL": 2, "HIGH": 30, "MEDIUM": 4, "LOW": 0},
        "workers": [worker()],
        "latest_alerts": [alert(n) for n in range(40)],
        **changes,
    }
    return Picture(**fields)  # type: ignore[arg-type]


def worker(**changes: object) -> WorkerLine:
    fields = {
        "worker_id": "w",
        "role": "detect",
        "host": "a-host-with-a-rather-long-name.example",
        "pid": 4711,
        "tps": 1_234.5,
        "processed": 98_765,
        "lag": 72,
        "partitions": [0, 1, 2],
        "rss_bytes": 123_000_000,
        "cpu_percent": 23.4,
        "paused": "",
        **changes,
    }
    return WorkerLine(**fields)  # type: ignore[arg-type]


def alert(n: int) -> AlertLine:
    return AlertLine(
        alert_id=f"alert_{n}",
        timestamp="2026-01-01T14:32:34Z",
        user_id=f"user_{n:06d}",
        severity="CRITICAL" if n % 2 else "LOW",
        fraud_score=0.912,
        amount=1_234.56,
        currency="USD",
        reason="[b]5.2 times[/b] this user's average, which is more than any sentence on one line can hold",
    )


def drawn(shown: Picture, width: int = 80, height: int | None = None, **more: object) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, no_color=True, highlight=False)
    console.print(frame(shown, width, height, **more))  # type: ignore[arg-type]
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("workers", [0, 1, 2, 30])
def test_a_frame_fits_any_width_and_fills_no_more_than_the_height(width: int, workers: int) -> None:
    for height in (24, 40):
        lines = drawn(picture(workers=[worker()] * workers), width, height)
        assert max(map(len, lines)) <= width
        assert len(lines) <= height
        assert len(lines) == height or workers == 30


@pytest.mark.parametrize("width", WIDTHS)
def test_a_frame_says_everything_at_any_width(width: int) -> None:
    text = "\n".join(drawn(picture(), width))
    for said in (
        "1,234 tps",
        "p50 3.4 ms",
        "p99 12.0 ms",
        "72 transactions",
        "partition 1: 70",
        "3 alerts to",
    ):
        assert said in text
    for said in (
        "CRITICAL",
        "30",
        "detect",
        "4711",
        "123 MB",
        "23 %",
        "14:32:34",
        "user_000001",
        "[b]5.2 times",
    ):
        assert said in text


def test_words_say_what_colours_repeat() -> None:
    out = io.StringIO()
    Console(file=out, width=80, no_color=True, force_terminal=True, highlight=False).print(
        frame(picture(), 80)
    )
    coloured = io.StringIO()
    Console(file=coloured, width=80, force_terminal=True, color_system="standard", highlight=False).print(
        frame(picture(), 80)
    )
    assert "\x1b[31m" not in out.getvalue()
    assert Text.from_ansi(out.getvalue()).plain == Text.from_ansi(coloured.getvalue()).plain


def test_a_problem_stands_in_the_frame_and_takes_its_room_from_the_alerts() -> None:
    problems = ["Kafka at 127.0.0.1:9092 does not answer; trying again.", "x" * 100]
    lines = drawn(picture(problems=problems, lag=None, alerts_lag=None, throughput_tps=None), 80, 24)
    assert len(lines) == 24
    assert "! Kafka at 127.0.0.1:9092 does not answer; trying again." in lines[1]
    assert "\n".join(lines).count("not known") == 2


def test_nothing_there_is_said_in_words() -> None:
    text = "\n".join(
        drawn(picture(workers=[], latest_alerts=[], latency_ms=Latency(None, None, "since start")))
    )
    assert "No worker is running" in text
    assert "none yet" in text
    assert "p50 -" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_a_paused_worker_says_why(width: int) -> None:
    assert "Redis is away" in "\n".join(drawn(picture(workers=[worker(paused="Redis is away")]), width))


@pytest.mark.parametrize(
    ("values", "width", "line"),
    [
        ([0, 4, 8], 3, "▁▄█"),
        ([0, 0], 4, "  ▁▁"),
        ([1, 8, 2, 8, 8], 3, "▁██"),
        ([], 5, ""),
        ([1, 2], 0, ""),
    ],
)
def test_a_sparkline_scales_to_its_largest_and_pools_by_maximum(
    values: list[float], width: int, line: str
) -> None:
    assert sparkline(values, width) == line


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.04, "0.0 ms"),
        (3.21, "3.2 ms"),
        (250.4, "250 ms"),
        (1_500.0, "1.5 s"),
        (90_000.0, "1.5 min"),
    ],
)
def test_milliseconds_read_well(value: float | None, text: str) -> None:
    assert milliseconds(value) == text
