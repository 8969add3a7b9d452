"""Each feature of the kernel against its definition on the raw history."""

from __future__ import annotations

import math

import numpy as np
import pytest

from datasets.geography import country_code
from profiles import layout
from sentinel_cli.engine import features, kernel, scorecard, scoring
from sentinel_cli.engine.columns import TRANSACTION, Columns
from sentinel_cli.engine.features import INDEX, NAMES
from tests.engine import definitions
from tests.engine.definitions import Population, User
from tests.engine.histories import SECOND, START, History, random_history, run

CARD = scorecard.load()
THRESHOLD = 0.3  # low, so that alerts are part of the history
POPULATION = Population(
    amount_mean=CARD.population[kernel.P_AMOUNT_MEAN],
    log_mean=CARD.population[kernel.P_LOG_MEAN],
    log_sd=CARD.population[kernel.P_LOG_SD],
    daily=CARD.population[kernel.P_DAILY],
    weight=CARD.population[kernel.P_WEIGHT],
    small=CARD.population[kernel.P_SMALL],
    hours=CARD.population[kernel.P_HOURS :],
)
SUMS = [name for name in NAMES if name.startswith("sum_")]


def test_the_kernels_names_are_the_lists() -> None:
    assert [getattr(features, name.upper()) for name in NAMES] == list(range(len(NAMES)))


@pytest.fixture(scope="module")
def history() -> History:
    return random_history(seed=4, n=10_000, users=60)


def test_every_feature_equals_its_definition(history: History) -> None:
    _, (scored,) = run(history, CARD, THRESHOLD)
    assert {kernel.SCORED, kernel.ALERT, kernel.DUPLICATE} == set(scored.status.tolist())
    wanted: dict[int, dict[str, float]] = {}
    blocked = history.profiles()["blocked_until"].tolist()
    for slot in range(history.users):
        mine = np.flatnonzero(history.slots == slot)
        rows = history.columns.rows[mine]
        learnt: list[int] = []
        for at, i in enumerate(mine.tolist()):
            user = User(rows[learnt], scored.status[mine[learnt]] == kernel.ALERT, blocked[slot])
            assert (scored.status[i] == kernel.DUPLICATE) == user.is_duplicate(rows[at])
            if scored.status[i] != kernel.DUPLICATE:
                wanted[i] = definitions.features(user, rows[at], POPULATION)
                learnt.append(at)
    compare(scored.features, [wanted[i] for i in scored.kept.tolist()])


def compare(found: np.ndarray, wanted: list[dict[str, float]]) -> None:
    expected = np.array([[each[name] for name in NAMES] for each in wanted])
    tolerance = np.full(expected.shape, 1e-9)
    # Amounts in rings are float32: right to n / 2**24 of themselves, as `windows` says.
    tolerance[:, [INDEX[name] for name in SUMS]] = expected[:, [INDEX["count_24h"]]] * 2**-24
    near = np.abs(found - expected) <= 1e-9 + tolerance * np.abs(expected)
    wrong = np.argwhere(~near & ~(np.isnan(found) & np.isnan(expected)))
    assert not len(wrong), [(i, NAMES[j], found[i, j], expected[i, j]) for i, j in wrong[:5]]


def test_history_has_every_case(history: History) -> None:
    _, (scored,) = run(history, CARD, THRESHOLD)
    column = {name: scored.features[:, INDEX[name]] for name in NAMES}
    for name in ("new_device", "new_country", "new_category", "active_block"):
        assert {0.0, 1.0} <= set(column[name][~np.isnan(column[name])].tolist())
    assert np.isnan(column["travel_speed_kmh"]).any()
    assert (column["travel_speed_kmh"] > 900).any()
    assert column["small_amount_run"].max() >= 4
    assert column["count_1m"].max() > 10
    assert column["alerts_so_far"].max() > 10
    assert (column["amount"] == 0).any()


def one_user(rows: np.ndarray) -> tuple[layout.Profiles, scoring.Scored]:
    profiles = layout.empty(1)
    n = len(rows)
    columns = Columns(rows, np.empty((n, 0)))
    return profiles, scoring.score(profiles, np.zeros(n, np.int64), columns, CARD, 2.0, keep_all=True)


def rows_at(times: np.ndarray, amount: float = 1.0) -> np.ndarray:
    rows = np.zeros(len(times), TRANSACTION)
    rows["time"], rows["amount"] = START + times, amount
    rows["transaction"] = np.arange(1, len(times) + 1)
    return rows


def test_counts_of_a_step_stop_at_their_largest() -> None:
    profiles, scored = one_user(rows_at(np.arange(70_000)))
    last = scored.features[-1]
    assert last[INDEX["count_1m"]] == last[INDEX["count_24h"]] == 65_536
    assert last[INDEX["small_amount_run"]] == 65_535
    assert last[INDEX["count_day"]] == 70_000
    assert last[INDEX["sum_day"]] == 70_000.0
    assert last[INDEX["sum_1m"]] == pytest.approx(70_000, rel=70_000 * 2**-24)
    assert profiles["total_transactions"].tolist() == [70_000]


def test_hours_are_halved_when_one_is_full() -> None:
    hours = np.array([3] * 300 + [4, 5, 3] * 150 + [23] * 700 + [0] * 5)
    rows = rows_at(hours * 3_600 * SECOND + np.arange(len(hours)) * 86_400 * SECOND)
    profiles, scored = one_user(rows)
    assert profiles["hours"][0].tolist() == definitions.hour_histogram(rows["time"]).tolist()
    at = len(hours) - 1
    user = User(rows[:at], np.zeros(at, np.bool_), 0)
    compare(scored.features[at:], [definitions.features(user, rows[at], POPULATION)])


@pytest.mark.parametrize("window", ["1m", "5m", "1h", "24h"])
def test_a_window_sees_no_more_than_its_length_and_no_less_than_a_step_below(window: str) -> None:
    length, step = {"1m": (60, 10), "5m": (300, 60), "1h": (3_600, 600), "24h": (86_400, 7_200)}[window]
    for start in range(0, step, step // 10):
        for gap, seen in ((length - step, True), (length, False)):
            _, scored = one_user(rows_at(np.array([start, start + gap]) * SECOND))
            assert scored.features[1, INDEX[f"count_{window}"]] == 1 + seen


def test_a_late_transaction_moves_nothing_back() -> None:
    minute = 60 * SECOND
    rows = rows_at(np.array([0, 48 * 60, 48 * 60 - 10, 0, 48 * 60 + 1]) * minute)
    rows["country"] = [1, 2, 3, 4, 2]
    profiles, scored = one_user(rows)
    assert scored.features[:, INDEX["count_1h"]].tolist() == [1, 1, 2, 3, 3]  # two days late is not learnt
    assert scored.features[:, INDEX["seconds_since_last"]].tolist()[1:] == [48 * 3600, 600, 48 * 3600, 60]
    assert profiles["last_time"].tolist() == [int(rows["time"].max())]
    assert scored.features[4, INDEX["travel_speed_kmh"]] == 0.0  # the late ones' countries are not the last
    assert profiles["total_transactions"].tolist() == [5]


def test_travel_is_timed_from_the_last_known_country() -> None:
    hour = 3_600 * SECOND
    rows = rows_at(np.array([0, 10 * hour, 10 * hour + SECOND]))
    rows["country"] = [country_code("US"), 0, country_code("FR")]
    _, scored = one_user(rows)
    assert 300 < scored.features[2, INDEX["travel_speed_kmh"]] < 900  # ten hours, not one second


def test_the_first_transaction_is_compared_with_everybody() -> None:
    _, scored = one_user(rows_at(np.zeros(1, np.int64), amount=270.0))
    first = dict(zip(NAMES, scored.features[0].tolist(), strict=True))
    assert first["amount_vs_avg_ratio"] == 2.0  # twice the population's mean of 135
    assert first["hour_share_user"] == pytest.approx(POPULATION.hours[[23, 0, 1]].sum())
    nothing = ("seconds_since_last", "new_device", "new_country", "travel_speed_kmh", "new_category")
    assert all(math.isnan(first[name]) for name in (*nothing, "seconds_since_alert"))
