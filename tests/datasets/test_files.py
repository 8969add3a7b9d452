"""Opening and describing: what a file is, or one sentence about what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from datasets import describing
from datasets.files import DataFile, replacing
from sentinel_cli.errors import InputError

Write = Callable[..., Path]


def test_a_parquet_file_is_described(synthetic: Path, table: pa.Table) -> None:
    found = describing.describe(synthetic)
    assert (found.format, found.rows, found.columns, found.kind) == (
        "parquet",
        len(table),
        434,
        "IEEE-CIS Fraud Detection",
    )
    assert found.frauds == sum(table["isFraud"].to_pylist())
    assert found.costs == []
    assert [group.missing for group in found.groups] == [[]] * len(found.groups)
    shares = {column.name: column.missing for column in found.every_column}
    assert shares["id_07"] == pytest.approx(table["id_07"].null_count / len(table))


def test_csv_and_parquet_tell_the_same(downloaded: Path, synthetic: Path) -> None:
    csv, whole = describing.describe(downloaded / "train_transaction.csv"), describing.describe(synthetic)
    assert (csv.format, csv.rows, csv.columns) == ("CSV", whole.rows, 394)
    assert (csv.frauds, csv.first_time, csv.last_time) == (whole.frauds, whole.first_time, whole.last_time)
    missing = {c.name: c.missing for c in whole.every_column}
    assert all(c.missing == pytest.approx(missing[c.name]) for c in csv.every_column)
    assert {g.name for g in csv.groups if g.missing} == {"identity", "device"}


def test_what_is_missing_has_its_cost(csv_file: Write) -> None:
    found = describing.describe(
        csv_file("TransactionID,TransactionDT,TransactionAmt,card1,card2", "1,5,9,1,2")
    )
    assert any("Without addr1, D1 a user is card1, card2" in cost for cost in found.costs)
    assert any("Without isFraud there are no fraud rates" in cost for cost in found.costs)
    assert any("DeviceInfo (device_id)" in cost for cost in found.costs)
    other = describing.describe(csv_file("x,y", "1,2"))
    assert other.kind is None
    assert "--mapping" in other.costs[0]


def test_what_is_no_data_file(tmp_path: Path, synthetic: Path, csv_file: Write) -> None:
    half = tmp_path / "half.parquet"
    half.write_bytes(synthetic.read_bytes()[:100_000])
    empty = tmp_path / "empty.parquet"
    empty.touch()
    no_rows = tmp_path / "no_rows.parquet"
    parquet.write_table(pa.table({"TransactionDT": pa.array([], pa.int32())}), no_rows)
    for path, said in {
        half: "no complete parquet file",
        empty: "no complete parquet file",
        no_rows: "has no rows",
        csv_file("TransactionDT"): "has no rows",
        tmp_path / "absent": "does not exist",
        tmp_path: "is a folder",
    }.items():
        with pytest.raises(InputError, match=said):
            describing.describe(path)


def test_a_damaged_page_is_found_when_it_is_read(tmp_path: Path, synthetic: Path) -> None:
    damaged = bytearray(synthetic.read_bytes())
    damaged[4:4000] = bytes(3996)
    path = tmp_path / "damaged.parquet"
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="is damaged"):
        DataFile(path).read(["TransactionID"])


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    def interrupted() -> None:
        with replacing(tmp_path / "out") as beside:
            beside.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    with replacing(tmp_path / "out") as beside:
        beside.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_whatever_wrote_the_parquet(tmp_path: Path) -> None:
    """Types that pandas, polars, Spark and databases choose for the same columns."""
    from decimal import Decimal

    from datasets import analysis
    from datasets.events import Reading, read

    n = 40
    times = [1_512_086_400 + 3_600 * i for i in range(n)]
    columns = {
        "TX_DATETIME": pa.array(times, pa.timestamp("s", "Europe/Berlin")),
        "CUSTOMER_ID": pa.array([f"c{i % 3}" for i in range(n)], pa.large_string()),
        "TERMINAL_ID": pa.array([f"t{i % 5}" for i in range(n)]).cast(pa.string_view()),
        "TX_AMOUNT": pa.array([Decimal("9.99")] * n, pa.decimal128(10, 2)),
        "TX_FRAUD": pa.array([i % 4 == 0 for i in range(n)]),
        "holes": pa.array([float("nan") if i % 2 else 1.0 for i in range(n)]),
        "nested": pa.array([[1, 2]] * n),
        "none": pa.nulls(n),
    }
    path = tmp_path / "theirs.parquet"
    parquet.write_table(pa.table(columns), path)
    found = analysis.analyze(path)
    assert (found.frauds, found.missing["holes"], found.missing["none"]) == (10, 0.5, 1.0)
    assert found.users
    assert found.users.users == 3
    assert "nested" not in {each.column for each in found.strongest}
    events = read(path, Reading(features=("holes",)))
    assert events.features["holes"].to_pylist()[:2] == [1.0, None]
    assert events.amount.tolist() == [9.99] * n
    assert events.time[0] == times[0] * 1_000_000
    assert events.texts["merchant_id"][0].as_py() == "t0"
    assert {c.name: c.missing for c in describing.describe(path).every_column}["nested"] == 0
