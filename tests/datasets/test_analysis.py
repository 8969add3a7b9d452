"""The statistics equal what pandas computes the long way, whatever columns the file has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets import analysis, document, strength
from sentinel_cli.errors import InputError

Write = Callable[..., Path]
NEEDED = {"transactions", "features", "fraud_rate", "by_hour", "by_amount_band", "by_product", "missing"}
NEEDED |= {"strongest_columns", "by_weekday", "by_card_network", "by_email_domain", "by_device", "users"}


@pytest.fixture(scope="module")
def found(synthetic: Path) -> analysis.Analysis:
    return analysis.analyze(synthetic)


@pytest.fixture(scope="module")
def frame(table: pa.Table) -> pd.DataFrame:
    return pd.DataFrame(table.to_pandas())


def test_the_document_has_its_keys(found: analysis.Analysis) -> None:
    told = document.document(found)
    assert set(told) >= NEEDED
    assert [row["hour"] for row in told["by_hour"]] == list(range(24))
    assert told["features"] == 434


def test_breakdowns_are_those_of_pandas(found: analysis.Analysis, frame: pd.DataFrame) -> None:
    keys = {
        "hour": frame["TransactionDT"] // 3600 % 24,
        "product": frame["ProductCD"],
        "card_network": frame["card4"],
        "device_type": frame["DeviceType"].cat.add_categories("(missing)").fillna("(missing)"),
    }
    for name, key in keys.items():
        expected = frame.groupby(key.astype(object))["isFraud"].agg(["size", "sum"])
        rows = {row.value: (row.transactions, row.frauds) for row in found.by[name] if row.transactions}
        assert rows == {value: (size, total) for value, size, total in expected.itertuples()}, name


def test_every_breakdown_counts_every_transaction(found: analysis.Analysis) -> None:
    for name, rows in {**found.by, "day": found.by_day}.items():
        assert sum(row.transactions for row in rows) == found.transactions, name
        assert sum(row.frauds or 0 for row in rows) == found.frauds, name
        assert sum(row.share for row in rows) == pytest.approx(1), name


def test_an_amount_on_an_edge_is_in_the_band_below(csv_file: Write) -> None:
    file = csv_file("TransactionAmt,isFraud", "5,0", "5.01,0", "1000,1", "1000.01,1", ",0")
    rows = {row.value: (row.transactions, row.frauds) for row in analysis.analyze(file).by["amount_band"]}
    assert rows["up to 5"] == rows["5 to 10"] == (1, 0)
    assert rows["500 to 1000"] == rows["above 1000"] == (1, 1)


def test_missing_and_amounts(found: analysis.Analysis, frame: pd.DataFrame) -> None:
    assert found.missing == pytest.approx(frame.isna().mean().to_dict())
    fraud = frame.loc[frame["isFraud"] == 1, "TransactionAmt"]
    assert found.amounts["fraud"].total == pytest.approx(fraud.sum())
    assert found.amounts["fraud"].quantiles["p90"] == pytest.approx(fraud.quantile(0.9))
    assert sum(found.amounts["fraud"].histogram) == len(fraud)


def test_users_are_those_of_pandas(found: analysis.Analysis, frame: pd.DataFrame) -> None:
    assert found.users
    frame["first"] = frame["TransactionDT"] // 86_400 - frame["D1"]
    by_user = frame.groupby(["card1", "addr1", "first"], dropna=False)
    assert found.users.users == by_user.ngroups
    assert found.users.single == pytest.approx((by_user.size() == 1).mean())
    before = by_user["isFraud"].shift()
    assert found.users.rate_after == pytest.approx(
        {
            "fraud": frame.loc[before == 1, "isFraud"].mean(),
            "honest": frame.loc[before == 0, "isFraud"].mean(),
            "nothing": frame.loc[before.isna(), "isFraud"].mean(),
        }
    )


def test_csv_and_parquet_give_the_same_numbers(downloaded: Path, found: analysis.Analysis) -> None:
    csv = analysis.analyze(downloaded / "train_transaction.csv")
    strengths = {each.column: each.auc for each in found.strongest}
    assert {each.column: each.auc for each in csv.strongest}.items() <= strengths.items()
    assert csv.by.items() <= found.by.items()
    assert csv.users == found.users
    assert any("device" in note for note in csv.notes)


def test_the_truth_is_never_a_feature(found: analysis.Analysis) -> None:
    assert not {"isFraud", "TransactionID"} & {each.column for each in found.strongest}


def test_without_labels_nothing_is_said_about_fraud(downloaded: Path) -> None:
    found = analysis.analyze(downloaded / "test_transaction.csv")
    assert (found.fraud_rate, found.strongest) == (None, [])
    assert found.by["product"][0].rate is None
    assert found.users
    assert found.users.rate_after is None
    assert any("Without isFraud" in note for note in found.notes)


@pytest.mark.parametrize(
    "absent", ["TransactionDT", "TransactionAmt", "card1", "D1", "ProductCD", "TransactionID"]
)
def test_a_column_that_is_not_there_costs_what_needs_it(
    absent: str, downloaded: Path, csv_file: Write
) -> None:
    frame = pd.read_csv(downloaded / "train_transaction.csv", nrows=200)
    path = csv_file()
    kept = ["isFraud", "TransactionDT", "TransactionAmt", "card1", "card2", "addr1", "D1", "ProductCD"]
    frame[kept].drop(columns=absent, errors="ignore").to_csv(path, index=False)
    found = analysis.analyze(path)
    assert found.transactions == 200
    assert found.fraud_rate is not None
    assert absent == "TransactionID" or any(absent in note for note in found.notes)


def test_other_peoples_files(csv_file: Write) -> None:
    handbook = csv_file(
        "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD,TX_FRAUD_SCENARIO",
        "0,2018-04-01 00:00:31,596,3156,57.16,0,0",
        "1,2018-04-01 23:02:10,4961,3412,81.51,1,2",
    )
    found = analysis.analyze(handbook)
    assert (found.kind, found.transactions, found.frauds) == ("Fraud Detection Handbook", 2, 1)
    assert [row.transactions for row in found.by["hour"]][23] == 1
    assert "TX_FRAUD_SCENARIO" not in {each.column for each in found.strongest}
    sparkov = csv_file(
        ",trans_date_trans_time,cc_num,merchant,category,amt,city,unix_time,is_fraud,trans_num",
        '0,2019-01-01 00:00:18,2703186189652095,"fraud_Rippin, Kub",misc_net,4.97,Moravian,1325376018,0,0b24',
    )
    found = analysis.analyze(sparkov)
    assert found.by["merchant_category"][0].value == "misc_net"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["a,b", "1,2"], "none of the columns that are needed: TransactionDT, TransactionAmt, card1"),
        (["TransactionDT,isFraud", "5,yes"], "column isFraud: 'yes' is no number"),
        (["TX_AMOUNT,TX_FRAUD", "5,fraud"], "column TX_FRAUD, holds 'fraud' in row 1; labels are 0 and 1"),
        (["TX_AMOUNT", '"1,234.50"'], "column TX_AMOUNT, holds '1,234.50', which is no number"),
        (["TX_DATETIME,TX_AMOUNT", "yesterday,5"], "holds 'yesterday' and the like, which is no time"),
        (["TransactionDT,isFraud", "5,0", ",0"], "has no time in row 2"),
        (["TransactionDT"], "has no rows"),
    ],
)
def test_what_is_wrong_is_one_sentence(lines: list[str], said: str, csv_file: Write) -> None:
    with pytest.raises(InputError) as caught:
        analysis.analyze(csv_file(*lines))
    assert said in str(caught.value)


def brute_force(values: list[float | None], fraud: list[bool]) -> float:
    """The chance that a fraud ranks above an honest one, over all pairs, in all four orders."""

    def auc(missing: float, sign: int) -> float:
        ranks = [sign * (missing if value is None else value) for value in values]
        stolen = [rank for rank, is_fraud in zip(ranks, fraud, strict=True) if is_fraud]
        honest = [rank for rank, is_fraud in zip(ranks, fraud, strict=True) if not is_fraud]
        pairs = [(a, b) for a in stolen for b in honest]
        return sum((a > b) + (a == b) / 2 for a, b in pairs) / len(pairs) if pairs else 0.5

    return max(auc(missing, sign) for missing in (-1e9, 1e9) for sign in (1, -1))


@given(st.lists(st.tuples(st.none() | st.integers(-3, 3), st.booleans()), min_size=1, max_size=30))
def test_auc_is_that_of_all_pairs(rows: list[tuple[int | None, bool]]) -> None:
    values, fraud = [None if v is None else float(v) for v, _ in rows], [f for _, f in rows]
    for type_ in (pa.float64(), pa.int8()):
        column = pa.chunked_array([pa.array(values, pa.float64()).cast(type_)])
        found = strength.judge("x", column, np.array(fraud))
        assert found.auc == pytest.approx(brute_force(values, fraud))


def test_text_is_judged_where_it_was_not_learnt() -> None:
    rng = np.random.default_rng(1)
    fraud = rng.random(4_000) < 0.2
    unique = pa.chunked_array([pa.array([f"d{n}" for n in range(4_000)])])
    telling = pa.chunked_array([pa.array(np.where(fraud, "bad", "good"))])
    assert strength.judge("unique", unique, fraud).auc == pytest.approx(0.5, abs=0.05)
    assert strength.judge("telling", telling, fraud).auc == 1.0


def test_information_value_of_a_known_table() -> None:
    """Two values, 100 honest and 10 fraud against 100 and 40, by hand, half a transaction added to each."""
    values = np.repeat(["a", "b"], [110, 140])
    fraud = np.concatenate([np.arange(110) < 10, np.arange(140) < 40])
    found = strength.judge("x", pa.chunked_array([pa.array(values)]), fraud)
    honest, stolen = np.array([100.5, 100.5, 0]) / 201, np.array([10.5, 40.5, 0]) / 51
    expected = sum((h - s) * np.log(h / s) for h, s in zip(honest[:2], stolen[:2], strict=True))
    assert found.information_value == pytest.approx(expected)
