"""Files in IEEE-CIS's schema: made, never genuine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from pyarrow import parquet

from datasets import ieee_cis, synthesis

ROWS = 3_000


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A parquet file of ROWS transactions, all 434 columns."""
    path = tmp_path_factory.mktemp("synthetic") / "synthetic.parquet"
    synthesis.run(ROWS, path, seed=11)
    return path


@pytest.fixture(scope="session")
def table(synthetic: Path) -> pa.Table:
    return parquet.read_table(synthetic)


@pytest.fixture(scope="session")
def downloaded(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as downloaded: training files, test files without labels and with `id-01`, a submission."""
    folder = tmp_path_factory.mktemp("ieee-fraud-detection")
    write_csv_pair(parquet.read_table(synthetic), folder, "train")
    write_csv_pair(parquet.read_table(synthetic), folder, "test")
    (folder / "sample_submission.csv").write_text("TransactionID,isFraud\n1,0.5\n")
    return folder


def write_csv_pair(table: pa.Table, folder: Path, part: str) -> None:
    """Both CSV files of a part. Whole numbers with gaps are written "315.0", as pandas left them."""
    transactions = table.select(ieee_cis.TRANSACTION_COLUMNS)
    identities = table.select(ieee_cis.IDENTITY_COLUMNS).filter(pa.compute.is_valid(table["id_01"]))
    if part == "test":
        transactions = transactions.drop_columns([ieee_cis.LABEL])
        identities = identities.rename_columns(
            [name.replace("id_", "id-") for name in ieee_cis.IDENTITY_COLUMNS]
        )
    for name, each in {"transaction": transactions, "identity": identities}.items():
        columns = [_as_pandas_left_it(column) for column in each.columns]
        options = pa_csv.WriteOptions(quoting_style="needed")
        pa_csv.write_csv(pa.table(columns, names=each.column_names), folder / f"{part}_{name}.csv", options)


def _as_pandas_left_it(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        return column.cast(pa.string())
    if pa.types.is_integer(column.type) and column.null_count:
        texts = [None if value is None else f"{value}.0" for value in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    return column


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes lines to a CSV file and returns its path."""

    def write(*lines: str, name: str = "train_transaction.csv") -> Path:
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    return write
