"""Thousands of schedules, each compared with one uninterrupted pass: see ``world``.

SIMULATION_SEEDS sets how many (or `first:last`); a failing seed is printed, and with
``SIMULATION_SEEDS=42:43`` it replays exactly, its whole trace in the failure's text.
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest

from profiles import layout
from profiles.contract import Save
from profiles.memory_store import MemoryStore
from sentinel_cli.engine import scorecard, severity
from sentinel_cli.engine.scorecard import Scorecard
from sentinel_cli.engine.severity import Policy
from sentinel_cli.streaming import worker
from sentinel_cli.streaming.batches import Ack, Letter
from sentinel_cli.streaming.partition import Partition
from sentinel_cli.streaming.worker import Worker
from tests.simulation.world import CALM, PLAN, Odds, SimSink, SimStore, World, by_alert

START = datetime(2025, 8, 24, tzinfo=UTC)
SHARDS = 8


def seeds() -> range:
    """How many schedules one run searches; the full search is SIMULATION_SEEDS=10000."""
    first, _, last = os.environ.get("SIMULATION_SEEDS", "0:500").rpartition(":")
    return range(int(first or 0), int(last))


@cache
def judges() -> tuple[Scorecard, Policy]:
    return scorecard.load(Path(__file__).parents[1] / "scorecard.toml"), severity.load()


@cache
def traffic(kind: int) -> dict[int, list[bytes]]:
    """Partition to its records: few users, some of whose transactions raise alerts, some poison."""
    rng = random.Random(kind)
    records: dict[int, list[bytes]] = {}
    for partition in range(3):
        records[partition] = []
        for number in range(rng.randrange(8, 22)):
            fields = {
                "transaction_id": f"T{partition}-{number}",
                "user_id": f"user_{partition}_{rng.randrange(4)}",
                "timestamp": (START + timedelta(seconds=number * 20 - rng.randrange(60))).isoformat(),
                "amount": rng.choice([2.0, 30.0, 80.0, 6_000.0]),
            }
            value = msgspec.json.encode(fields)
            records[partition].append(value if rng.random() > 0.05 else value[:-9])
    return records


@cache
def reference(
    kind: int,
) -> tuple[dict[tuple[int, str], bytes], dict[str, bytes | None], list[tuple[int, bytes | None]]]:
    """Profiles, alerts by id, and dead letters of one worker that nothing disturbs."""
    world = World(0, traffic(kind), *judges(), transactional=False, odds=CALM)
    world.run(0)
    alerts = {alert: letters[0].value for alert, letters in by_alert(world.letters).items()}
    return world.store.rows, alerts, dead_letters(world)


def dead_letters(world: World) -> list[tuple[int, bytes | None]]:
    found = {(x.offset, x.value) for x in world.letters if x.topic == PLAN.dead_letters_topic}
    return sorted(found, key=str)


def check(seed: int, *, transactional: bool) -> None:
    kind = seed % 20
    world = World(
        seed, traffic(kind), *judges(), transactional=transactional, odds=Odds(), born_late=[2] * (seed % 2)
    )
    try:
        world.run(60)
        rows, alerts, dead = reference(kind)
        said = by_alert(world.letters)
        assert world.store.rows == rows, "profiles differ"
        assert {a: x[0].value for a, x in said.items()} == alerts, "alerts differ"
        assert all(len({x.value for x in each}) == 1 for each in said.values()), (
            "an alert was told in two ways"
        )
        assert dead_letters(world) == dead, "dead letters differ"
        if transactional:
            assert all(len(each) == 1 for each in said.values()), "an alert stands twice on its topic"
    except Exception as error:  # noqa: BLE001 - whatever it was, its schedule is told
        story = "\n".join(world.trace)
        pytest.fail(f"seed {seed}, transactional={transactional}: {error!r}\n{story}", pytrace=False)


@pytest.fixture(autouse=True)
def quiet() -> None:
    logging.getLogger("sentinel.worker").setLevel(logging.ERROR)


@pytest.mark.parametrize("transactional", [False, True])
@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_schedule_ends_as_if_nothing_had_happened(shard: int, *, transactional: bool) -> None:
    for seed in seeds()[shard::SHARDS]:
        check(seed, transactional=transactional)


@pytest.mark.parametrize("seed", [2071, 2855])
def test_schedules_that_failed_once(seed: int) -> None:
    """2071: a partition that another worker begins between two questions was taken for lost. 2855: a write
    of the worker's own was under way when it started again, and its transaction told an alert twice."""
    check(seed, transactional=True)


def test_a_seed_replays_exactly() -> None:
    traces = []
    for _ in range(2):
        world = World(7, traffic(7), *judges(), transactional=False, odds=Odds(die=0.02, failover=0.02))
        world.run(60)
        traces.append(world.trace)
    assert traces[0] == traces[1]
    assert any("dies" in line for line in traces[0])


def no_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A save that does not compare the stored offset."""
    original = MemoryStore.save

    def save(self: MemoryStore, save: Save) -> bool:
        self.offsets[save.partition] = save.begin  # type: ignore[assignment]
        return original(self, save)

    monkeypatch.setattr(MemoryStore, "save", save)


def no_acknowledgements(monkeypatch: pytest.MonkeyPatch) -> None:
    """A save that does not wait for what was sent before it."""
    original = SimSink.send

    def send(self: SimSink, letter: Letter, _ack: Ack) -> None:
        original(self, letter, Ack())

    monkeypatch.setattr(SimSink, "send", send)


def no_look_at_the_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Profiles that are loaded at whatever offset they are true for."""

    class Anything(set[object]):
        def __contains__(self, _offset: object) -> bool:
            return True

    monkeypatch.setattr(worker, "true_offsets", lambda *_: Anything())


def offset_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """A save in two writes: the offset, and then the profiles."""

    def save(self: SimStore, save: Save) -> bool:
        store = self._world.store
        if not self._call(lambda: store.save(save._replace(users=[], rows=layout.empty(0)))):
            return False
        rows = zip(save.users, layout.to_bytes(save.rows), strict=True)
        self._call(lambda: store.rows.update({(save.partition, user): row for user, row in rows}))
        return True

    monkeypatch.setattr(SimStore, "save", save)


def cache_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that was refused goes on from the stored offset, and with the profiles that it held."""
    original = Worker._start_again

    def start_again(self: Worker, partition: Partition) -> None:
        original(self, partition)
        new = self._partitions.get(partition.number)
        if new is not None:
            for name in ("rows", "_slots", "_users", "_used"):
                setattr(new, name, getattr(partition, name))
            new._changed = np.zeros_like(partition._changed)

    monkeypatch.setattr(Worker, "_start_again", start_again)


def groups_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that reads on from the group's offset in Kafka."""
    original = Worker.assigned

    def assigned(self: Worker, partitions: list[int]) -> dict[int, int | None]:
        starts = original(self, partitions)
        known = {number: self._source.committed(number) for number in partitions}
        return {n: start if known[n] is None else known[n] for n, start in starts.items()}

    monkeypatch.setattr(Worker, "assigned", assigned)


BUGS = [offset_first, no_fence, no_acknowledgements, cache_kept, groups_offset, no_look_at_the_offset]


@pytest.mark.parametrize("without", BUGS)
def test_the_search_finds_what_is_missing(
    without: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each piece of the protocol is there for a reason: without it some schedules must fail.

    Which seeds did is printed (pytest -rP shows it)."""
    for kind in range(20):
        reference(kind)
    without(monkeypatch)
    found: list[int] = []
    for seed in range(400):
        try:
            check(seed, transactional=False)
        except pytest.fail.Exception:
            found.append(seed)
        if len(found) == 3:
            break
    print(f"{without.__name__} was found by the seeds {found}")  # noqa: T201 - pytest keeps it
    assert len(found) == 3, "of 400 schedules no more noticed"
