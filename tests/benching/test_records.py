from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest

from profiles import layout
from sentinel_cli.benching import records
from sentinel_cli.benching.records import Shape
from sentinel_cli.engine import kernel, scorecard, scoring
from sentinel_cli.records import EPOCH, Transaction
from sentinel_cli.streaming.codec import Decoder

NOW = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1e6)


def values(shape: Shape) -> list[bytes]:
    return [value for part in records.slices(shape, NOW) for value in part.values]


def transactions(shape: Shape) -> list[Transaction]:
    return [msgspec.json.decode(value, type=Transaction) for value in values(shape)]


def test_a_record_has_280_bytes() -> None:
    sizes = [len(value) for value in values(Shape(10_000))]
    assert min(sizes) >= 277
    assert np.mean(sizes) == pytest.approx(280, abs=1.5)


def test_a_record_can_carry_numbers_for_models() -> None:
    one, two = transactions(Shape(1_000, features=1))[0], transactions(Shape(1_000, features=300))[-1]
    assert one.features is not None
    assert list(one.features) == ["aa"]
    assert two.features is not None
    assert len(two.features) == 300
    assert len(values(Shape(1_000, features=300))[0]) == pytest.approx(280 + 2_100, rel=0.02)


def test_the_same_shape_is_the_same_records_and_keys_are_their_users() -> None:
    first, second = (list(records.slices(Shape(20_000), NOW)) for _ in range(2))
    assert [part[:2] for part in first] == [part[:2] for part in second]
    for part in first:
        users = [msgspec.json.decode(value, type=Transaction).user_id for value in part.values]
        assert [key.decode() for key in part.keys] == users


def test_ids_count_from_nought() -> None:
    ids = [each.transaction_id for each in transactions(Shape(9_000))]
    assert [records.index_of(each) for each in ids] == list(range(9_000))


def test_time_runs_forward_and_ends_now() -> None:
    times = [datetime.fromisoformat(each.timestamp) for each in transactions(Shape(10_000, users=500))]
    assert times == sorted(times)
    assert (times[-1] - EPOCH).total_seconds() * 1e6 <= NOW
    assert (times[-1] - times[0]).days == pytest.approx(10_000 / 500 / records.A_DAY, abs=1)


def test_few_users_live_faster_rather_than_before_2000() -> None:
    assert transactions(Shape(100_000, users=1))[0].timestamp > "2005"


def test_a_hot_user_has_half_of_the_traffic() -> None:
    counts = Counter(each.user_id for each in transactions(Shape(20_000, users=1_000, hot=True)))
    (_, most), (_, second) = counts.most_common(2)
    assert most == pytest.approx(10_000, rel=0.05)
    assert second < 100


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> scorecard.Scorecard:
    path: Path = tmp_path_factory.mktemp("card") / "scorecard.toml"
    path.write_text(records.scorecard())
    return scorecard.load(path)


@pytest.mark.parametrize(
    "shape", [Shape(20_000), Shape(20_000, hot=True), Shape(20_000, users=20), Shape(4_000, alerts=0.5)]
)
def test_exactly_the_alarming_amounts_alert(shape: Shape, card: scorecard.Scorecard) -> None:
    parts = list(records.slices(shape, NOW))
    batch: list[bytes | None] = [value for part in parts for value in part.values]
    decoded = Decoder(()).decode(batch, np.full(len(batch), NOW // 1000))
    assert not decoded.bad
    names, slots = np.unique(decoded.users, return_inverse=True)
    scored = scoring.score(layout.empty(len(names)), slots, decoded.columns, card, records.THRESHOLD)
    alarming = decoded.columns.rows["amount"] >= records.ALARMING[0] / 1000
    assert np.array_equal(scored.status == kernel.ALERT, alarming)
    assert np.array_equal(np.flatnonzero(alarming), np.concatenate([part.alerts for part in parts]))
    assert alarming.mean() == pytest.approx(shape.alerts, rel=0.2)


def test_the_scorecard_does_the_same_work_as_the_packaged_one(card: scorecard.Scorecard) -> None:
    packaged = scorecard.load()
    assert np.array_equal(card.feature, packaged.feature)
    alarming = packaged.cuts[1:]
    assert np.array_equal(card.cuts[1:, : alarming.shape[1]], alarming, equal_nan=True)
