"""Score first, then learn; duplicates; and whatever a record may hold."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles import layout
from sentinel_cli.engine import kernel, scorecard, scoring
from sentinel_cli.engine.columns import TRANSACTION, Columns
from sentinel_cli.engine.features import INDEX
from sentinel_cli.engine.scoring import Scored
from tests.engine.histories import SECOND, START

CARD = scorecard.load()
MAY_BE_MISSING = [
    INDEX[name]
    for name in (
        "seconds_since_last", "new_device", "new_country", "travel_speed_kmh", "new_category",
        "seconds_since_alert",
    )
]  # fmt: skip


def score(profiles: layout.Profiles, *rows: tuple[object, ...], threshold: float = 2.0) -> Scored:
    """Rows of one user as (time, amount, transaction, device, country, category)."""
    columns = Columns(np.array(list(rows), TRANSACTION), np.empty((len(rows), 0)))
    slots = np.zeros(len(rows), np.int64)
    return scoring.score(profiles, slots, columns, CARD, threshold, keep_all=True)


def micros(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * SECOND


def test_it_is_scored_before_it_is_learnt() -> None:
    profiles = layout.empty(1)
    row = (START, 5_000.0, 1, 7, 1, 1)
    scored = score(profiles, row)
    assert scored.before.tobytes() == bytes(layout.ROW_BYTES)
    assert scored.features[0, INDEX["transactions_so_far"]] == 0
    assert profiles["total_amount"].tolist() == [5_000.0]


def test_an_alert_is_remembered_with_its_time() -> None:
    profiles = layout.empty(1)
    scored = score(profiles, (START, 10.0, 1, 1, 1, 1), (START + 5 * SECOND, 10.0, 2, 1, 1, 1), threshold=0.0)
    assert scored.status.tolist() == [kernel.ALERT, kernel.ALERT]
    assert scored.features[:, INDEX["alerts_so_far"]].tolist() == [0, 1]
    assert scored.features[1, INDEX["seconds_since_alert"]] == 5.0
    assert profiles["alerts"].tolist() == [2]
    assert profiles["last_alert_time"].tolist() == [START + 5 * SECOND]


def test_a_transaction_that_comes_again_within_eight_is_known_and_not_learnt() -> None:
    for later in range(10):
        profiles = layout.empty(1)
        rows = [(START + i * SECOND, 10.0, 100 + i, 1, 1, 1) for i in range(later + 1)]
        score(profiles, *rows)
        before = profiles.tobytes()
        scored = score(profiles, rows[0])
        duplicate = later < layout.RECENT
        assert scored.status.tolist() == [kernel.DUPLICATE if duplicate else kernel.SCORED]
        assert np.isnan(scored.scores[0]) == duplicate
        assert (profiles.tobytes() == before) == duplicate
        assert len(scored.kept) == (0 if duplicate else 1)


def test_a_new_transaction_whose_hash_is_known_is_no_duplicate() -> None:
    profiles = layout.empty(1)
    scored = score(profiles, (START, 10.0, 100, 1, 1, 1), (START + 1, 10.0, 100, 1, 1, 1))
    assert kernel.DUPLICATE not in scored.status


row = st.tuples(
    st.integers(micros(2000), micros(2100)),
    st.one_of(st.floats(0, 1e9), st.sampled_from([0.0, 5e-324, 0.01, 5.0, 1e9])),
    st.integers(0, 2**32 - 1),
    st.one_of(st.integers(0, 3), st.integers(0, 2**32 - 1)),
    st.integers(0, 676),
    st.one_of(st.integers(0, 3), st.integers(0, 65_535)),
)


@settings(max_examples=200)
@given(st.lists(row, min_size=1, max_size=40))
def test_whatever_comes_every_number_is_one(rows: list[tuple[object, ...]]) -> None:
    profiles = layout.empty(1)
    scored = score(profiles, *rows)
    known = scored.status != kernel.DUPLICATE
    assert ((scored.scores[known] > 0) & (scored.scores[known] < 1)).all()
    assert np.isfinite(np.delete(scored.features, MAY_BE_MISSING, axis=1)).all()
    assert not np.isinf(scored.features).any()
    assert (scored.features[:, INDEX["count_1m"]] >= 1).all()
    assert profiles["total_transactions"][0] == known.sum()
    assert profiles["last_time"][0] == max(int(r[0]) for r in rows)  # type: ignore[call-overload]
    for name in ("total_amount", "log_mean", "log_m2", "day_amount", "day_ring_amount"):
        assert np.isfinite(profiles[name]).all()


@pytest.mark.parametrize("points", [100.0, -100.0])
def test_no_sum_of_points_makes_a_score_certain(points: float) -> None:
    text = CARD.text.replace(f"bias = {CARD.bias}", f"bias = {points}")
    card = scorecard.parse(text, "extreme")
    columns = Columns(np.array([(START, 1.0, 1, 1, 1, 1)], TRANSACTION), np.empty((1, 0)))
    scored = scoring.score(layout.empty(1), np.zeros(1, np.int64), columns, card, 2.0)
    assert 0 < scored.scores[0] < 1
