"""`sentinel up`, `down`, `status`, `doctor` and `topics`, as a shell sees them."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sentinel_cli import app, stack
from sentinel_cli.checks import finding, redis
from sentinel_cli.streaming import kafka, topics

if TYPE_CHECKING:
    from sentinel_cli.config import Settings

Run = Callable[..., tuple[int, str, str]]
ANSWERS_WITHIN = 10.0  # seconds, whatever is broken


@pytest.fixture
def sentinel(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = app.main(arguments)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own, an empty cache, and a repository where nothing listens: the mock cluster."""
    (tmp_path / "jgo.conf").write_text("[repositories]\ncentral = http://127.0.0.1:9/maven2\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(tmp_path / "jgo.conf"))
    monkeypatch.setenv("SENTINEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SENTINEL_HOME", str(tmp_path / "home"))
    yield tmp_path / "home"
    stack.stop(tmp_path / "home")


@pytest.fixture
def here(settings: Settings) -> list[str]:
    """The flags that name the servers of the run and this test's own prefix."""
    return [
        f"--prefix={settings.prefix}",
        f"--kafka-servers={settings.kafka.servers}",
        f"--redis-host={settings.redis.host}",
        f"--redis-port={settings.redis.port}",
    ]


def checked(out: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in json.loads(out)["checks"]}


@pytest.mark.real
def test_up_status_down(sentinel: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = sentinel("up", "--json")
    document = json.loads(out)
    assert (code, document["running"], document["mode"]) == (0, True, "mock")
    assert "mock cluster" in err
    assert {each["name"] for each in document["servers"]} == {"kafka", "valkey"}
    assert all(Path(each["log"]).exists() and each["pid"] for each in document["servers"])

    monkeypatch.setenv("REDIS_PORT", "1")
    code, out, err = sentinel("up")
    assert code == 0
    assert "runs already" in err
    assert "redis.port is 1 (environment REDIS_PORT), so other commands use that" in err
    assert document["kafka_servers"] in out
    monkeypatch.delenv("REDIS_PORT")

    assert json.loads(sentinel("status", "--json")[1])["kafka_servers"] == document["kafka_servers"]
    code, out, _ = sentinel("topics", "list", "--json")
    assert all(each["exists"] for each in json.loads(out))

    code, out, _ = sentinel("down")
    assert (code, out) == (0, "Stopped kafka and valkey.\n")
    assert sentinel("status")[1] == "No local servers run; `sentinel up` starts them.\n"
    nothing = json.loads(sentinel("status", "--json")[1])
    assert (nothing["running"], nothing["servers"]) == (False, [])
    assert nothing.keys() == document.keys()
    assert sentinel("down")[1] == "Nothing was running.\n"
    assert home.exists()


def test_erase_asks_first(sentinel: Run, home: Path) -> None:
    (home / "kafka").mkdir(parents=True)
    code, _, err = sentinel("down", "--erase")
    assert (code, (home / "kafka").exists()) == (2, True)
    assert "--yes" in err
    code, out, _ = sentinel("down", "--erase", "--dry-run")
    assert (code, (home / "kafka").exists()) == (0, True)
    assert f"Would have removed {home / 'kafka'}" in out
    code, out, _ = sentinel("down", "--erase", "--yes")
    assert (code, (home / "kafka").exists()) == (0, False)


@pytest.mark.real
def test_topics_are_created_and_listed(sentinel: Run, here: list[str], settings: Settings) -> None:
    code, out, _ = sentinel("topics", "create", "--dry-run", *here)
    assert (code, out.count("would create")) == (0, len(topics.TOPICS))
    assert not any(each.exists for each in topics.describe(settings))

    code, out, _ = sentinel("topics", "create", "--partitions=4", "--json", *here)
    assert code == 0
    assert json.loads(out)[0] == {"name": f"{settings.prefix}.transactions", "outcome": "created"}

    code, out, _ = sentinel("topics", "list", "--json", *here)
    assert [each["partitions"] for each in json.loads(out)] == [4] * len(topics.TOPICS)
    code, out, _ = sentinel("topics", "list", *here)
    assert f"{settings.prefix}.audit-log" in out
    assert "for ever" in out


@pytest.mark.real
def test_doctor_is_content_with_the_local_stack(sentinel: Run, here: list[str], settings: Settings) -> None:
    code, out, _ = sentinel("doctor", "--json", *here)
    assert code == 0
    assert "missing" in checked(out)["topics"]["detail"]
    assert checked(out)["topics"]["status"] == "warn"

    topics.ensure(settings, partitions=1)
    code, out, _ = sentinel("doctor", "--json", *here)
    found = checked(out)
    assert (code, json.loads(out)["ok"]) == (0, True)
    for name in ("kafka round trip", "topics", "redis", "redis persistence", "redis clock", "packages"):
        assert found[name]["status"] == "ok", found[name]
    assert sentinel("doctor", *here)[1].count("ok") >= 6


@pytest.mark.apache
@pytest.mark.real
def test_doctor_leaves_no_topic_behind(sentinel: Run, here: list[str], settings: Settings) -> None:
    sentinel("doctor", *here)
    left = kafka.reachable(settings).topics
    assert not [name for name in left if name.startswith(settings.topic("doctor"))]


@pytest.mark.apache
@pytest.mark.real
def test_doctor_warns_of_topics_that_are_not_kept_long_enough(
    sentinel: Run, here: list[str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics.ensure(settings, partitions=1)
    monkeypatch.setenv("STREAM_SENTINEL_ENV", "production")
    found = checked(sentinel("doctor", "--json", *here)[1])["topics"]
    assert found["status"] == "warn"
    assert f"{settings.prefix}.labels is kept 30 d instead of 400 d" in found["detail"]
    assert f"{settings.prefix}.audit-log has one replica" in found["detail"]


def test_doctor_names_what_does_not_answer(sentinel: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never says a word
        port = silent.getsockname()[1]
        start = time.monotonic()
        there = (f"--kafka-servers=127.0.0.1:{port}", "--redis-host=127.0.0.1", f"--redis-port={port}")
        code, out, err = sentinel("doctor", "--json", *there)
    assert time.monotonic() - start < ANSWERS_WITHIN
    assert code == 3
    assert f"Kafka does not answer at 127.0.0.1:{port}" in err
    assert f"Redis does not answer at 127.0.0.1:{port}" in err
    found = checked(out)
    assert (found["kafka"]["status"], found["redis"]["status"]) == ("fail", "fail")
    assert found["kafka round trip"]["status"] == "skip"


def test_topics_of_a_kafka_that_is_not_there(sentinel: Run) -> None:
    start = time.monotonic()
    code, out, err = sentinel("topics", "list", "--kafka-servers=127.0.0.1:1")
    assert time.monotonic() - start < ANSWERS_WITHIN
    assert (code, out) == (3, "")
    assert "Kafka does not answer at 127.0.0.1:1 (" in err
    assert "refused" in err


@pytest.mark.real
@pytest.mark.parametrize(("status", "code", "words"), [(200, 0, "answers"), (401, 1, "401")])
def test_doctor_asks_the_schema_registry(
    sentinel: Run, here: list[str], monkeypatch: pytest.MonkeyPatch, status: int, code: int, words: str
) -> None:
    class Registry(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        monkeypatch.setenv("SCHEMA_REGISTRY_URL", f"http://127.0.0.1:{server.server_port}/")
        ended, out, _ = sentinel("doctor", "--json", *here)
        server.shutdown()
    assert ended == code
    assert words in checked(out)["schema registry"]["detail"]


@pytest.mark.parametrize(
    ("facts", "status", "words"),
    [
        ({"maxmemory": 0, "maxmemory_policy": "allkeys-lru"}, "ok", "no limit"),
        ({"maxmemory": 100, "used_memory": 10, "maxmemory_policy": "noeviction"}, "ok", "10%"),
        ({"maxmemory": 100, "used_memory": 90, "maxmemory_policy": "noeviction"}, "warn", "refused"),
        ({"maxmemory": 100, "used_memory": 10, "maxmemory_policy": "allkeys-lru"}, "warn", "profiles"),
        ({"maxmemory": 100, "used_memory": 10, "maxmemory_policy": "volatile-ttl"}, "warn", "blocks"),
    ],
)
def test_memory_that_could_lose_profiles(facts: dict[str, Any], status: str, words: str) -> None:
    found = redis.memory(facts)
    assert found.status == status
    assert words in found.detail


@pytest.mark.parametrize(
    ("facts", "snapshots", "status"),
    [
        ({"aof_enabled": 1, "aof_last_write_status": "ok"}, "", "ok"),
        ({"aof_enabled": 1, "aof_last_write_status": "err"}, "", "fail"),
        ({"aof_enabled": 0}, "3600 1", "ok"),
        ({"aof_enabled": 0}, "", "warn"),
        ({"aof_enabled": 0}, None, "warn"),
    ],
)
def test_persistence_that_could_lose_profiles(
    facts: dict[str, Any], snapshots: str | None, status: str
) -> None:
    assert redis.persistence(facts, snapshots).status == status


def test_of_a_cluster_the_worst_node_counts() -> None:
    facts = [{"aof_enabled": 1}, {"aof_enabled": 0}, {"aof_enabled": 1}]
    assert redis.worst([redis.persistence(each, "") for each in facts]).status == "warn"


@pytest.mark.parametrize(("stamp_ms", "off"), [(1_000, 0), (1_500, 0), (2_000, 0), (2_250, 250), (400, -600)])
def test_a_clock_is_off_only_outside_the_time_it_was_asked_in(stamp_ms: float, off: float) -> None:
    assert finding.off_by(stamp_ms, 1.0, 2.0) == off


def test_a_clock_that_is_far_off_is_warned_of() -> None:
    assert finding.clock("clock", 1_500).status == "warn"
    assert "behind" in finding.clock("clock", -1_500).detail
    assert finding.clock("clock", 0.4).detail == "agrees with this machine's"
