from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from datasets.traffic import HONEST, SCENARIO_NAMES, Plan, Traffic, places
from datasets.traffic.day import DAY, HOUR, SECOND

START = 1_512_086_400 * SECOND
N = 250_000


@pytest.fixture(scope="module")
def traffic() -> Traffic:
    return Traffic(Plan(seed=5, start=START))


@pytest.fixture(scope="module")
def rows(traffic: Traffic) -> pd.DataFrame:
    taken = traffic.take(N)
    frame = pd.DataFrame({name: taken[name] for name in taken.dtype.names or ()})
    users = traffic.world.users
    user = frame["user"].to_numpy().astype(np.int64)
    frame["home"] = users.home[user]
    usual = users.device(user, np.zeros(N, np.int64), frame["time"].to_numpy())
    frame["usual_device"] = frame["device"] == usual
    return frame


def of(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """A scenario's transactions, of episodes that are surely over."""
    stolen = rows[rows["scenario"] == SCENARIO_NAMES.index(name)]
    ends: pd.Series = stolen.groupby("episode")["time"].transform("max")
    over: pd.DataFrame = stolen[ends < rows["time"].iloc[-1] - 6 * DAY]
    return over


def seconds(of_scenario: pd.DataFrame) -> pd.Series:
    times = of_scenario.groupby("episode")["time"]
    return (times.max() - times.min()) / SECOND


def test_every_scenario_has_its_share_and_every_episode_one_scenario(rows: pd.DataFrame) -> None:
    stolen = rows[rows["scenario"] != HONEST]
    shares = stolen["scenario"].value_counts(normalize=True)
    assert len(shares) == len(SCENARIO_NAMES) == 7
    assert shares.between(0.02, 0.35).all()
    assert stolen.groupby("episode")["scenario"].nunique().max() == 1
    assert (stolen.groupby("episode")["amount"].sum() > 0).all()  # money at stake
    assert (rows[rows["scenario"] == HONEST]["episode"] == HONEST).all()


def test_episodes_strike_one_user_but_for_the_breach(rows: pd.DataFrame) -> None:
    for name in SCENARIO_NAMES:
        struck = of(rows, name).groupby("episode")["user"].nunique()
        if name == "merchant_breach":
            assert struck.median() >= 15
        else:
            assert (struck == 1).all()


def test_card_testing_is_a_run_of_small_amounts_at_one_shop(rows: pd.DataFrame) -> None:
    tests = of(rows, "card_testing")
    assert tests.groupby("episode").size().between(6, 18).all()
    assert (tests["amount"] <= 25_000).mean() > 0.9
    assert tests.groupby("episode")["merchant"].nunique().max() == 1
    assert seconds(tests).between(30, 3_600).all()


def test_account_takeover_comes_on_a_new_device_and_takes_hours(rows: pd.DataFrame) -> None:
    taken = of(rows, "account_takeover")
    assert taken["usual_device"].mean() < 0.35
    assert HOUR / SECOND / 4 < seconds(taken).median() < 12 * 3_600
    first = taken.groupby("episode")["amount"].first()
    assert first.median() < taken.groupby("episode")["amount"].max().median()


def test_rapid_fire_is_over_in_minutes(rows: pd.DataFrame) -> None:
    fired = of(rows, "rapid_fire")
    assert fired.groupby("episode").size().between(8, 18).all()
    assert seconds(fired).max() < 600


def test_impossible_travel_is_impossible(rows: pd.DataFrame) -> None:
    """Measured to the owner's own purchase, a moment before, in distances between real countries."""
    clones = of(rows, "impossible_travel")
    honest = rows[rows["scenario"] == HONEST][["user", "time", "country"]]
    firsts = clones.sort_values("time").groupby("episode", as_index=False).first()
    met = pd.merge_asof(
        firsts.sort_values("time"),
        honest,
        on="time",
        by="user",
        suffixes=("", "_owner"),
        allow_exact_matches=False,
    )
    owner = honest.rename(columns={"time": "owner_time"}).assign(time=lambda f: f["owner_time"])
    met = pd.merge_asof(
        met, owner[["user", "time", "owner_time"]], on="time", by="user", allow_exact_matches=False
    )
    km = places.distance_km()[met["country_owner"].astype(int), met["country"]]
    hours = (met["time"] - met["owner_time"]) / HOUR
    assert len(met) > 100
    assert (hours < 1.01).all()
    assert (km / hours > 2_000).mean() > 0.95  # but where the owner ordered from abroad since


def test_bust_out_rises_on_the_own_device(rows: pd.DataFrame) -> None:
    busted = of(rows, "bust_out")
    assert busted["usual_device"].mean() > 0.95
    assert (busted["country"] == busted["home"]).all()
    half = busted.groupby("episode").cumcount() < busted.groupby("episode")["time"].transform("size") / 2
    assert np.log(busted["amount"][~half]).mean() > np.log(busted["amount"][half]).mean() + 0.2
    assert seconds(busted).median() > 24 * 3_600


def test_low_and_slow_is_slow_and_unremarkable(rows: pd.DataFrame) -> None:
    slow = of(rows, "low_and_slow")
    honest = rows[rows["scenario"] == HONEST]
    assert seconds(slow).median() > 4 * 24 * 3_600
    assert abs(np.log(slow["amount"]).mean() - np.log(honest["amount"]).mean()) < 0.5


def test_a_breach_strikes_customers_of_one_shop_after_they_bought_there(rows: pd.DataFrame) -> None:
    breaches = of(rows, "merchant_breach")
    honest = rows[rows["scenario"] == HONEST]
    for _, breach in breaches.groupby("episode"):
        firsts = breach.groupby("user")["time"].min()
        bought = honest[honest["user"].isin(firsts.index)]
        bought = bought[bought["time"] < bought["user"].map(firsts) - HOUR // 2]
        customers = bought.groupby("merchant")["user"].nunique()
        # one shop had (nearly) all of them: the stream may have begun after some of its sales
        assert customers.max() > 0.9 * len(firsts)
