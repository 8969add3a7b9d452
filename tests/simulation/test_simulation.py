"""Thousands of schedules, each compared with one uninterrupted pass: see ``world``.

SIMULATION_SEEDS sets how many (or `first:last`); a failing seed is printed, and with
``SIMULATION_SEEDS=42:43`` it replays exactly, its whole trace in the failure's text.
"""

from __future__ import annotations

import logging
import os
from functools import cache

import pytest

from sentinel_cli.errors import SentinelError
from tests.simulation import judging
from tests.simulation.mutations import MUTATIONS, Mutation
from tests.simulation.traffic import Traffic
from tests.simulation.traffic import traffic as made
from tests.simulation.weather import Odds
from tests.simulation.world import World

SHARDS = 8
# Different topics; those of odd number grow.
KINDS = 20
TURNS = 60
# How many schedules may pass before a bug that was put in is found. Most are found at once.
ENOUGH = 2_000


def seeds() -> range:
    """How many schedules one run searches; the full search is SIMULATION_SEEDS=5000, in both deliveries."""
    first, _, last = os.environ.get("SIMULATION_SEEDS", "0:500").rpartition(":")
    return range(int(first or 0), int(last))


@cache
def traffic(kind: int) -> Traffic:
    return made(kind)


def check(seed: int, *, transactional: bool, odds: Odds = Odds()) -> None:  # noqa: B008 - it is frozen
    world = World(seed, traffic(seed % KINDS), judging.judges(), transactional=transactional, odds=odds)
    try:
        world.run(TURNS)
        judging.check(world)
    except (AssertionError, SentinelError) as error:
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


def test_a_seed_replays_exactly() -> None:
    traces = []
    for _ in range(2):
        world = World(
            7, traffic(7), judging.judges(), transactional=False, odds=Odds(die=0.02, failover=0.02)
        )
        world.run(TURNS)
        traces.append(world.trace)
    assert traces[0] == traces[1]
    assert any("dies" in line for line in traces[0])


def test_all_that_may_happen_does() -> None:
    """In a hundred schedules; so that no change of the odds makes one of the faults a rumour."""
    story = ""
    for seed in range(100):
        world = World(seed, traffic(seed % KINDS), judging.judges(), transactional=False, odds=Odds())
        world.run(TURNS)
        story += "\n".join(world.trace)
    for fault in (
        "dies", "joins again", "stands still in the middle", "under way for long", "falls back to an older",
        "Redis is away", "Kafka is away", "the topic has 4 partitions", "the profiles have moved",
        "stops: transactions has grown", "the move ends with Died",
    ):  # fmt: skip
        assert fault in story, fault


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: f"{each.step}: {each.what}")
def test_the_search_finds_what_is_missing(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece of the protocol is there for a reason: without it some schedule must fail.

    Which seed did first is printed (pytest -rP shows it)."""
    mutation.put_in(monkeypatch)
    for seed in range(mutation.first + mutation.grown, mutation.first + ENOUGH, 1 + mutation.grown):
        try:
            check(seed, transactional=mutation.transactional, odds=mutation.odds)
        except pytest.fail.Exception as error:
            how = str(error).partition("\n")[0]
            print(f"Step {mutation.step}, {mutation.what}: {how}")  # noqa: T201 - pytest keeps it
            return
    pytest.fail(f"{ENOUGH} schedules did not notice: {mutation.what}")
