"""The stack's parts without a server: the jar list, the fetch, the gate, the ports."""

from __future__ import annotations

import gc
import hashlib
import http.server
import os
import signal
import socket
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from sentinel_cli.errors import StackError
from sentinel_cli.stack import Silent, jars, processes, state
from sentinel_cli.stack.jars import Jar, JarsUnavailable

CONTENT = b"a jar" * 1000


def jar(sha256: str = hashlib.sha256(CONTENT).hexdigest()) -> Jar:
    return Jar("org.example", "thing", "1.0", sha256, len(CONTENT))


class Repository(http.server.BaseHTTPRequestHandler):
    """Serves one jar, the first time only half of it."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if not self.path.endswith("/thing-1.0.jar"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        first = self.asked.count(self.path) == 1
        self.wfile.write(CONTENT[: len(CONTENT) // 2] if first else CONTENT)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    handler = type("Once", (Repository,), {"asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        (tmp_path / "jgo.conf").write_text(
            f"[repositories]\ncentral = http://127.0.0.1:{server.server_port}\n"
        )
        monkeypatch.setenv("JGO_CONFIG_FILE", str(tmp_path / "jgo.conf"))
        monkeypatch.setenv("SENTINEL_CACHE", str(tmp_path / "cache"))
        yield handler  # type: ignore[misc]
        server.shutdown()
    with warnings.catch_warnings():  # jgo leaves what came with a 404 unread
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_the_list_names_every_jar_once_with_its_sum() -> None:
    listed = jars.listed()
    assert len({each.file_name for each in listed}) == len(listed)
    assert all(len(each.sha256) == 64 and each.size > 0 for each in listed)
    assert {"kafka_2.13", "kafka-clients", "lz4-java", "snappy-java", "zstd-jni"} <= {
        each.artifact for each in listed
    }


def test_a_jar_is_fetched_once_and_after_a_broken_transfer_again(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "listed", lambda: [jar()])
    (path,) = jars.ensure(Silent())
    assert path.read_bytes() == CONTENT
    wanted = [each for each in repository.asked if each.endswith(".jar")]
    assert len(wanted) == 2
    assert jars.ensure(Silent()) == [path]
    assert [each for each in repository.asked if each.endswith(".jar")] == wanted
    assert sorted(each.name for each in path.parent.iterdir()) == ["fetch.lock", "thing-1.0.jar"]


def test_a_jar_of_another_sum_is_refused(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "listed", lambda: [jar(sha256="0" * 64)])
    with pytest.raises(StackError, match=r"thing-1\.0\.jar is not the file that was tested"):
        jars.ensure(Silent())
    assert not (jars.folder() / "thing-1.0.jar").exists()


def test_a_jar_that_no_repository_has_is_unavailable(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "listed", lambda: [jar()._replace(artifact="nothing")])
    with pytest.raises(JarsUnavailable, match=r"nothing-1\.0\.jar"):
        jars.ensure(Silent())


def test_a_process_waits_until_its_gate_opens(tmp_path: Path) -> None:
    gate = processes.spawn(["touch", str(tmp_path / "ran")], tmp_path, tmp_path / "log")
    assert processes.alive(gate)
    assert not (tmp_path / "ran").exists()
    gate.open()
    assert processes.result(gate.pid) == 0
    assert (tmp_path / "ran").exists()


def test_a_process_goes_away_when_nobody_can_open_its_gate(tmp_path: Path) -> None:
    gate = processes.spawn(["touch", str(tmp_path / "ran")], tmp_path, tmp_path / "log")
    assert gate._child.stdin
    gate._child.stdin.close()  # as the kernel does for a starter that dies
    assert processes.result(gate.pid) != 0
    assert not (tmp_path / "ran").exists()


def test_a_process_that_will_not_end_is_killed(tmp_path: Path) -> None:
    deaf = "trap '' TERM; touch deaf; while :; do sleep 0.1; done"
    gate = processes.spawn(["/bin/sh", "-c", deaf], tmp_path, tmp_path / "log")
    gate.open()
    while not (tmp_path / "deaf").exists():
        assert processes.alive(gate)
    processes.end(gate, patience=0.2)
    assert processes.result(gate.pid) == -signal.SIGKILL


def test_ports_are_kept_while_they_are_free(tmp_path: Path) -> None:
    first = state.ports(tmp_path, ("kafka", "valkey"))
    assert state.ports(tmp_path, ("kafka", "valkey")) == first
    with socket.socket() as other:
        other.bind(("127.0.0.1", first["kafka"]))
        other.listen()
        second = state.ports(tmp_path, ("kafka", "valkey"))
    assert second["kafka"] != first["kafka"]
    assert second["valkey"] == first["valkey"]


def test_the_machines_java_settings_do_not_reach_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JAVA_HOME", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH"):
        monkeypatch.setenv(name, "x")
        assert name not in processes.environment()
    assert processes.environment()["PATH"] == os.environ["PATH"]


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text('{"mode": "other"}')
    with pytest.raises(StackError, match=r"stack\.json is damaged"):
        state.read(tmp_path)
