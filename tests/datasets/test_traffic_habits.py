from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from datasets.traffic import HONEST, Plan, Traffic, places, population
from datasets.traffic.chance import Choice, Rows, mix, share
from datasets.traffic.day import DAY, HOUR, SECOND

START = 1_512_086_400 * SECOND


@pytest.fixture(scope="module")
def traffic() -> Traffic:
    return Traffic(Plan(seed=11, start=START, users=3_000))


@pytest.fixture(scope="module")
def honest(traffic: Traffic) -> pd.DataFrame:
    rows = traffic.take(150_000)
    frame = pd.DataFrame({name: rows[name] for name in rows.dtype.names or ()})
    frame["home"] = traffic.world.users.home[frame["user"]]
    return frame[frame["scenario"] == HONEST]


def test_most_purchases_are_made_at_home_on_the_usual_devices(honest: pd.DataFrame) -> None:
    assert 0.9 < (honest["country"] == honest["home"]).mean() < 0.99
    busy = honest.groupby("user").filter(lambda of_user: len(of_user) >= 100)
    share_of_devices = busy.groupby("user")["device"].value_counts(normalize=True)
    assert share_of_devices.groupby("user").apply(lambda s: s.nlargest(3).sum()).mean() > 0.85
    assert share_of_devices.groupby("user").max().median() > 0.5


def test_honest_users_travel_and_return_and_no_journey_outruns_an_aeroplane(honest: pd.DataFrame) -> None:
    moves = honest.sort_values(["user", "time"], kind="stable")
    before = moves.groupby("user")[["country", "time"]].shift()
    moved = before["country"].notna() & (moves["country"] != before["country"])
    place = before["country"][moved].astype(int).to_numpy()
    km = places.distance_km()[place, moves["country"][moved]]
    hours = (moves["time"][moved] - before["time"][moved]) / HOUR
    fast = km / hours > 950
    assert moved.sum() > 1_000
    assert honest.groupby("user")["country"].nunique().gt(1).mean() > 0.3
    # what is left are orders from shops abroad, made at home, which honest people do as well
    assert 0.0 < fast.mean() < 0.5
    assert fast.sum() / len(honest) < 0.02


def test_honest_users_get_new_phones(traffic: Traffic) -> None:
    user, slot = np.arange(3_000), np.zeros(3_000, np.int64)
    devices = [
        traffic.world.users.device(user, slot, np.full(3_000, START + day * DAY)) for day in (0, 30, 900)
    ]
    assert 0.01 < (devices[0] != devices[1]).mean() < 0.15
    assert (devices[0] != devices[2]).all()


def test_honest_users_shop_at_night_too_each_at_their_own_hours(honest: pd.DataFrame) -> None:
    hour = honest["time"] // HOUR % 24
    assert 0.01 < hour.between(6, 10).mean() < 0.06
    night = honest.assign(night=hour.between(6, 10)).groupby("user")["night"].agg(["mean", "size"])
    regulars = night[night["size"] >= 100]["mean"]
    assert (regulars > 0.1).any()
    assert (regulars < 0.01).mean() > 0.2


def test_users_keep_to_their_level_of_spending(honest: pd.DataFrame) -> None:
    logs = np.log(honest["amount"])
    per_user = logs.groupby(honest["user"])
    between = per_user.mean()[per_user.size() >= 50].std()
    assert 0.35 < between / logs.std() < 0.85


def test_favourite_merchants_return(honest: pd.DataFrame) -> None:
    regulars = honest.groupby("user").filter(lambda of_user: len(of_user) >= 100)
    top = regulars.groupby("user")["merchant"].value_counts(normalize=True).groupby("user").max()
    assert 0.1 < top.median() < 0.6


def test_a_device_keeps_its_type(honest: pd.DataFrame) -> None:
    assert honest.groupby("device")["device_type"].nunique().max() == 1


def test_the_population_is_a_function_of_its_seed() -> None:
    one, other = (population.draw(np.random.default_rng(5), 500) for _ in range(2))
    assert (one.home == other.home).all()
    assert (one.level == other.level).all()


def test_a_choice_follows_its_weights_within_the_group() -> None:
    rng = np.random.default_rng(1)
    group = np.array([1, 0, 1, 0, 2])
    choice = Choice([3.0, 1.0, 1.0, 0.0, 5.0], group)
    of_one = choice.choose(rng.random(20_000), 1)
    assert set(of_one) == {0, 2}
    assert (of_one == 0).mean() == pytest.approx(0.75, abs=0.02)
    assert set(choice.choose(rng.random(100), 0)) == {1}  # the one without weight never
    assert set(choice.choose(np.array([0.0, 0.5, 1 - 1e-16]), 2)) == {4}
    by_row = Rows([[1.0, 0.0], [1.0, 3.0]])
    assert by_row.choose(rng.random(20_000), np.ones(20_000, np.int64)).mean() == pytest.approx(
        0.75, abs=0.02
    )


def test_hashes_are_even_and_repeat() -> None:
    hashed = share(mix(42, np.arange(50_000)))
    assert (hashed == share(mix(42, np.arange(50_000)))).all()
    counts, _ = np.histogram(hashed, bins=20, range=(0, 1))
    assert counts.min() > 2_300
    assert counts.max() < 2_700
