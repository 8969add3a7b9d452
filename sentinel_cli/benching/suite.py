"""`sentinel bench all`: every benchmark, and the detector over the shapes that are hard for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sentinel_cli.benching import backtesting, detecting, latency, producing, responding
from sentinel_cli.benching.detecting import Way
from sentinel_cli.benching.records import Shape
from sentinel_cli.benching.trial import Trial

USERS, MANY_USERS = 20_000, 1_000_000
FEATURES = 300  # a record then has some 3 KB
RATE = 10_000.0  # transactions a second, for the latency
ALERTS = 50_000  # for the responder

WAYS = (Way(), Way(source="plain"), Way(delivery="transactional"), Way(workers=2))

Part = tuple[int, Callable[[Trial], list[dict[str, Any]]]]


def parts(records: int, seconds: float, rounds: int, partitions: int) -> list[Part]:
    """What to measure, each with topics of its own; generation and verdicts over a third of ``records``."""
    fewer = max(records // 3, 1_000)

    def even(trial: Trial) -> list[dict[str, Any]]:
        filled = trial.fill(Shape(records, USERS))
        return [detecting.measure(trial, filled, way, rounds) for way in WAYS]

    def shaped(shape: Shape) -> Callable[[Trial], list[dict[str, Any]]]:
        return lambda trial: [detecting.measure(trial, trial.fill(shape), Way(), rounds)]

    return [
        (partitions, measure)
        for measure in (
            even,
            shaped(Shape(records, USERS, hot=True)),
            shaped(Shape(fewer, MANY_USERS)),
            shaped(Shape(fewer, USERS, features=FEATURES)),
            lambda trial: [latency.measure(trial, RATE, seconds, USERS, Way())],
            lambda trial: [producing.measure(trial, fewer, USERS, rounds)],
            lambda trial: [
                responding.measure(trial, responding.fill(trial, ALERTS, USERS), USERS, rounds),
            ],
            lambda trial: [backtesting.measure(trial, fewer, USERS, rounds)],
        )
    ]
