"""Episodes, money, and two scorecards beside each other, by hand."""

from __future__ import annotations

import random

import numpy as np
import pytest

from datasets.columns import NO_LABEL
from sentinel_cli.backtesting import costs, episodes
from sentinel_cli.backtesting.comparing import compare
from sentinel_cli.backtesting.measuring import measure
from sentinel_cli.backtesting.transactions import HONEST
from sentinel_cli.config import CostSettings
from sentinel_cli.records import rfc3339
from sentinel_cli.watching import outcome
from tests.backtesting import made

PRICES = CostSettings(review=5, declined=0.1, chargeback=20)
ROWS = [
    (0, "anna", 10.0, 1, "takeover", "E1"),
    (60, "anna", 20.0, 1, "takeover", "E1"),
    (90, "ben", 100.0, 0, "", ""),
    (120, "anna", 30.0, 1, "takeover", "E1"),
    (150, "carl", 40.0, 1, "testing", "E2"),
    (180, "dora", 50.0, NO_LABEL, "", ""),
]


def test_money_item_by_item() -> None:
    of = made.transactions(ROWS)
    found = costs.of(of, made.decisions(of, [1, 2, 5]), PRICES)
    assert found == costs.Money(
        fraud=100.0,
        stopped=20.0,
        missed=80.0,
        declined=100.0,
        declined_cost=10.0,
        review_cost=15.0,
        chargebacks_saved=20.0,
        balance=20.0 + 20.0 - 10.0 - 15.0,
    )


def test_seconds_and_money_until_an_episodes_first_alert() -> None:
    of = made.transactions(ROWS)
    whole, by = episodes.count(of, made.decisions(of, [1, 3]))
    assert (whole.episodes, whole.caught, whole.missed) == (2, 1, 1)
    assert (whole.median_seconds_to_first_alert, whole.median_amount_lost) == (60.0, 10.0)
    assert by["takeover"].recall == pytest.approx(2 / 3, abs=1e-4)
    assert by["takeover"].stopped == 50.0
    assert by["testing"] == episodes.Count(1, 0, 0.0, 40.0, 0.0, 1, 0, 1, None, None)


def test_frauds_without_words_are_one_unknown_episode_a_user() -> None:
    rows = [(at, user, 1.0, label, "", "") for at, (user, label) in enumerate(
        [("a", 1), ("b", 1), ("a", 0), ("a", 1), ("b", NO_LABEL)]
    )]  # fmt: skip
    truth = made.transactions(rows).truth
    assert truth.names == ("unknown",)
    assert truth.scenario.tolist() == [0, 0, HONEST, 0, HONEST]
    assert truth.episode[0] == truth.episode[3] != truth.episode[1]
    assert truth.episode[2] == truth.episode[4] == HONEST


@pytest.mark.parametrize("seed", range(5))
def test_the_demos_summary_says_the_same(seed: int) -> None:
    rng = random.Random(seed)
    rows = [
        (at, f"u{rng.randrange(20)}", float(rng.randrange(1, 500)), *rng.choice(
            [(0, "", ""), (1, "slow", f"E{rng.randrange(6)}"), (1, "quick", f"F{rng.randrange(6)}")]
        ))
        for at in range(300)
    ]  # fmt: skip
    of = made.transactions(rows)
    alert = sorted(rng.sample(range(300), 60))
    taken = outcome.Outcome()
    for at, (seconds, _, amount, label, scenario, episode) in enumerate(rows):
        time = rfc3339(made.START + seconds * made.SECOND)
        taken.transaction(outcome.Transaction(f"T{at}", time, amount))
        taken.label(outcome.Label(f"T{at}", bool(label), scenario, episode))
        if at in alert:
            taken.alert(outcome.Alert(f"alert_T{at}", outcome._Details(f"T{at}")))
    theirs = taken.result()
    whole, by = episodes.count(of, made.decisions(of, alert))
    for ours, other in ((whole, theirs.fraud), *((by[name], theirs.scenarios[name]) for name in by)):
        for name in other.__struct_fields__:
            assert getattr(ours, name) == pytest.approx(getattr(other, name)), name


def test_rates_are_over_what_has_a_label() -> None:
    of = made.transactions(ROWS)
    found = measure(of, made.decisions(of, [1, 2, 5], [0.1, 0.9, 0.9, 0.2, 0.3, 0.9]), PRICES)
    assert (found.alerts, found.alerts_on_fraud) == (3, 1)
    assert (found.precision, found.recall) == (0.5, 0.25)
    assert found.auc == pytest.approx((0.5 + 0 + 0 + 0) / 4)


def test_a_transaction_that_came_twice_counts_once() -> None:
    of = made.transactions(ROWS)
    again = made.decisions(of, [1], [0.1, 0.9, 0.2, np.nan, 0.3, 0.2])
    found = measure(of, again, PRICES)
    assert found.fraud.transactions == 3
    assert found.money.fraud == 70.0


def test_no_fraud_gives_no_number_that_needs_one() -> None:
    of = made.transactions([(at, "u", 1.0, 0, "", "") for at in range(3)])
    found = measure(of, made.decisions(of, []), PRICES)
    assert found.auc is found.average_precision is found.precision is found.recall is None
    assert found.scenarios == {}


def test_what_another_scorecard_changes_alert_by_alert() -> None:
    of = made.transactions(ROWS)
    here, other = made.decisions(of, [1, 2]), made.decisions(of, [1, 4, 5])
    found = compare(of, (here, measure(of, here, PRICES)), (other, measure(of, other, PRICES)))
    assert [(c.change, c.alert_id, c.user_id, c.amount) for c in found.changes] == [
        ("gained", f"alert_T4_{1_700_000_150}", "carl", 40.0),
        ("spared", f"alert_T2_{1_700_000_090}", "ben", 100.0),
        ("unknown", f"alert_T5_{1_700_000_180}", "dora", 50.0),
    ]
    assert found.changes[0].scenario == "testing"
    # 40 and a fee more, 10 less lost on ben, one more review.
    assert found.balance == 40.0 + 20.0 + 10.0 - 5.0
    assert found.costs == 5.0 - 10.0
