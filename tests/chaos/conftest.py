"""Faults on real servers: a short, seeded selection with every test run, all of it with `make chaos`.

CHAOS=full makes it 100,000 transactions a case and every fault; the short selection takes smaller
traffic, shorter outages and fewer deaths. Both end with the table: fault, times, lost, doubled,
seconds to recover.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sentinel_cli import config
from sentinel_cli.stack.state import LOOPBACK
from tests.chaos.scene import Outcome, Scene, Verdict
from tests.chaos.servers import Servers

FULL = os.environ.get("CHAOS") == "full"
OUTCOMES = pytest.StashKey[list[Outcome]]()


@dataclass(frozen=True)
class Size:
    """How large the cases are: records, records a second, deaths, seconds of an outage."""

    records: int = 100_000 if FULL else 4_000
    rate: float = 3_000.0 if FULL else 1_000.0
    kills: int = 20 if FULL else 2
    outage: float = 10.0 if FULL else 2.0


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What only the full suite runs is not part of the short one: not skipped, left out."""
    mine = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    for item in mine:
        item.add_marker(pytest.mark.timeout(900 if FULL else 240))
    left_out = [item for item in mine if item.get_closest_marker("full") and not FULL]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "full: only with CHAOS=full, which is `make chaos`")
    config.stash[OUTCOMES] = []


@pytest.fixture(scope="session")
def size() -> Size:
    return Size()


@pytest.fixture(scope="session")
def own_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    servers = Servers(tmp_path_factory.mktemp("chaos"))
    yield servers
    servers.stop()


@pytest.fixture
def scene(
    own_servers: Servers, tmp_path: Path, size: Size, request: pytest.FixtureRequest
) -> Iterator[Scene]:
    """A case; parametrised indirectly with the delivery, ``idempotent`` if it is not."""
    own_servers.calm()
    mine = config.load(
        {
            "prefix": f"chaos-{uuid.uuid4().hex[:8]}",
            "kafka.servers": own_servers.kafka,
            "redis.host": LOOPBACK,
            "redis.port": own_servers.redis_port,
        }
    )
    delivery = getattr(request, "param", "idempotent")
    seed = len(request.node.name)
    made = Scene(own_servers, mine, tmp_path, delivery, size=size.records, rate=size.rate, seed=seed)
    yield made
    made.end()


@pytest.fixture
def outcome(request: pytest.FixtureRequest, scene: Scene) -> Callable[..., None]:
    """Judge a case, and let it stand in the table. ``within`` seconds it has to have recovered each time;
    in the short selection once, which shares its machine with all the other tests and with who knows whom."""

    def judge(
        fault: str, times: int, verdict: Verdict, note: str = "", *, within: float | None = None
    ) -> None:
        request.config.stash[OUTCOMES].append(
            Outcome(fault, scene.delivery, times, verdict, scene.recovery, note)
        )
        assert (verdict.lost, verdict.doubled) == (0, 0), verdict
        assert verdict.different == []
        assert within is None or (max if FULL else min)(scene.recovery) <= within, scene.recovery

    return judge


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    outcomes = config.stash[OUTCOMES]
    if not outcomes:
        return
    terminalreporter.section("chaos")
    terminalreporter.line(
        f"{'fault':<46} {'delivery':<13} {'times':>5} {'records':>8} {'lost':>5} {'doubled':>7} "
        f"{'repeated':>8}  seconds to recover"
    )
    for each in outcomes:
        verdict, took = each.verdict, each.recovery_s
        seconds = f"{min(took):.2f} to {max(took):.2f}" if took else "-"
        terminalreporter.line(
            f"{each.fault:<46} {each.delivery:<13} {each.times:>5} {verdict.records:>8} {verdict.lost:>5} "
            f"{verdict.doubled:>7} {verdict.repeated:>8}  {seconds} {each.note}".rstrip()
        )
