"""Ranking measures against their definitions, computed the long way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_cli.backtesting import ranking

SCORES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), st.booleans()), min_size=1, max_size=40
)


def arrays(pairs: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([score for score, _ in pairs]), np.array([fraud for _, fraud in pairs])


@given(SCORES)
def test_auc_is_the_chance_that_fraud_ranks_higher(pairs: list[tuple[float, bool]]) -> None:
    score, fraud = arrays(pairs)
    duels = [(a > b) + (a == b) / 2 for a in score[fraud] for b in score[~fraud]]
    found = ranking.auc(ranking.curve(score, fraud))
    assert found == (pytest.approx(np.mean(duels)) if duels else None)


@given(SCORES)
def test_average_precision_adds_up_over_thresholds(pairs: list[tuple[float, bool]]) -> None:
    score, fraud = arrays(pairs)
    expected, before = 0.0, 0
    for threshold in sorted(set(score.tolist()), reverse=True):
        alert = score >= threshold
        caught = int((alert & fraud).sum())
        expected += (caught - before) / max(fraud.sum(), 1) * caught / alert.sum()
        before = caught
    found = ranking.average_precision(ranking.curve(score, fraud))
    assert found == (pytest.approx(expected) if fraud.any() else None)


@given(SCORES, st.sampled_from([0.0, 0.001, 0.1, 0.5, 1.0]))
def test_recall_at_a_rate_is_the_best_of_all_thresholds(pairs: list[tuple[float, bool]], rate: float) -> None:
    score, fraud = arrays(pairs)
    if not fraud.any() or fraud.all():
        assert ranking.recall_at(ranking.curve(score, fraud), rate) is None
        return
    allowed = [
        (fraud & (score >= threshold)).sum() / fraud.sum()
        for threshold in (*score, np.inf)
        if (~fraud & (score >= threshold)).sum() / (~fraud).sum() <= rate
    ]
    assert ranking.recall_at(ranking.curve(score, fraud), rate) == pytest.approx(max(allowed))


def test_card_precision_looks_at_the_top_users_of_each_day_and_knows_whom_it_found() -> None:
    day = ranking.DAY
    rows = [  # time, user, score, fraud
        (0, 1, 0.9, True), (1, 1, 0.1, False), (2, 2, 0.8, False), (3, 3, 0.7, True),
        (day, 1, 0.9, True), (day + 1, 2, 0.2, True), (day + 2, 4, 0.6, False), (day + 3, 5, 0.1, True),
    ]  # fmt: skip
    time, user, score, fraud = (np.array(column) for column in zip(*rows, strict=True))
    # Day one: users 1 and 2, one of them met fraud. Day two: user 1 is known, so users 4 and 2.
    assert ranking.card_precision(score, fraud, user, time, k=2) == 0.5
    # Fewer users than k: the Handbook divides by k all the same.
    assert ranking.card_precision(score[:1], fraud[:1], user[:1], time[:1], k=4) == 0.25


def test_card_precision_equals_the_long_way() -> None:
    rng = np.random.default_rng(5)
    n, k = 3_000, 10
    time = np.sort(rng.integers(0, 20 * ranking.DAY, n))
    user, score, fraud = rng.integers(0, 150, n), rng.random(n), rng.random(n) < 0.05
    known: set[int] = set()
    shares = []
    for day in np.unique(time // ranking.DAY):
        today = time // ranking.DAY == day
        users = [u for u in np.unique(user[today]).tolist() if u not in known]
        best = sorted(users, key=lambda u: -score[today & (user == u)].max())[:k]
        hit = [u for u in best if fraud[today & (user == u)].any()]
        known.update(hit)
        shares.append(len(hit) / k)
    assert ranking.card_precision(score, fraud, user, time, k) == pytest.approx(np.mean(shares))


def test_nothing_can_be_said_of_nothing() -> None:
    empty = ranking.curve(np.empty(0), np.empty(0, np.bool_))
    assert ranking.auc(empty) is ranking.average_precision(empty) is ranking.recall_at(empty, 0.1) is None
