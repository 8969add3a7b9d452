"""CSV to parquet: nothing lost, types small, and for everything that is broken one sentence and no file."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from datasets import ieee_cis, importing
from sentinel_cli.errors import InputError

Write = Callable[..., Path]


def imported(out: Path, *sources: Path) -> tuple[importing.Imported, pa.Table]:
    told = importing.run(importing.pair(sources), out)
    return told, parquet.read_table(out)


def refused(out: Path, *sources: Path) -> str:
    """The sentence; nothing is left of the output."""
    before = set(out.parent.iterdir())
    with pytest.raises(InputError) as caught:
        imported(out, *sources)
    assert set(out.parent.iterdir()) == before
    return str(caught.value)


def test_everything_comes_back(downloaded: Path, table: pa.Table, tmp_path: Path) -> None:
    told, found = imported(tmp_path / "out.parquet", downloaded)
    assert (told.rows, told.columns, told.missing, told.unknown) == (len(table), 434, {}, [])
    assert told.identities == len(table) - table["id_01"].null_count
    assert found.column_names == list(ieee_cis.COLUMNS)
    for name in ieee_cis.COLUMNS:
        if pa.types.is_dictionary(table.schema.field(name).type):
            assert found[name].cast(pa.string()).equals(table[name].cast(pa.string())), name
        else:
            assert found[name].cast(pa.float64()).equals(table[name].cast(pa.float64())), name


def test_types_are_as_small_as_their_values(downloaded: Path, tmp_path: Path) -> None:
    _, found = imported(tmp_path / "out.parquet", downloaded)
    types = {name: str(found.schema.field(name).type) for name in found.column_names}
    assert (types["isFraud"], types["TransactionID"], types["TransactionAmt"]) == ("int8", "int32", "double")
    assert (types["card1"], types["id_01"], types["D8"]) == ("int16", "int8", "float")
    assert types["DeviceInfo"] == "dictionary<values=string, indices=int32, ordered=0>"
    compression = parquet.ParquetFile(tmp_path / "out.parquet").metadata.row_group(0).column(0).compression
    assert compression == "ZSTD"


@pytest.mark.parametrize("whole", [True, False], ids=["one archive", "an archive each"])
def test_zipped_as_downloaded(downloaded: Path, tmp_path: Path, whole: bool) -> None:
    sources = []
    for file in sorted(downloaded.glob("train*.csv")):
        archive = tmp_path / ("all.zip" if whole else f"{file.name}.zip")
        with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as zipped:
            zipped.write(file, file.name)
        sources.append(archive)
    told, found = imported(tmp_path / "out.parquet", *dict.fromkeys(sources))
    assert told.identities > 0
    assert found.num_columns == 434


def test_identities_beside_a_single_file_are_found(downloaded: Path, tmp_path: Path) -> None:
    told, found = imported(tmp_path / "out.parquet", downloaded / "test_transaction.csv")
    assert told.identity == str(downloaded / "test_identity.csv")
    assert "id_01" in found.column_names
    assert told.missing == {"transaction": ["isFraud"]}


def test_a_part_of_the_columns_and_some_of_their_own(csv_file: Write, tmp_path: Path) -> None:
    source = csv_file(
        "TransactionID,isFraud,TransactionDT,TransactionAmt,shop,branch,risk,note",
        '1,0,86400,59.0,"a, b",007,1.25,x',
        "2,1,86401,,c,008,,",
    )
    told, found = imported(tmp_path / "out.parquet", source)
    assert told.unknown == ["shop", "branch", "risk", "note"]
    assert told.missing["card"] == ["card1", "card2", "card3", "card4", "card5", "card6"]
    assert found.to_pylist()[0]["shop"] == "a, b"
    assert found["branch"].to_pylist() == ["007", "008"]
    assert found["risk"].to_pylist() == [1.25, None]
    assert found["TransactionAmt"].to_pylist() == [59.0, None]


def test_of_two_identities_the_first_counts(csv_file: Write, tmp_path: Path) -> None:
    source = csv_file("TransactionID,TransactionDT", "1,5", "2,6")
    csv_file("TransactionID,id_01", "2,-5", "2,-10", "9,0", name="train_identity.csv")
    told, found = imported(tmp_path / "out.parquet", source)
    assert found["id_01"].to_pylist() == [None, -5]
    assert told.identities == 1


HEADER = "TransactionID,isFraud,TransactionDT,TransactionAmt"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "is empty: it has no header and no rows"),
        ([HEADER], "has a header and no rows"),
        ([HEADER, "1,0,5,9.5", "2,0"], "line 3: 2 values where the header names 4"),
        ([HEADER, "1,0,5,9.5", '2,0,6,"1,234.50"'], "line 3, column TransactionAmt: '1,234.50' is no number"),
        ([HEADER, "1,yes,5,9.5"], "line 2, column isFraud: 'yes' is no number"),
        ([HEADER, "1,2,5,9.5"], "column isFraud: labels are 0 and 1, and these go from 2 to 2"),
        (["a,b", "1,2"], "none of the columns of IEEE-CIS"),
        (["TransactionID,isFraud,isFraud", "1,0,0"], "names the column 'isFraud' twice"),
    ],
)
def test_what_is_broken_is_one_sentence(lines: list[str], said: str, csv_file: Write, tmp_path: Path) -> None:
    assert said in refused(tmp_path / "out.parquet", csv_file(*lines))


def test_a_file_cut_in_half(downloaded: Path, tmp_path: Path) -> None:
    whole = (downloaded / "train_transaction.csv").read_bytes()
    cut = tmp_path / "cut.csv"
    cut.write_bytes(whole[: len(whole) // 2])
    lines = whole[: len(whole) // 2].count(b"\n") + 1
    assert f"line {lines:d}: " in refused(tmp_path / "out.parquet", cut)


def test_an_archive_cut_in_half(downloaded: Path, tmp_path: Path) -> None:
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.write(downloaded / "train_transaction.csv", "train_transaction.csv")
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    assert "is no complete zip archive" in refused(tmp_path / "out.parquet", archive)


def test_an_old_file_stays_when_the_new_one_fails(csv_file: Write, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    out.write_text("old")
    refused(out, csv_file(HEADER, "1,0,5"))
    assert out.read_text() == "old"


def test_the_output_is_a_parquet_file(csv_file: Write, tmp_path: Path) -> None:
    assert "ends in .parquet" in refused(tmp_path / "out.csv", csv_file(HEADER, "1,0,5,9"))
    with pytest.raises(InputError, match="there is no folder"):
        imported(tmp_path / "no" / "out.parquet", csv_file(HEADER, "1,0,5,9"))


def test_two_files_of_transactions_are_one_too_many(csv_file: Write, tmp_path: Path) -> None:
    one, other = csv_file(HEADER, "1,0,5,9", name="a.csv"), csv_file(HEADER, "1,0,5,9", name="b.csv")
    assert "several files of transactions" in refused(tmp_path / "out.parquet", one, other)
