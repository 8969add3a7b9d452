"""What must be left when a schedule is over, computed from the simulated topic alone, and what is.

Not here: the one pass of the engine that it is computed by (``chaos.reference``).
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from profiles.placement import partition_of
from sentinel_cli.engine import scorecard, severity
from sentinel_cli.engine.scorecard import Scorecard
from sentinel_cli.engine.severity import Policy
from sentinel_cli.records import Alert
from sentinel_cli.streaming.batches import Letter
from tests.chaos import reference
from tests.chaos.reference import Reference, digest
from tests.simulation.kafka import Record, forget
from tests.simulation.process import KEYS, PLAN, TOPIC
from tests.simulation.traffic import Traffic
from tests.simulation.world import World


@cache
def judges() -> tuple[Scorecard, Policy]:
    return scorecard.load(Path(__file__).parents[1] / "scorecard.toml"), severity.load()


def _strays(world: World) -> frozenset[tuple[int, int]]:
    """Where the topic grew: what a producer sent to the old partition of a user whose profile had moved."""
    return frozenset(
        (partition, offset)
        for partition, moved_at in world.moved_at.items()
        for offset in range(moved_at, len(world.records[partition]))
        if _strayed(world, partition, world.records[partition][offset])
    )


@cache
def _of(traffic: Traffic, strays: frozenset[tuple[int, int]]) -> Reference:
    """However a schedule went, each partition's records came in the same order."""
    runs: list[Any] = [[] for _ in range(traffic.counts[-1])]
    for partition, value in traffic.all():
        runs[partition].append(Record(partition, len(runs[partition]), value))
    kept = [[each for each in run if (each.partition(), each.offset()) not in strays] for run in runs]
    found = reference.compute(kept, TOPIC, PLAN.threshold, judges(), forget)
    found.dead |= strays
    return found


def _strayed(world: World, partition: int, value: bytes) -> bool:
    try:
        user = msgspec.json.decode(value)["user_id"]
    except msgspec.DecodeError:
        return False  # broken anyway
    return world.traffic.home(user) != partition == partition_of(user, world.traffic.counts[0])


def _place(alert: Letter) -> tuple[int, int]:
    source = msgspec.json.decode(alert.value or b"", type=Alert).source
    return source.partition, source.offset


def rows(world: World) -> dict[str, bytes]:
    """Every profile by its user. One that moved may have left what it was behind, where a move died."""
    found: dict[str, bytes] = {}
    for key, value in world.redis.values.items():
        place = KEYS.parse_profile(key.encode())
        if place is None:
            continue
        partition, user = place
        if partition == world.traffic.home(user):
            found[user] = value
        else:
            assert world.moved_at, f"{user} has a profile on partition {partition}"
            assert partition == partition_of(user, world.traffic.counts[0])
    return found


def check(world: World) -> None:
    """Raises AssertionError where anything is not as if nothing had happened.

    A stray that came while profiles moved may have been met by the last look at its old partition, and told,
    and not saved.
    """
    strays = _strays(world)
    expected = _of(world.traffic, strays)
    forgiven = {place for place in strays if place[1] < world.moved_ends[place[0]]}
    assert rows(world) == expected.rows, "profiles differ"
    alerts: dict[str, list[Letter]] = defaultdict(list)
    dead: dict[tuple[int, int], list[Letter]] = defaultdict(list)
    for letter in world.letters:
        if letter.topic == PLAN.alerts_topic:
            if not forgiven or _place(letter) not in forgiven:
                alerts[letter.headers["alert_id"]].append(letter)
        else:
            place = int(letter.headers["source.partition"]), int(letter.headers["source.offset"])
            dead[place].append(letter)
    assert {name: digest(each[0].value) for name, each in alerts.items()} == expected.alerts, "alerts differ"
    assert all(len({x.value for x in each}) == 1 for each in alerts.values()), "an alert was told in two ways"
    assert dead.keys() == expected.dead, "dead letters differ"
    for (partition, offset), each in dead.items():
        assert each[0].value == world.records[partition][offset], "a dead letter is not what its record was"
    if world.transactional:
        said = [*alerts.values(), *dead.values()]
        assert all(len(each) == 1 for each in said), "something stands twice on its topic"
