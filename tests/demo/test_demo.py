"""`sentinel demo` as a whole: what it prints, and that nothing stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from profiles import connection
from sentinel_cli.streaming import kafka
from tests.terminal import NORMAL_SCREEN, Terminal

if TYPE_CHECKING:
    from sentinel_cli.config import Settings

# Light enough for a machine that runs other tests as well.
LIGHT = ("--tps", "300", "--users", "200")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home of this test's own; whatever carries its name in its environment must end with the test."""
    yield tmp_path
    for process in descendants(tmp_path):
        process.kill()


def descendants(home: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("SENTINEL_HOME") == str(home) and process.pid != os.getpid():
                found.append(process)
        except psutil.Error:
            continue
    return [process for process in found if process.status() != psutil.STATUS_ZOMBIE]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "sentinel_cli", "demo", *LIGHT, *arguments]


def addresses(settings: Settings) -> list[str]:
    place = settings.redis
    redis = ["--redis-host", place.host, "--redis-port", str(place.port)]
    return ["--prefix", settings.prefix, "--kafka-servers", settings.kafka.servers, *redis]


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "SENTINEL_HOME": str(home)}


@pytest.mark.real
def test_one_document_in_which_everything_adds_up_and_nothing_stays(settings: Settings, home: Path) -> None:
    ran = subprocess.run(
        command("--seconds", "4", "--json", *addresses(settings)),
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["produced"] == found["scored"] == 1_200
    assert found["alerts"] == found["responses"] == sum(found["alerts_by_severity"].values())
    assert found["episodes"] == found["episodes_caught"] + found["episodes_missed"]
    assert sum(of["episodes"] for of in found["scenarios"].values()) == found["episodes"]
    assert sum(of["transactions"] for of in found["scenarios"].values()) == found["fraud_transactions"]
    assert found["latency_ms"]["p50"] > 0
    assert found["dead_letters"] == found["duplicates"] == 0
    assert "Transactions flow" in ran.stderr
    assert descendants(home) == []
    assert left(settings) == []


def left(settings: Settings) -> list[str]:
    client, admin = connection.connect_to(settings.redis), kafka.admin(settings)
    found = [str(key) for key in client.scan_iter(f"{settings.prefix}*", count=10_000)]
    if not kafka.is_mock(cluster := kafka.reachable(settings)):
        found += [topic for topic in cluster.topics if topic.startswith(settings.prefix)]
        groups = admin.list_consumer_groups(request_timeout=10).result().valid
        found += [group.group_id for group in groups if group.group_id.startswith(settings.prefix)]
    return found


@pytest.mark.real
def test_on_a_terminal_it_is_a_picture_until_q_and_then_a_summary(settings: Settings, home: Path) -> None:
    with Terminal(command(*addresses(settings)), environment(home)) as terminal:
        terminal.read_until(b"Transactions flow")
        terminal.type("q")
        terminal.read_until(b"lost until")
        assert terminal.code() == 0
        assert NORMAL_SCREEN in terminal.seen
        assert terminal.is_as_before()
    assert descendants(home) == []


@pytest.mark.apache
@pytest.mark.real
@pytest.mark.parametrize(
    ("moment", "number", "code"),
    [
        ("Starting Apache Kafka", signal.SIGTERM, 130),
        ("Starting the workers", signal.SIGTERM, 130),
        ("Transactions flow", signal.SIGTERM, 0),
        ("Transactions flow", signal.SIGKILL, -9),
    ],
)
def test_ended_at_any_moment_it_leaves_no_process(
    home: Path, moment: str, number: signal.Signals, code: int
) -> None:
    process = subprocess.Popen(
        command("--seconds", "60"),
        env=environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr is not None
        assert any(moment in line for line in process.stderr)
        assert descendants(home) != []
        process.send_signal(number)
        said, _ = process.communicate(timeout=90)
    assert process.returncode == code
    assert ("episodes caught" in said) == (code == 0)
    await_that(lambda: descendants(home) == [], within=0 if number == signal.SIGTERM else 20)
    assert not (home / "demo" / "stack.json").exists()


def await_that(condition: Callable[[], Any], within: float) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.real
def test_a_worker_that_fails_ends_it_and_is_quoted(settings: Settings, home: Path) -> None:
    scorecard = home / "scorecard.toml"
    scorecard.write_text("nonsense = 1\n")
    ran = subprocess.run(
        command("--seconds", "5", "--json", *addresses(settings)),
        env={**environment(home), "SENTINEL_DETECT_SCORECARD": str(scorecard)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert "`sentinel detect` ended with 1" in ran.stderr
    assert str(scorecard) in ran.stderr
    assert descendants(home) == []
    assert left(settings) == []
