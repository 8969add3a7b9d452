"""The demo's pieces, one by one."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from sentinel_cli.demo.ending import SIGNALS, Ending
from sentinel_cli.demo.lock import alone
from sentinel_cli.demo.pipeline import Closing, Traffic
from sentinel_cli.demo.summary import Summary, duration, panel, summary
from sentinel_cli.errors import SentinelError
from sentinel_cli.watching.outcome import Alert, Label, Outcome, Transaction, _Details

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_one_demo_at_a_time_and_the_other_is_told_which(tmp_path: Path) -> None:
    lock = tmp_path / "home" / "demo.lock"
    with (
        alone(lock),
        pytest.raises(SentinelError, match=rf"running already \(process {os.getpid()}\).*Ctrl-C"),
        alone(lock),
    ):
        pass
    with alone(lock):
        assert lock.read_text() == f"{os.getpid()}\n"


def test_starting_it_twice_is_one_sentence(tmp_path: Path) -> None:
    with alone(tmp_path / "demo.lock"):
        ran = subprocess.run(
            [sys.executable, "-m", "sentinel_cli", "demo", "--seconds", "1"],
            env={**os.environ, "SENTINEL_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.count("\n") == 1
    assert f"A demo is running already (process {os.getpid()})" in ran.stderr


def test_a_lock_does_not_outlive_a_killed_demo(tmp_path: Path) -> None:
    lock = tmp_path / "demo.lock"
    code = f"""
        from pathlib import Path
        from sentinel_cli.demo.lock import alone
        with alone(Path({str(lock)!r})):
            print("held", flush=True)
            input()
    """
    with holder(code) as process:
        process.kill()
        process.wait()
        with alone(lock):
            pass


def holder(code: str) -> subprocess.Popen[bytes]:
    """A process that has run ``code`` up to its first printed line."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_a_child_ends_with_its_starter_whatever_killed_that(tmp_path: Path) -> None:
    code = f"""
        from pathlib import Path
        from sentinel_cli.demo.child import Child
        nowhere = {{"redis.port": 1, "kafka.servers": "127.0.0.1:1"}}
        child = Child("respond", nowhere, [], Path({str(tmp_path / "log")!r}))
        print(child._process.pid, flush=True)
        input()
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        assert child.is_running()
        process.kill()
    gone, alive = psutil.wait_procs([child], timeout=10)
    assert (len(gone), alive) == (1, [])


@pytest.fixture
def handlers() -> Iterator[None]:
    """Puts pytest's own back afterwards."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_before_the_traffic_a_signal_interrupts_and_then_no_more(handlers: None) -> None:
    Ending()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    for number in SIGNALS:
        signal.raise_signal(number)


def test_while_it_flows_the_first_signal_is_gentle_and_the_second_is_not(handlers: None) -> None:
    asked: list[str] = []
    with Ending().gently(lambda: asked.append("stop")):
        signal.raise_signal(signal.SIGTERM)
        assert asked == ["stop"]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_while_it_is_undone_signals_are_ignored(handlers: None) -> None:
    with Ending().not_afterwards():
        pass
    for number in SIGNALS:
        signal.raise_signal(number)


def test_users_time_ends_about_now() -> None:
    given = Traffic(seconds=20, tps=1_000, users=500, seed=None).arguments(NOW)
    start = datetime.fromisoformat(given[given.index("--start") + 1])
    assert timedelta(days=80) < NOW - start < timedelta(days=90)  # 20,000 at 250 a day
    assert given[given.index("--duration") + 1] == "20"


def test_without_an_end_users_time_begins_as_early_as_detectors_allow() -> None:
    given = Traffic(seconds=None, tps=100_000, users=1, seed=None).arguments(NOW)
    assert given[given.index("--start") + 1] == "2000-01-01T00:00:00+00:00"
    assert "--duration" not in given


def test_the_same_seed_begins_where_it_always_begins() -> None:
    traffic = Traffic(seconds=20, tps=1_000, users=500, seed=7)
    assert traffic.arguments(NOW) == traffic.arguments(NOW + timedelta(days=9))
    assert "--start" not in traffic.arguments(NOW)


def closing(alerts: int) -> Closing:
    outcome = Outcome()
    for n in range(20):
        outcome.transaction(Transaction(f"T{n}", f"2026-01-01T00:{n:02d}:00Z", 1_234_567.5))
        outcome.label(
            Label(f"T{n}", n % 2 == 0, "impossible_travel" if n % 4 else "low_and_slow", f"e{n % 6}")
        )
    for n in range(alerts):
        outcome.alert(Alert(f"a{n}", _Details(f"T{n}")))
    event_time = ("2026-01-01T00:00:00Z", "2026-01-31T00:00:00Z")
    return Closing(
        producer={
            "produced": 20,
            "elapsed_s": 2.0,
            "tps": 10,
            "users": 3,
            "seed": 4,
            "event_time": event_time,
        },
        detector={
            "processed": 20,
            "dead_letters": 0,
            "duplicates": 0,
            "alerts": alerts,
            "alerts_by_severity": {"HIGH": alerts},
            "latency_ms": {"p50": 3.4567, "p99": None},
        },
        responder={},
        result=outcome.result(),
    )


def test_the_summary_has_what_machines_ask_for() -> None:
    found = summary(closing(6))
    assert (found.produced, found.scored, found.alerts) == (20, 20, 6)
    assert found.episodes == found.episodes_caught + found.episodes_missed
    assert found.precision == 0.5
    assert found.recall == 0.3
    assert found.latency_ms == {"p50": 3.46, "p99": None}
    assert found.alerts_by_severity == {"CRITICAL": 0, "HIGH": 6, "MEDIUM": 0, "LOW": 0}


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("alerts", [0, 6, 20])
def test_the_panel_fits_eighty_columns_and_says_the_same(alerts: int, width: int) -> None:
    lines = drawn(summary(closing(alerts)), width)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= 80
    for said in (
        "20 produced, 20 scored",
        "2026-01-01 to 2026-01-31",
        "episodes caught",
        "low and slow",
        "seed 4",
    ):
        assert said in text
    assert "…" not in text


def drawn(document: Summary, width: int) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, no_color=True, highlight=False).print(panel(document))
    return out.getvalue().splitlines()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (42.4, "42 s"), (300, "5 min"), (7_200, "2.0 h"), (3 * 86_400, "3.0 days")],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text
