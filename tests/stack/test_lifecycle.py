"""One life of a stack: start, stop, start again, and what is left when its starter is killed."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from profiles import connection
from sentinel_cli import stack
from sentinel_cli.config import Settings, load
from sentinel_cli.errors import StackError
from sentinel_cli.stack import state
from sentinel_cli.streaming import kafka, topics

pytestmark = pytest.mark.real
WITHIN = 30.0  # seconds: far more than anything here needs


class Said:
    """A report that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    fetching = stack.Silent.fetching


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "a home, with spaces"
    stack.stop(tmp_path / "a home, with spaces")


@pytest.fixture
def no_jars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, and a repository where nothing listens."""
    (tmp_path / "jgo.conf").write_text("[repositories]\ncentral = http://127.0.0.1:9/maven2\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(tmp_path / "jgo.conf"))
    monkeypatch.setenv("SENTINEL_CACHE", str(tmp_path / "cache"))


def start(home: Path) -> stack.Stack:
    return stack.start(home, stack.Silent(), warm=False)


def settings(running: stack.Stack) -> Settings:
    return stack.settings(running, load({"prefix": "t"}))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def using(home: Path) -> list[psutil.Process]:
    """Every process that works in the home folder or was told of it, whoever started it."""
    found = []
    for process in psutil.process_iter(["cwd", "cmdline", "status"]):
        known = process.info
        told = [known["cwd"] or "", *(known["cmdline"] or [])]
        if known["status"] != psutil.STATUS_ZOMBIE and any(str(home) in each for each in told):
            found.append(process)
    return found


def starter(home: Path, *, owned: bool) -> subprocess.Popen[str]:
    """A process that starts a stack, says "ready" and lives on."""
    text = f"""
import time
from pathlib import Path
from sentinel_cli import stack
stack.start(Path({str(home)!r}), stack.Silent(), owned={owned})
print("ready", flush=True)
time.sleep(600)
"""
    return subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)


def kill(process: subprocess.Popen[str], how: signal.Signals) -> None:
    process.send_signal(how)
    process.communicate()


@pytest.mark.apache
def test_data_and_addresses_stay_between_starts(home: Path) -> None:
    first = start(home)
    topics.ensure(settings(first), partitions=2)
    connection.connect_to(settings(first).redis).set("kept", "yes")
    stack.stop(home)

    second = start(home)

    assert (second.kafka_servers, second.redis_port) == (first.kafka_servers, first.redis_port)
    assert {each.partitions for each in topics.describe(settings(second))} == {2}
    assert connection.connect_to(settings(second).redis).get("kept") == b"yes"


@pytest.mark.apache
def test_stops_and_leaves_nothing(home: Path) -> None:
    running = start(home)
    assert stack.status(home) == running
    assert running.ready
    assert len(using(home)) == 2

    ended = stack.stop(home)

    assert [server.name for server in ended] == ["kafka", "valkey"]
    assert using(home) == []
    assert stack.status(home) is None
    assert stack.stop(home) == []
    assert (home / "kafka" / "data").exists()
    stack.erase(home)
    assert sorted(path.name for path in home.iterdir()) == ["stack.lock"]


@pytest.mark.usefixtures("no_jars")
def test_a_second_start_finds_the_first(home: Path) -> None:
    first = start(home)
    assert start(home) == first
    with stack.owned(home, stack.Silent(), warm=False) as third:
        assert third == first
    assert first.ready


@pytest.mark.usefixtures("no_jars")
def test_erase_refuses_while_servers_run(home: Path) -> None:
    start(home)
    with pytest.raises(StackError, match="runs"):
        stack.erase(home)


@pytest.mark.usefixtures("no_jars")
def test_without_jars_the_mock_cluster_runs_and_says_so(home: Path) -> None:
    said = Said()
    running = stack.start(home, said, warm=False)
    assert running.mode == "mock"
    assert any("cannot be fetched" in line and "mock cluster" in line for line in said.lines)

    mine = settings(running)
    topics.ensure(mine)
    name = mine.topic(topics.TRANSACTIONS)
    producer = kafka.producer(mine)
    producer.produce(name, b"1")
    assert producer.flush(WITHIN) == 0
    assert {each.partitions for each in topics.describe(mine)} == {4}


@pytest.mark.usefixtures("no_jars")
def test_two_starts_at_once_make_one_stack(home: Path) -> None:
    text = f"""
from pathlib import Path
from sentinel_cli import stack
print(stack.start(Path({str(home)!r}), stack.Silent(), warm=False).servers)
"""
    both = [
        subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    first, second = (each.communicate()[0] for each in both)
    assert [each.returncode for each in both] == [0, 0]
    assert first == second
    assert len(using(home)) == 2


@pytest.mark.usefixtures("no_jars")
@pytest.mark.parametrize("seconds", [0.3, 0.5, 0.7, 1.0, 1.5])
def test_an_owned_stack_ends_with_its_owner_killed_at_any_moment(home: Path, seconds: float) -> None:
    owner = starter(home, owned=True)
    time.sleep(seconds)  # the moment is the point
    kill(owner, signal.SIGKILL)
    until(lambda: not using(home) and state.read(home) is None)
    assert start(home).ready  # and no lock stays


@pytest.mark.apache
def test_an_owned_kafka_ends_with_its_owner(home: Path) -> None:
    owner = starter(home, owned=True)
    assert owner.stdout
    assert owner.stdout.readline() == "ready\n"
    with pytest.raises(StackError, match=f"process {owner.pid}"):
        start(home)
    kill(owner, signal.SIGKILL)
    until(lambda: not using(home) and state.read(home) is None)


@pytest.mark.usefixtures("no_jars")
@pytest.mark.parametrize("seconds", [0.4, 0.7, 1.0])
def test_what_a_killed_start_left_is_known(home: Path, seconds: float) -> None:
    up = starter(home, owned=False)
    time.sleep(seconds)  # the moment is the point
    kill(up, signal.SIGKILL)
    until(lambda: len(using(home)) <= len(servers) if (servers := _written(home)) else not using(home))
    stack.stop(home)
    assert using(home) == []


def _written(home: Path) -> list[state.Server]:
    found = state.read(home)
    return found.servers if found else []


@pytest.mark.usefixtures("no_jars")
def test_a_pid_that_became_another_process_is_left_alone(home: Path) -> None:
    running = start(home)
    stack.stop(home)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        running.servers[0].pid = stranger.pid
        running.servers[0].started = psutil.Process(stranger.pid).create_time() - 3600
        state.write(home, running)
        found = stack.status(home)
        assert found
        assert not found.ready
        assert stack.stop(home) == []
        assert stranger.poll() is None


@pytest.mark.usefixtures("no_jars")
def test_a_server_that_died_is_started_again(home: Path) -> None:
    running = start(home)
    psutil.Process(running.server("valkey").pid).kill()
    until(lambda: not running.server("valkey").running)
    found = stack.status(home)
    assert found
    assert not found.ready
    again = start(home)
    assert again.ready
    assert again.redis_port == running.redis_port


@pytest.mark.apache
def test_no_server_or_java_of_the_machine_is_used(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_ins = tmp_path / "bin"
    stand_ins.mkdir()
    for name in ("java", "mvn", "docker", "redis-server", "valkey-server"):
        path = stand_ins / name
        path.write_text(f"#!/bin/sh\ntouch {stand_ins}/used\nexit 97\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(stand_ins), prepend=os.pathsep)
    monkeypatch.setenv("JAVA_HOME", str(stand_ins))
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dno.such.option -XX:NoSuchFlag")
    assert start(home).ready
    assert not (stand_ins / "used").exists()


@pytest.mark.usefixtures("no_jars")
def test_the_addresses_reach_the_settings_only_when_all_answer(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTINEL_HOME", str(home))
    running = start(home)
    found = load({})
    assert (found.kafka.servers, found.redis.port) == (running.kafka_servers, running.redis_port)

    document = json.loads((home / "stack.json").read_text())
    half = {name: document[name] for name in ("mode", "servers")}
    (home / "stack.json").write_text(json.dumps(half))
    assert load({}).kafka.servers == "localhost:9092"
