"""How fast the detector is, as ratios of what was measured in the same run: a guard against losses.

A ratio holds as soon as one round shows it; where others use the machine too, more rounds are gone through,
those of what is compared by turns, and the best of each counts. A loss shows in every round. Bounds are
half of what such a short run shows even beside other work (300,000 records, two cores at load 6; of a machine
of its own docs/performance.md tells).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from sentinel_cli.benching import detecting, records
from sentinel_cli.benching.detecting import Way
from sentinel_cli.benching.records import Shape
from sentinel_cli.benching.trial import Filled, Trial, trial
from sentinel_cli.records import Transaction
from sentinel_cli.stack import Silent

if TYPE_CHECKING:
    from tests.conftest import Servers

pytestmark = [pytest.mark.real, pytest.mark.apache, pytest.mark.timeout(600)]

RECORDS = 300_000
MOST_ROUNDS = 5

# .33 to .40 is seen. One round trip to Redis a record would be below .01, an uncompiled kernel .02.
LEAST_OF_RAW = 0.15
# A hot user is half of every batch, so what is done one by one for him shows fully. .93 is seen.
MOST_OF_EVEN_CPU = 1.5
LEAST_OF_EVEN = 0.5
# Of the worker's CPU with the plain source, that with the native one: .50 to .57 is seen, and 1 if the
# records become Python objects after all. CPU, not time: others matter little.
MOST_OF_PLAIN_CPU = 0.8
# Reading, scoring, alerting, saving, telemetry, and librdkafka's own threads, against decoding the JSON
# alone, some .45 µs: 5.5 is seen.
MOST_OF_DECODING = 11.0


class Rounds:
    """Measures by turns; ``best`` is over all rounds until now."""

    def __init__(self, even: Trial, hot: Trial) -> None:
        even_traffic, hot_traffic = even.fill(Shape(RECORDS)), hot.fill(Shape(RECORDS, hot=True))
        self._turns: list[tuple[str, Trial, Filled, Way]] = [
            ("even", even, even_traffic, Way()),
            ("hot", hot, hot_traffic, Way()),
            ("plain", even, even_traffic, Way("plain")),
        ]
        self._values = [value for part in records.slices(Shape(20_000), 0) for value in part.values]
        self._seen: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def _go(self) -> None:
        for name, where, filled, way in self._turns:
            self._seen[name].append(detecting.measure(where, filled, way, rounds=1))
            self._seen["decoding"].append({"cpu_us_per_tx": self._decode()})

    def _decode(self) -> float:
        """Microseconds of CPU a record."""
        decoder, begun = msgspec.json.Decoder(Transaction), time.process_time()
        for value in self._values:
            decoder.decode(value)
        return (time.process_time() - begun) / len(self._values) * 1e6

    def cpu(self, name: str) -> float:
        return min(float(each["cpu_us_per_tx"]) for each in self._seen[name])

    def ratio(self, name: str) -> float:
        return max(float(each["ratio_to_raw"]) for each in self._seen[name])

    def show(self, holds: Callable[[], bool]) -> None:
        """Go through rounds until it ``holds``, which it must at last."""
        while not self._seen or not holds():
            assert len(self._seen["even"]) < MOST_ROUNDS, dict(self._seen)
            self._go()


@pytest.fixture(scope="module")
def rounds(stack: Servers) -> Iterator[Rounds]:
    flags = {"kafka.servers": stack.kafka, "redis.host": stack.redis_host, "redis.port": stack.redis_port}
    with ExitStack() as trials:
        yield Rounds(*(trials.enter_context(trial(flags, Silent(), 4)) for _ in range(2)))


def test_to_the_raw_drain(rounds: Rounds) -> None:
    rounds.show(lambda: rounds.ratio("even") > LEAST_OF_RAW)


def test_a_hot_user_to_even_traffic(rounds: Rounds) -> None:
    rounds.show(lambda: rounds.cpu("hot") < MOST_OF_EVEN_CPU * rounds.cpu("even"))
    rounds.show(lambda: rounds.ratio("hot") > LEAST_OF_EVEN * rounds.ratio("even"))


def test_cpu_to_decoding_alone(rounds: Rounds) -> None:
    rounds.show(lambda: rounds.cpu("even") < MOST_OF_DECODING * rounds.cpu("decoding"))


def test_cpu_to_that_of_the_plain_source(rounds: Rounds) -> None:
    rounds.show(lambda: rounds.cpu("even") < MOST_OF_PLAIN_CPU * rounds.cpu("plain"))
