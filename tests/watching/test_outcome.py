from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from sentinel_cli.watching.outcome import (
    Alert,
    Label,
    Outcome,
    Response,
    Result,
    Transaction,
    _Action,
    _Details,
)

DAY = "2026-03-01T"


def theft(n: int, episode: str, at: str, amount: float, scenario: str = "card_testing") -> list[object]:
    name = f"T{n}"
    return [Transaction(name, f"{DAY}{at}Z", amount), Label(name, True, scenario, episode)]


def honest(n: int) -> list[object]:
    return [Transaction(f"T{n}", f"{DAY}00:00:00Z", 10.0), Label(f"T{n}", False)]


def alert(n: int) -> Alert:
    return Alert(f"alert_T{n}", _Details(f"T{n}"))


def response(n: int, user: str, *actions: tuple[str, str]) -> Response:
    return Response(f"response_T{n}", user, [_Action(*action) for action in actions])


RECORDS = [
    # Caught at its third transaction, after 90 seconds and 3.00.
    *theft(1, "e1", "10:00:00", 1.0),
    *theft(2, "e1", "10:00:30", 2.0),
    *theft(3, "e1", "10:01:30", 400.0),
    *theft(4, "e1", "10:02:00", 500.0),
    alert(3),
    alert(4),
    # Caught at its first.
    *theft(5, "e2", "11:00:00", 70.0, "rapid_fire"),
    *theft(6, "e2", "11:00:01.5", 80.0, "rapid_fire"),
    alert(5),
    # Missed.
    *theft(7, "e3", "12:00:00", 30.0, "rapid_fire"),
    # Honest ones, of which one is suspected, twice on the topic.
    *honest(8),
    *honest(9),
    *honest(10),
    alert(9),
    alert(9),
    response(3, "a", ("severity", "CRITICAL"), ("block", "done"), ("case", "opened")),
    response(3, "a", ("severity", "CRITICAL"), ("block", "done"), ("case", "opened")),
    response(4, "a", ("severity", "CRITICAL"), ("block", "already"), ("case", "joined")),
    response(5, "b", ("severity", "LOW")),
]


def taken(records: list[object]) -> Outcome:
    outcome = Outcome()
    take: dict[type, Callable[[Any], None]] = {
        Transaction: outcome.transaction,
        Label: outcome.label,
        Alert: outcome.alert,
        Response: outcome.response,
    }
    for record in records:
        take[type(record)](record)
    return outcome


@pytest.fixture
def result() -> Result:
    return taken(RECORDS).result()


def test_episodes_are_caught_by_any_alert_on_them(result: Result) -> None:
    assert (result.fraud.episodes, result.fraud.caught, result.fraud.missed) == (3, 2, 1)
    assert (result.scenarios["rapid_fire"].caught, result.scenarios["rapid_fire"].missed) == (1, 1)


def test_precision_and_recall_count_transactions(result: Result) -> None:
    assert result.precision == 3 / 4
    assert result.fraud.recall == pytest.approx(3 / 7, abs=1e-4)
    assert result.transactions == 10
    assert result.alerts == 4


def test_time_and_money_run_from_the_first_theft_to_the_first_alert(result: Result) -> None:
    testing = result.scenarios["card_testing"]
    assert testing.median_seconds_to_first_alert == 90
    assert testing.median_amount_lost == 3
    assert testing.amount == 903
    assert result.fraud.median_seconds_to_first_alert == 45
    assert result.fraud.median_amount_lost == 1.5


def test_responses_count_once_and_users_once(result: Result) -> None:
    assert (result.responses, result.blocked_users, result.cases) == (3, 1, 1)


def test_the_order_of_records_does_not_matter(result: Result) -> None:
    for seed in range(50):
        shuffled = random.Random(seed).sample(RECORDS, len(RECORDS))
        assert taken(shuffled).result() == result


def test_what_is_known_at_any_time_agrees_with_the_result(result: Result) -> None:
    so_far = taken(RECORDS).so_far()
    assert (so_far.episodes, so_far.caught) == (result.fraud.episodes, result.fraud.caught)
    assert (so_far.alerts, so_far.responses, so_far.blocked_users) == (4, 3, 1)


def test_honest_transactions_are_forgotten() -> None:
    outcome = taken(RECORDS)
    assert outcome._waiting == {}
    assert outcome._labels == {}


def test_nothing_has_no_shares() -> None:
    empty = Outcome().result()
    assert empty.precision is None
    assert empty.fraud.recall is None
    assert empty.fraud.median_seconds_to_first_alert is None
    assert empty.scenarios == {}
