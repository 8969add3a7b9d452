"""`sentinel bench all`: every benchmark, and the detector over the shapes that are hard for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sentinel_cli.benching import backtesting, burst, detecting, latency, producing, responding
from sentinel_cli.benching.detecting import Way
from sentinel_cli.benching.records import Shape
from sentinel_cli.benching.trial import Trial

USERS, MANY_USERS = 20_000, 1_000_000
# Ten times as many users come as the cache has room for: most of them are read from Redis again.
MORE_USERS, SMALL_CACHE = 200_000, 20_000
FEATURES = 300  # a record then has 2.4 kB
MANY_PARTITIONS = 64
RATE = 10_000.0  # transactions a second, for the latency
TIMES, BURST_S = 10.0, 10.0  # and the burst
ALERTS = 50_000  # for the responder

WAYS = (Way(), Way(source="plain"), Way(delivery="transactional"), Way(workers=2))

Measure = Callable[[Trial], list[dict[str, Any]]]
Part = tuple[int, Measure]


def parts(records: int, seconds: float, rounds: int, partitions: int) -> list[Part]:
    """What to measure, each on topics of its own with so many partitions; generation, verdicts and what is
    slow over a third of ``records``. Latency comes on a broker that is warm, and before what leaves gigabytes
    for the disk to write."""
    fewer = max(records // 3, 1_000)

    def shaped(shape: Shape, *ways: Way) -> Measure:
        def measure(trial: Trial) -> list[dict[str, Any]]:
            filled = trial.fill(shape)
            return [detecting.measure(trial, filled, way, rounds) for way in ways]

        return measure

    usual: list[Measure] = [
        shaped(Shape(records, USERS), *WAYS),
        shaped(Shape(records, USERS, hot=True), Way()),
        lambda trial: [latency.measure(trial, RATE, seconds, USERS, Way())],
        lambda trial: [burst.measure(trial, RATE, TIMES, BURST_S, USERS, Way())],
        shaped(Shape(fewer, MANY_USERS), Way()),
        lambda trial: [detecting.measure(trial, trial.fill(Shape(5 * fewer, MANY_USERS)), Way(), 1)],
        shaped(Shape(fewer, MORE_USERS), Way(cache=SMALL_CACHE)),
        shaped(Shape(fewer, USERS, features=FEATURES), Way()),
        lambda trial: [producing.measure(trial, fewer, USERS, rounds)],
        lambda trial: [responding.measure(trial, responding.fill(trial, ALERTS, USERS), USERS, rounds)],
        lambda trial: [backtesting.measure(trial, fewer, USERS, rounds)],
    ]
    many: Part = (MANY_PARTITIONS, shaped(Shape(records, USERS), Way()))
    return [*((partitions, measure) for measure in usual), many]
