"""A file as events: in order, whose, when, and what stands in for what the file lacks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from datasets import mapping
from datasets.columns import microseconds
from datasets.events import DAY, Reading, read
from sentinel_cli.errors import InputError

Write = Callable[..., Path]
SMALL = "TransactionID,isFraud,TransactionDT,TransactionAmt,ProductCD,card1,addr1,D1"


def test_events_are_in_the_order_of_their_time(csv_file: Write) -> None:
    found = read(
        csv_file(SMALL, "1,0,172800,5,W,7,,1", "2,1,86400,6,C,7,300,0", "3,0,86400,7.5,W,8,300,"), Reading()
    )
    assert found.transaction_id.to_pylist() == ["2", "3", "1"]
    assert found.amount.tolist() == [6, 7.5, 5]
    assert found.label.tolist() == [1, 0, 0]
    assert found.row.tolist() == [1, 2, 0]
    # 86,400 s after the assumed origin: the first of December; D1 counts back to the first day.
    assert found.time[0] == 1_512_086_400_000_000
    assert found.user.to_pylist() == ["7_300_1", "8_300_", "7__1"]
    assert found.texts["product_code"].to_pylist() == ["C", "W", "W"]
    assert found.constants == {"currency": "USD"}


def test_csv_and_parquet_give_the_same_events(downloaded: Path, synthetic: Path) -> None:
    csv, parquet = read(downloaded / "train_transaction.csv", Reading()), read(synthetic, Reading())
    assert csv.user.equals(parquet.user)
    assert csv.transaction_id.equals(parquet.transaction_id)
    for one, other in ((csv.time, parquet.time), (csv.amount, parquet.amount), (csv.label, parquet.label)):
        assert (one == other).all()
    assert parquet.notes == []
    assert [note for note in csv.notes if "DeviceInfo (device_id)" in note]


@pytest.mark.parametrize(
    ("columns", "users"),
    [
        ("card1,card2,D1", ["7_5", "8_6"]),
        ("card2,addr1", ["5_300", "6_"]),
        ("card6", ["debit", "credit"]),
    ],
)
def test_the_card_stands_in_for_what_is_missing(columns: str, users: list[str], csv_file: Write) -> None:
    values = {
        "card1": ("7", "8"),
        "card2": ("5.0", "6.0"),
        "card6": ("debit", "credit"),
        "addr1": ("300", ""),
        "D1": ("0", "1"),
    }
    names = columns.split(",")
    rows = [
        ",".join([t, "1", *(values[name][at] for name in names)]) for at, t in enumerate(("86400", "86401"))
    ]
    found = read(csv_file(f"TransactionDT,TransactionAmt,{columns}", *rows), Reading())
    assert found.user.to_pylist() == users
    assert "several people may share that" in found.notes[-1]


def test_the_entity_can_be_chosen(synthetic: Path, csv_file: Write) -> None:
    found = read(csv_file(SMALL, "1,0,86400,5,W,7,300,1"), Reading(entity="ProductCD, card1"))
    assert found.user.to_pylist() == ["W_7"]
    with pytest.raises(InputError, match="has no column card9 to make a user's id of"):
        read(synthetic, Reading(entity="card9"))


def test_the_origin_moves_time_and_no_user(synthetic: Path) -> None:
    origin = 1_700_000_000_000_000
    own, moved = read(synthetic, Reading()), read(synthetic, Reading(origin=origin))
    assumed = microseconds(mapping.load("ieee_cis").time.origin)
    assert (moved.time - own.time == origin - assumed).all()
    assert moved.user.equals(own.user)


def test_the_origin_of_a_file_with_timestamps_is_its_first_midnight(csv_file: Write) -> None:
    file = csv_file("TX_DATETIME,CUSTOMER_ID,TX_AMOUNT", "2018-04-01 10:00:00,5,1", "2018-04-02 00:00:01,5,1")
    found = read(file, Reading(origin=20_000 * DAY))
    assert found.time.tolist() == [20_000 * DAY + DAY // 24 * 10, 20_001 * DAY + 1_000_000]


def test_features_by_pattern_and_never_the_truth(synthetic: Path, table: pa.Table) -> None:
    found = read(synthetic, Reading(features=("C*", "V1?", "TransactionAmt", "M4")))
    names = [f"C{n}" for n in range(1, 15)] + [f"V1{n}" for n in range(10)]
    assert found.features.column_names == ["TransactionAmt", *names]
    assert found.features["C1"].equals(table["C1"])
    assert "M4" in found.notes[0]
    every = read(synthetic, Reading(features=("*",)))
    assert not {"isFraud", "TransactionID"} & set(every.features.column_names)
    for hidden in ("isFraud", "X*"):
        with pytest.raises(InputError, match="to make a feature of"):
            read(synthetic, Reading(features=(hidden,)))


def test_scenarios_come_from_the_metadata_or_a_column(synthetic: Path, csv_file: Write) -> None:
    found = read(synthetic, Reading())
    assert [bool(text) for text in found.scenario.to_pylist()] == (found.label == 1).tolist()
    handbook = csv_file(
        "TX_DATETIME,CUSTOMER_ID,TX_AMOUNT,TX_FRAUD,TX_FRAUD_SCENARIO", "2018-04-01 10:00:00,5,1,1,2"
    )
    assert read(handbook, Reading()).scenario.to_pylist() == ["2"]


def test_a_part_is_the_same_rows(synthetic: Path) -> None:
    whole = read(synthetic, Reading(features=("C1",)))
    part = whole.part(10, 20)
    assert len(part) == 10
    assert part.user.equals(whole.user.slice(10, 10))
    assert whole.between(int(whole.time[10]), int(whole.time[20])).transaction_id.equals(part.transaction_id)
    assert part.take(np.array([3])).features["C1"].to_pylist() == [whole.features["C1"][13].as_py()]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["a,b", "1,2"], "none of the columns that are needed: TransactionDT, TransactionAmt, card1"),
        (
            ["TransactionDT,ProductCD", "5,W"],
            "lacks what IEEE-CIS Fraud Detection calls TransactionAmt, card1 or card2",
        ),
        (["CUSTOMER_ID,TX_AMOUNT", "5,W"], "lacks what Fraud Detection Handbook calls TX_DATETIME"),
        ([SMALL, "1,maybe,86400,5,W,7,300,1"], "column isFraud: 'maybe' is no number"),
    ],
)
def test_a_file_without_what_is_needed_is_refused(lines: list[str], said: str, csv_file: Write) -> None:
    with pytest.raises(InputError) as caught:
        read(csv_file(*lines), Reading())
    assert said in str(caught.value)


def test_a_mapping_of_ones_own(csv_file: Write, tmp_path: Path) -> None:
    toml = tmp_path / "ours.toml"
    toml.write_text(
        'title = "Ours"\n[time]\ncolumn = "at"\nunit = "ms"\n[user]\ncolumns = ["customer"]\n'
        '[columns]\namount = "eur"\nmerchant_id = "shop"\n[constants]\ncurrency = "EUR"\n'
    )
    file = csv_file(
        "at,customer,eur,shop", "1700000000123,c1,9.99,s1", "1700000000001,00012345678901234567,1,s2"
    )
    found = read(file, Reading(mapping=str(toml)))
    assert found.time.tolist() == [1_700_000_000_001_000, 1_700_000_000_123_000]
    assert found.user.to_pylist() == ["00012345678901234567", "c1"]
    assert found.transaction_id.to_pylist() == ["1", "0"]
    assert (found.constants, found.texts["merchant_id"].to_pylist()) == ({"currency": "EUR"}, ["s2", "s1"])
    assert any("no labels" in note for note in found.notes)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("title = ", "Invalid value"),
        ('title = "x"', "missing required field `time`"),
        ('title = "x"\n[time]\ncolumn = "t"\nunit = "h"\n', "Invalid enum value 'h'"),
        ('title = "x"\nnonsense = 1\n', "contains unknown field `nonsense`"),
        (
            'title="x"\n[time]\ncolumn="t"\n[user]\ncolumns=[]\n[columns]\namount="a"\n',
            "[user] names no columns",
        ),
        (
            'title="x"\n[time]\ncolumn="t"\n[user]\ncolumns=["u"]\n[columns]\namount="a"\n[constants]\ncolour="red"\n',
            "[constants] names colour",
        ),
    ],
)
def test_a_wrong_mapping_is_one_sentence(toml: str, said: str, synthetic: Path, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(toml)
    with pytest.raises(InputError) as caught:
        read(synthetic, Reading(mapping=str(path)))
    assert str(path) in str(caught.value)
    assert said in str(caught.value)
