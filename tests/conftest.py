"""Servers for the tests marked ``real``: started once for the run, as `sentinel up` starts them.

KAFKA_SERVERS and REDIS_HOST (and REDIS_PORT) together name other servers to run the same tests on.
Where Kafka's jars cannot be had, those tests run on librdkafka's mock cluster, the ones marked
``apache`` are skipped, the last lines say so, and under CI that is a failure.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from profiles.connection import Client
    from sentinel_cli.config import Settings

EXTERNAL = {name: os.environ.get(name, "") for name in ("KAFKA_SERVERS", "REDIS_HOST", "REDIS_PORT")}
CI = os.environ.get("CI", "").lower() in {"1", "true"}
NOT_REAL = pytest.StashKey[str]()

# Two cores that others use too: how long an example takes says nothing about it.
hypothesis.settings.register_profile(
    "shared",
    hypothesis.settings.default,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("shared")


@dataclass(frozen=True)
class Servers:
    kafka: str
    redis_host: str
    redis_port: int
    mock: bool = False


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "apache: needs Apache Kafka itself, not the mock cluster")


@pytest.fixture(scope="session", autouse=True)
def private_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test meets the stack or the settings of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in EXTERNAL:
            patch.delenv(name, raising=False)
        patch.setenv("SENTINEL_HOME", str(tmp_path_factory.mktemp("home")))
        yield tmp_path_factory.getbasetemp()


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, private_home: Path) -> Iterator[Servers]:
    """Kafka and Redis, ready."""
    if EXTERNAL["KAFKA_SERVERS"] and EXTERNAL["REDIS_HOST"]:
        yield Servers(EXTERNAL["KAFKA_SERVERS"], EXTERNAL["REDIS_HOST"], int(EXTERNAL["REDIS_PORT"] or 6379))
        return
    from sentinel_cli import stack as local

    with local.owned(private_home / "stack", local.Silent(), warm=False) as running:
        assert running.kafka_servers
        assert running.redis_host
        assert running.redis_port
        mock = running.mode == "mock"
        if mock:
            request.config.stash[NOT_REAL] = "Kafka's jars cannot be fetched: they ran on the mock cluster"
        yield Servers(running.kafka_servers, running.redis_host, running.redis_port, mock)


@pytest.fixture(autouse=True)
def only_on_apache_kafka(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("apache") and request.getfixturevalue("stack").mock:
        pytest.skip("needs Apache Kafka, and its jars could not be fetched")


@pytest.fixture(scope="session")
def kafka_servers(stack: Servers) -> str:
    return stack.kafka


@pytest.fixture(scope="session")
def redis_address(stack: Servers) -> tuple[str, int]:
    return stack.redis_host, stack.redis_port


@pytest.fixture(scope="session")
def redis_url(stack: Servers) -> str:
    return f"redis://{stack.redis_host}:{stack.redis_port}"


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A Redis Cluster, whatever the other servers are."""
    from tests import cluster

    with cluster.running(tmp_path_factory.mktemp("cluster")) as client:
        yield client


@pytest.fixture
def settings(stack: Servers, private_home: Path) -> Iterator[Settings]:
    """Settings for the servers, with a prefix of this test's own; what it leaves there is removed."""
    from sentinel_cli import config

    mine = config.load(
        {
            "prefix": f"test-{uuid.uuid4().hex[:12]}",
            "kafka.servers": stack.kafka,
            "redis.host": stack.redis_host,
            "redis.port": stack.redis_port,
        }
    )
    yield mine
    _clean(mine, mock=stack.mock)


def _clean(settings: Settings, *, mock: bool) -> None:
    from profiles import connection
    from sentinel_cli.streaming import kafka

    client = connection.connect_to(settings.redis)
    keys = list(client.scan_iter(f"{settings.redis_prefix}:*", count=10_000))
    if keys:
        client.unlink(*keys)
    client.close()
    if not mock:
        admin = kafka.admin(settings)
        left = [name for name in admin.list_topics(timeout=10).topics if name.startswith(settings.prefix)]
        for future in (admin.delete_topics(left) if left else {}).values():
            future.result()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = [each for each in reporter.stats.get("skipped", []) if "real" in each.keywords]
    if skipped:
        session.config.stash.setdefault(NOT_REAL, f"{len(skipped)} were skipped")
    if CI and session.config.stash.get(NOT_REAL, None):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if reason := config.stash.get(NOT_REAL, None):
        terminalreporter.section("not all tests marked real ran on Apache Kafka", red=CI, yellow=not CI)
        terminalreporter.write_line(f"{reason}.")
