"""A synthetic file: the schema of the genuine one, repeatable, and no column that gives fraud away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from datasets import ieee_cis, synthesis, truth
from datasets.traffic import SCENARIO_NAMES

# Of the genuine file, as published; a synthetic one may differ by this much.
MISSING = {
    "card2": 0.015,
    "addr1": 0.111,
    "R_emaildomain": 0.768,
    "DeviceInfo": 0.799,
    "id_20": 0.764,
    "D1": 0.002,
}
MISSING |= {"dist1": 0.597, "M4": 0.477, "V1": 0.473, "V138": 0.861, "V167": 0.764, "V279": 0.0, "D7": 0.934}
NEAR = 0.06


def test_the_schema_is_the_genuine_files(table: pa.Table) -> None:
    assert table.column_names == list(ieee_cis.COLUMNS)
    for name in ieee_cis.COLUMNS:
        is_text = pa.types.is_dictionary(table.schema.field(name).type)
        assert is_text == (name in ieee_cis.TEXT), name


def test_gaps_are_about_where_they_are(table: pa.Table) -> None:
    for name, share in MISSING.items():
        assert table[name].null_count / len(table) == pytest.approx(share, abs=NEAR), name


def test_the_same_seed_gives_the_same_file(synthetic: Path, table: pa.Table, tmp_path: Path) -> None:
    again, other = tmp_path / "again.parquet", tmp_path / "other.parquet"
    synthesis.run(len(table), again, seed=11)
    synthesis.run(500, other, seed=12)
    assert again.read_bytes() == synthetic.read_bytes()
    assert not parquet.read_table(other).equals(table.slice(0, 500))


def test_a_users_card_and_first_day_stay(table: pa.Table) -> None:
    """card1, addr1 and D1 counted back make a user, as in the genuine file."""
    frame = table.select(["card1", "card2", "card4", "addr1", "TransactionDT", "D1"]).to_pandas()
    frame["day"] = frame["TransactionDT"] // 86_400 - frame["D1"]
    by_user = frame.groupby(["card1", "addr1", "day"], observed=True)
    assert by_user.size().max() > 20
    assert (by_user[["card2", "card4"]].nunique().max() <= 1).all()


def test_the_truth_travels_in_the_metadata(table: pa.Table) -> None:
    known = truth.read(table.schema.metadata)
    assert known is not None
    fraud = table["isFraud"].to_numpy()
    assert known.row == np.flatnonzero(fraud).tolist()
    scenario, episode = known.columns(len(fraud))
    assert set(scenario[fraud == 1]) <= set(SCENARIO_NAMES)
    assert ((scenario != "") == (fraud == 1)).all()
    assert ((episode != "") == (fraud == 1)).all()
