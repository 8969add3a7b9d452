from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from datasets.traffic import HONEST, SCENARIO_NAMES, Plan, Traffic
from datasets.traffic.day import DAY, HOUR, SECOND, Day
from sentinel_cli.errors import UsageError

START = 1_512_086_400 * SECOND
PLAN = Plan(seed=7, start=START, users=2_000)
N = 60_000


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return Traffic(PLAN).take(N)


def test_a_plan_gives_the_same_transactions_however_many_are_taken_at_once(rows: np.ndarray) -> None:
    traffic = Traffic(PLAN)
    sizes = [1, 7, 0, 5_000, 16_384, 30_000, N]
    parts = [traffic.take(min(size, N - traffic.taken)) for size in sizes]
    assert np.array_equal(np.concatenate(parts), rows)


@pytest.mark.parametrize(
    "change", [{"seed": 8}, {"users": 2_001}, {"fraud_rate": 0.1}, {"start": START + DAY}]
)
def test_another_plan_gives_others_and_ids_of_its_own(rows: np.ndarray, change: dict[str, Any]) -> None:
    other = replace(PLAN, **change)
    assert not np.array_equal(Traffic(other).take(1_000), rows[:1_000])
    assert other.tag != PLAN.tag


@pytest.mark.parametrize("seed", range(5))
def test_user_000001_opens_every_stream_at_its_start(seed: int) -> None:
    first = Traffic(replace(PLAN, seed=seed)).take(1)[0]
    assert first["user"] == 0
    assert first["time"] == START


def test_transactions_come_in_the_order_of_their_time(rows: np.ndarray) -> None:
    assert (np.diff(rows["time"]) >= 0).all()


def test_in_natural_time_a_user_makes_one_transaction_every_two_days(rows: np.ndarray) -> None:
    days = (rows["time"][-1] - rows["time"][0]) / DAY
    assert N / PLAN.users / days == pytest.approx(0.5, rel=0.03)


@pytest.mark.parametrize("rate", [0.5, 3.0, 1_000.0])
def test_in_even_time_stamps_are_as_far_apart_as_the_rate_says(rate: float) -> None:
    time = Traffic(replace(PLAN, rate=rate)).take(5_000)["time"]
    expected = START + np.arange(5_000) * SECOND / rate
    assert np.abs(time - expected).max() <= 1


@pytest.mark.parametrize("rate", [None, 1_000.0])
@pytest.mark.parametrize("fraud_rate", [0.0, 0.01, 0.035, 0.2])
def test_the_share_of_fraud_is_what_was_asked_for_from_the_start(
    fraud_rate: float, rate: float | None
) -> None:
    rows = Traffic(Plan(seed=3, start=START, fraud_rate=fraud_rate, rate=rate)).take(100_000)
    fraud = rows["scenario"] != HONEST
    assert fraud.mean() == pytest.approx(fraud_rate, rel=0.06)
    assert fraud[:10_000].mean() == pytest.approx(fraud_rate, rel=0.35, abs=0.01)  # a breach is 70 at once


@pytest.mark.parametrize("users", [1, 2, 50])
def test_a_handful_of_users_is_enough(users: int) -> None:
    rows = Traffic(Plan(seed=1, start=START, users=users)).take(3_000)
    assert set(rows["user"]) == set(range(users))
    assert (rows["scenario"] != HONEST).any()


def test_activity_is_skewed(rows: np.ndarray) -> None:
    by_user = np.sort(np.bincount(rows["user"], minlength=PLAN.users))[::-1]
    busiest_tenth = by_user[: PLAN.users // 10].sum() / N
    assert 0.45 < busiest_tenth < 0.7
    assert np.median(by_user) < by_user.mean() / 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scenarios": ("arson",)}, "'arson'"),
        ({"scenarios": ()}, "scenario"),
        ({"users": 0}, "1 user"),
        ({"fraud_rate": 1.5}, "fraud rate"),
        ({"rate": 0.0}, "rate above 0"),
        ({"seed": -1}, "seed"),
    ],
)
def test_a_plan_that_makes_no_traffic_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        replace(PLAN, **change)


def test_only_the_chosen_scenarios_occur() -> None:
    chosen = ("rapid_fire", "bust_out")
    rows = Traffic(replace(PLAN, scenarios=chosen)).take(20_000)
    assert {SCENARIO_NAMES[i] for i in set(rows["scenario"]) - {HONEST}} == set(chosen)


def test_hours_of_even_activity_turn_back_into_time() -> None:
    day = Day(np.arange(1, 25).astype(np.float64))
    time = START + np.arange(0, 3 * DAY, 7_919 * SECOND)
    assert np.abs(day.moment(day.passed(time)) - time).max() < SECOND / 1_000
    assert day.passed(START + DAY) - day.passed(START) == pytest.approx(24.0)
    # the last hour weighs 24 of 300 parts, the first one
    assert day.passed(START + DAY) - day.passed(START + DAY - HOUR) == pytest.approx(24 * 24 / 300)
