"""The generator against the aggregates of the genuine file: marginals, and how hard fraud is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from datasets import geography
from datasets.traffic import HONEST, Plan, Traffic, calibration, places
from datasets.traffic.day import HOUR, SECOND
from profiles import layout
from sentinel_cli.engine import scorecard, scoring
from sentinel_cli.engine.columns import TRANSACTION, Columns
from sentinel_cli.engine.features import NAMES

START = 1_512_086_400 * SECOND
N = 250_000
STATED = 0.05  # total variation: the largest difference in the share of any set of values

Floats = npt.NDArray[np.float64]


@dataclass
class Sample:
    traffic: Traffic
    rows: np.ndarray
    fraud: npt.NDArray[np.bool_]

    def column(self, name: str) -> npt.NDArray[np.int64]:
        users = self.traffic.world.users
        of_user = {"card_network": users.network, "card_type": users.card_type, "email_domain": users.email}
        if name in of_user:
            return np.asarray(of_user[name][self.rows["user"]])
        if name == "by_hour":
            return np.asarray(self.rows["time"] // HOUR % 24)
        if name == "by_amt_band":
            edges = [float(band.strip("(]").split(",")[1]) for band in calibration.counts(name)[0]]
            return np.searchsorted(edges, self.rows["amount"] / 1000)
        return self.rows["device_type"].astype(np.int64)


@pytest.fixture(scope="module")
def sample() -> Sample:
    traffic = Traffic(Plan(seed=2, start=START))
    rows = traffic.take(N)
    return Sample(traffic, rows, rows["scenario"] != HONEST)


def distance(found: npt.NDArray[np.int64], counts: Floats) -> float:
    shares = np.bincount(found, minlength=len(counts)) / len(found)
    return float(np.abs(shares - counts / counts.sum()).sum() / 2)


COLUMNS = ("by_hour", "by_amt_band", "card_network", "card_type", "email_domain", "device_type")


@pytest.mark.parametrize("name", COLUMNS)
def test_marginals_are_those_of_the_file(sample: Sample, name: str) -> None:
    _, count, _ = calibration.counts(name)
    assert distance(sample.column(name), count) <= STATED


def test_products_and_how_fraud_leans_in_them_are_those_of_the_file(sample: Sample) -> None:
    count, fraud = calibration.product_counts()
    product = sample.rows["product"].astype(np.int64)
    assert distance(product, count) <= STATED
    assert distance(product[sample.fraud], fraud) <= STATED


@pytest.mark.parametrize("name", COLUMNS)
def test_fraud_leans_as_in_the_file(sample: Sample, name: str) -> None:
    """Twice the stated distance: 9,000 frauds in some 900 episodes are few."""
    _, _, fraud = calibration.counts(name)
    assert distance(sample.column(name)[sample.fraud], fraud) <= 2 * STATED


def test_amounts_have_the_file_s_quantiles_by_product(sample: Sample) -> None:
    for index, product in enumerate(calibration.PRODUCTS):
        known = calibration.statistics()["measured"]["amt_by_product"][product]
        amounts = sample.rows["amount"][sample.rows["product"] == index] / 1000
        found = np.quantile(amounts, [0.25, 0.5, 0.75])
        assert found == pytest.approx([known[q] for q in ("p25", "p50", "p75")], rel=0.12)


def test_logarithms_and_value_of_fraud_are_near_the_file_s(sample: Sample) -> None:
    known = calibration.statistics()["measured"]
    logs = np.log(sample.rows["amount"] / 1000)
    assert logs.mean() == pytest.approx(known["log_amt"]["mean"], abs=0.05)
    assert logs.std() == pytest.approx(known["log_amt"]["std"], abs=0.05)
    assert logs[sample.fraud].mean() == pytest.approx(known["log_amt_fraud"]["mean"], abs=0.2)
    assert logs[sample.fraud].std() == pytest.approx(known["log_amt_fraud"]["std"], abs=0.15)
    amounts = sample.rows["amount"]
    assert amounts[sample.fraud].sum() / amounts.sum() == pytest.approx(known["value_fraud_share"], abs=0.01)


def auc(score: Floats, fraud: npt.NDArray[np.bool_]) -> float:
    """Area under the ROC curve from rank sums, ties shared; a missing value ranks lowest."""
    _, rank, ties = np.unique(np.nan_to_num(score, nan=-np.inf), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[rank]
    positives, negatives = fraud.sum(), (~fraud).sum()
    return float((ranks[fraud].sum() - positives * (positives + 1) / 2) / (positives * negatives))


@pytest.fixture(scope="module")
def features(sample: Sample) -> Floats:
    """Every feature that the engine knows, computed by the engine."""
    rows = np.zeros(N, TRANSACTION)
    rows["time"], rows["amount"] = sample.rows["time"], sample.rows["amount"] / 1000
    rows["transaction"] = np.arange(1, N + 1)
    rows["device"] = sample.rows["device"] & np.uint64(0xFFFFFFFF)
    codes = np.array([geography.country_code(country) for country in places.COUNTRIES])
    rows["country"] = codes[sample.rows["country"]]
    rows["category"] = sample.traffic.world.merchants.category[sample.rows["merchant"]] + 1
    users = layout.empty(sample.traffic.plan.users)
    slots, columns = sample.rows["user"].astype(np.int64), Columns(rows, np.empty((N, 0)))
    return scoring.score(users, slots, columns, scorecard.load(), 2.0, keep_all=True).features


def test_no_single_feature_gives_fraud_away(sample: Sample, features: Floats) -> None:
    areas = {name: auc(features[:, index], sample.fraud) for index, name in enumerate(NAMES)}
    columns = {name: sample.column(name) for name in COLUMNS} | {"product": sample.rows["product"]}
    areas |= {name: auc(values.astype(float), sample.fraud) for name, values in columns.items()}
    either_way = {name: max(area, 1 - area) for name, area in areas.items()}
    assert {name: area for name, area in either_way.items() if area > 0.75} == {}
    assert either_way["amount"] <= 0.62
    # ... and yet it can be told: what thieves do is not what honest users do
    assert max(either_way.values()) > 0.6
