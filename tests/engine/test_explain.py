"""Why a score is what it is: from what an alert keeps, the same numbers again."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from numpy.typing import ArrayLike

from profiles import layout
from sentinel_cli.engine import kernel, scorecard, scoring
from sentinel_cli.engine.columns import TRANSACTION, Columns
from sentinel_cli.engine.features import FLAGS, INDEX, NAMES
from sentinel_cli.engine.scorecard import Scorecard
from sentinel_cli.records import Contribution
from tests.engine.histories import START, random_history, run

CARD = scorecard.load()
HISTORY = random_history(seed=7, n=3_000, users=30)


def contributions(features: ArrayLike, card: Scorecard) -> list[Contribution]:
    row = np.asarray(features, np.float64)
    return scoring.contributions(row.tolist(), scoring.points(row[None], card)[0].tolist(), card)


def test_every_score_is_computed_again_from_the_profile_before() -> None:
    _, (scored,) = run(HISTORY, CARD, 0.3)
    for at, row in enumerate(scored.kept.tolist()):
        stored = layout.from_dict(json.loads(json.dumps(layout.to_dict(scored.before[at]))))[0]
        score, features = scoring.score_one(stored, HISTORY.columns.rows[row], [], CARD)
        assert score == scored.scores[row]
        np.testing.assert_array_equal(features, scored.features[at])
        assert stored.tobytes() == scored.before[at].tobytes()


def test_points_add_up_to_the_score() -> None:
    _, (scored,) = run(HISTORY, CARD, 0.3)
    for at, row in enumerate(scored.kept.tolist()):
        found = contributions(scored.features[at], CARD)
        odds = CARD.bias + sum(c.points for c in found)
        assert scored.scores[row] == pytest.approx(1 / (1 + math.exp(-odds)), rel=1e-12)
        assert [abs(c.points) for c in found] == sorted((abs(c.points) for c in found), reverse=True)
        assert all(c.points and c.reason for c in found)


def test_points_are_those_of_the_band_a_value_falls_into() -> None:
    card = only('feature = "amount_vs_avg_ratio"\ncuts = [3, 5, 10]\npoints = [0.0, 0.5, 1.0, 1.5]')
    features = [0.0] * len(NAMES)
    for value, points in ((2.999, 0.0), (3.0, 0.5), (5.0, 1.0), (1e9, 1.5), (math.nan, 0.0)):
        features[INDEX["amount_vs_avg_ratio"]] = value
        assert scoring.points(np.array([features]), card).tolist() == [[points]]
    features[INDEX["amount_vs_avg_ratio"]] = 5.2
    (known,) = found = contributions(features, card)
    assert known.reason == "5.2 times this user's average"
    assert scoring.risk_factors(features, found)["is_high_amount"] is True


def test_a_missing_value_says_so() -> None:
    card = only('feature = "new_device"\ncuts = [1]\npoints = [0, 1]\nmissing = 0.7')
    (found,) = contributions([math.nan] * len(NAMES), card)
    assert (found.factor, found.value, found.points) == ("new_device", None, 0.7)
    assert found.reason == "no new_device yet"


def only(factor: str) -> Scorecard:
    rules = CARD.text.partition("[[factor]]")[0]
    return scorecard.parse(f"{rules}[[factor]]\n{factor}\n", "a single factor")


def with_factor(factor: str) -> Scorecard:
    return scorecard.parse(f"{CARD.text}\n[[factor]]\n{factor}\n", "with one more")


def test_a_records_own_feature_counts() -> None:
    card = with_factor(
        'feature = "features.V258"\ncuts = [2, 3]\npoints = [0, 1, 2.5]\n'
        'missing = 0.25\nreason = "V258 {value:g}"'
    )
    assert card.record_features == ("V258",)
    rows = np.array([(START, 10.0, i, 1, 1, 1) for i in range(5)], TRANSACTION)
    extra = np.array([[np.nan], [1.0], [2.0], [3.0], [np.inf]])
    slots = np.arange(5)
    plain = scoring.score(layout.empty(5), slots, Columns(rows, np.empty((5, 0))), CARD, 2.0)
    scored = scoring.score(layout.empty(5), slots, Columns(rows, extra), card, 2.0, keep_all=True)
    odds = [np.log(s.scores / (1 - s.scores)) for s in (plain, scored)]
    assert (odds[1] - odds[0]).tolist() == pytest.approx([0.25, 0, 1, 2.5, 2.5])
    assert scored.features[:, len(NAMES)].tolist()[1:] == [1.0, 2.0, 3.0, np.inf]
    (found,) = [c for c in contributions(scored.features[3], card) if c.factor == "features.V258"]
    assert (found.points, found.reason) == (2.5, "V258 3")
    again, _ = scoring.score_one(scored.before[3], rows[3], [3.0], card)
    assert again == scored.scores[3]


def test_flags_stand_for_features_that_are_scored() -> None:
    assert all(name in INDEX for names in FLAGS.values() for name in names)
    scored = run(HISTORY, CARD, 0.3)[1][0]
    alerts = np.flatnonzero(scored.status[scored.kept] == kernel.ALERT)
    raised: set[str] = set()
    for at in alerts.tolist():
        features = scored.features[at].tolist()
        risks = scoring.risk_factors(features, contributions(features, CARD))
        assert set(risks) == set(FLAGS) | set(NAMES)
        raised |= {flag for flag in FLAGS if risks[flag] is True}
    assert raised == set(FLAGS)
