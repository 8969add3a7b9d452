from __future__ import annotations

from datetime import datetime

import msgspec
import numpy as np
import pytest

from datasets.traffic import HONEST, SCENARIO_NAMES, Plan, Traffic, TransactionRows
from datasets.traffic.calibration import PRODUCTS
from datasets.traffic.places import COUNTRIES
from sentinel_cli.records import Label, Transaction
from sentinel_cli.streaming.traffic_json import Records, TrafficWriter

SECOND = 1_000_000
N = 40_000

Made = tuple[Traffic, TransactionRows, Records]


@pytest.fixture(scope="module")
def made() -> Made:
    traffic = Traffic(Plan(seed=9, start=1_512_086_400 * SECOND, users=2_000))
    rows = traffic.take(N)
    return traffic, rows, TrafficWriter(traffic).write(0, rows)


@pytest.fixture(scope="module")
def transactions(made: Made) -> list[Transaction]:
    decode = msgspec.json.Decoder(Transaction).decode
    return [decode(record) for record in made[2].transactions]


@pytest.fixture(scope="module")
def labels(made: Made) -> list[Label]:
    decode = msgspec.json.Decoder(Label).decode
    return [decode(record) for record in made[2].labels]


def test_a_record_says_what_was_planned(made: Made, transactions: list[Transaction]) -> None:
    _, rows, records = made
    for at in range(0, N, 97):
        row, record = rows[at], transactions[at]
        assert record.user_id == f"user_{row['user'] + 1:06d}" == records.keys[at].decode()
        assert datetime.fromisoformat(record.timestamp).timestamp() * SECOND == pytest.approx(
            row["time"], abs=1
        )
        assert record.amount == row["amount"] / 1000
        assert record.country == COUNTRIES[row["country"]]
        assert record.product_code == PRODUCTS[row["product"]]
        assert record.device_id == f"d_{int(row['device']) & (2**48 - 1):012x}"
        assert record.currency and record.merchant_category and record.card_network  # noqa: PT018


def test_ids_are_unique_and_labels_belong_to_them(
    transactions: list[Transaction], labels: list[Label]
) -> None:
    assert len({transaction.transaction_id for transaction in transactions}) == N
    pairs = zip(transactions, labels, strict=True)
    assert all(
        (t.transaction_id, t.user_id, t.timestamp) == (x.transaction_id, x.user_id, x.labelled_at)
        for t, x in pairs
    )


def test_every_transaction_has_a_label_with_its_scenario_and_episode(made: Made, labels: list[Label]) -> None:
    _, rows, _ = made
    for row, label in zip(rows, labels, strict=True):
        stolen = row["scenario"] != HONEST
        assert label.is_fraud == stolen
        assert label.scenario == (SCENARIO_NAMES[row["scenario"]] if stolen else "")
        assert bool(label.episode_id) == stolen
    episodes = {(label.episode_id, label.scenario) for label in labels if label.is_fraud}
    assert len(episodes) == len(np.unique(rows["episode"])) - 1


def test_records_do_not_depend_on_how_they_were_cut(made: Made) -> None:
    traffic, rows, whole = made
    writer = TrafficWriter(traffic)
    parts = [writer.write(at, rows[at : at + 1_777]) for at in range(0, N, 1_777)]
    for column in range(3):
        assert [record for part in parts for record in part[column]] == whole[column]


def test_a_transaction_does_not_name_its_truth(made: Made) -> None:
    text = b"\n".join(made[2].transactions).lower()
    for word in (b"fraud", b"label", b"episode", b"scenario", *(name.encode() for name in SCENARIO_NAMES)):
        assert word not in text
    shapes = {tuple(msgspec.json.decode(record)) for record in made[2].transactions}
    assert len(shapes) == 1  # the same fields in the same order, whoever bought


def auc(score: list[float], fraud: np.ndarray) -> float:
    _, rank, ties = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[rank]
    positives, negatives = fraud.sum(), (~fraud).sum()
    return float((ranks[fraud].sum() - positives * (positives + 1) / 2) / (positives * negatives))


@pytest.mark.parametrize("field", ["transaction_id", "user_id", "merchant_id", "device_id"])
def test_no_id_s_form_or_range_tells_fraud(
    field: str, transactions: list[Transaction], labels: list[Label]
) -> None:
    pairs = {(getattr(t, field), label.is_fraud) for t, label in zip(transactions, labels, strict=True)}
    ids, truth = zip(*sorted(pairs), strict=True)
    fraud = np.array(truth)
    prefix = {text.rstrip("0123456789abcdef") for text in ids}
    assert len(prefix) == 1
    assert len({len(text) for text in ids}) == 1
    digits = [text.removeprefix(next(iter(prefix))) for text in ids]
    assert 0.4 < auc([float(int(text, 16)) for text in digits], fraud) < 0.6
    for place in range(len(digits[0])):
        assert 0.4 < auc([float(int(text[place], 16)) for text in digits], fraud) < 0.6
