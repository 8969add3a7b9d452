"""The result depends on the stream alone: not on batches, not on other users, not on the past's form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles import layout
from sentinel_cli.engine import kernel, scorecard, scoring
from sentinel_cli.engine.columns import Columns
from tests.engine.histories import History, random_history, run

CARD = scorecard.load()
THRESHOLD = 0.3
HISTORY = random_history(seed=5, n=10_000, users=60)
SHORT = random_history(seed=6, n=400, users=7)


def bits(history: History, cuts: list[int]) -> tuple[bytes, ...]:
    """Everything that comes out, whatever the batches, with row numbers counted from the start."""
    profiles, parts = run(history, CARD, THRESHOLD, cuts)
    starts = [0, *cuts]
    return (
        profiles.tobytes(),
        b"".join(part.scores.tobytes() for part in parts),
        b"".join(part.status.tobytes() for part in parts),
        b"".join((part.kept + start).tobytes() for part, start in zip(parts, starts, strict=True)),
        b"".join(part.features.tobytes() for part in parts),
        b"".join(part.before.tobytes() for part in parts),
    )


@pytest.mark.parametrize("size", [1, 7, 5_000])
def test_batches_of_any_size_give_the_same(size: int) -> None:
    n = len(HISTORY.slots)
    assert bits(HISTORY, list(range(size, n, size))) == bits(HISTORY, [])


@settings(max_examples=40)
@given(st.lists(st.integers(0, 400)))
def test_any_cut_gives_the_same(cuts: list[int]) -> None:
    assert bits(SHORT, sorted(cuts)) == bits(SHORT, [])


def test_other_users_between_change_nothing() -> None:
    together, (scored,) = run(HISTORY, CARD, THRESHOLD)
    order = np.argsort(HISTORY.slots, kind="stable")
    columns = Columns(HISTORY.columns.rows[order], HISTORY.columns.extra[order])
    apart, (alone,) = run(History(HISTORY.users, HISTORY.slots[order], columns), CARD, THRESHOLD)
    assert together.tobytes() == apart.tobytes()
    assert scored.scores[order].tobytes() == alone.scores.tobytes()
    assert scored.status[order].tobytes() == alone.status.tobytes()


def test_a_profile_goes_on_from_its_stored_form() -> None:
    whole, _ = run(HISTORY, CARD, THRESHOLD)
    half = HISTORY.profiles()
    for a, b in ((0, 5_000), (5_000, 10_000)):
        scoring.score(half, HISTORY.slots[a:b], HISTORY.columns.part(a, b), CARD, THRESHOLD)
        seen = half["version"] != 0
        half[seen] = layout.from_bytes(layout.to_bytes(half[seen]))
    assert half.tobytes() == whole.tobytes()


def test_skipped_rows_and_duplicates_leave_no_trace() -> None:
    slots = HISTORY.slots.copy()
    slots[::3] = -1
    profiles, (scored,) = run(HISTORY._replace(slots=slots), CARD, THRESHOLD)
    assert (scored.status[::3] == kernel.SKIPPED).all()
    learnt = (scored.status == kernel.SCORED) | (scored.status == kernel.ALERT)
    assert np.isnan(scored.scores).tolist() == (~learnt).tolist()
    left = np.flatnonzero(learnt)
    columns = Columns(HISTORY.columns.rows[left], HISTORY.columns.extra[left])
    again, (rest,) = run(History(HISTORY.users, slots[left], columns), CARD, THRESHOLD)
    assert again.tobytes() == profiles.tobytes()
    assert rest.scores.tobytes() == scored.scores[left].tobytes()


def test_any_array_is_scored_by_the_one_compiled_form() -> None:
    _, (expected,) = run(SHORT, CARD, THRESHOLD)
    rows, n = SHORT.columns.rows, len(SHORT.slots)
    frozen = rows.copy()
    frozen.flags.writeable = False
    forms = (
        Columns(frozen, SHORT.columns.extra),
        Columns(np.repeat(rows, 2)[::2], np.empty((n, 1))[:, :0]),
    )
    for columns in forms:
        _, (scored,) = run(SHORT._replace(columns=columns), CARD, 0.3)
        assert scored.scores.tobytes() == expected.scores.tobytes()
    assert len(kernel.score_batch.signatures) == 1


@pytest.mark.parametrize(
    ("slots", "extra"), [(np.zeros(9, np.int64), (10, 0)), (np.zeros(10, np.int64), (10, 1))]
)
def test_arrays_that_do_not_fit_are_refused(slots: np.ndarray, extra: tuple[int, int]) -> None:
    columns = Columns(SHORT.columns.rows[:10], np.empty(extra))
    with pytest.raises(ValueError, match="10 transactions need"):
        scoring.score(layout.empty(1), slots, columns, CARD, 1.0)


def test_a_slot_or_a_country_that_is_none_is_refused() -> None:
    columns = SHORT.columns.part(0, 1)
    with pytest.raises(ValueError, match="not below 1"):
        scoring.score(layout.empty(1), np.ones(1, np.int64), columns, CARD, 1.0)
    rows = columns.rows.copy()
    rows["country"] = 677
    with pytest.raises(ValueError, match="country not below 677"):
        scoring.score(layout.empty(1), np.zeros(1, np.int64), Columns(rows, columns.extra), CARD, 1.0)
