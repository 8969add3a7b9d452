"""IEEE-CIS's CSV files into one parquet: streamed, identities joined, columns as small as their values.

Purpose: `sentinel datasets import`.

Design: the file is read twice. The first time finds what each column holds, so that the second can
write it with the smallest type that loses nothing: whole numbers as the narrowest integer, with nulls
for what is missing; amounts and columns of unknown origin as float64; other decimals as float32, which
keeps seven digits; text as a dictionary. Only one row group of rows is ever in memory.

Not here: how CSV is read (`csv_files`), which columns the competition has (`ieee_cis`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute, parquet

from datasets import csv_files, ieee_cis
from datasets.csv_files import Advance, Csv, nothing
from datasets.files import replacing
from sentinel_cli.errors import InputError

# Rows of a row group: at 434 columns some 100 MB before they are compressed.
ROW_GROUP = 65_536
COMPRESSION = "zstd"
DICTIONARY = pa.dictionary(pa.int32(), pa.string())

_INTEGERS = (pa.int8(), pa.int16(), pa.int32(), pa.int64())
_EXACT = 2.0**53  # whole numbers beyond this are not exact in float64
_LEADING_ZERO = r"^-?0\d"  # such digits are a code, not a number


@dataclass(frozen=True)
class Imported:
    """What became of the files. ``missing`` columns by group; ``unknown`` ones were kept."""

    file: Path
    transactions: str
    identity: str | None
    rows: int
    columns: int
    identities: int  # rows that have one
    missing: dict[str, list[str]]
    unknown: list[str]
    bytes: int
    elapsed_s: float


@dataclass(frozen=True)
class Pair:
    """A file of transactions, and the one of their identities where there is one."""

    transactions: Csv
    identity: Csv | None

    @property
    def size(self) -> int:
        """Bytes that an import reads."""
        return 2 * self.transactions.size + (self.identity.size if self.identity else 0)


def pair(paths: Sequence[Path]) -> Pair:
    """Which of these files, or of those in a folder or archive, are transactions, and which identities.

    A labelled file goes before one without labels. Identities beside a single file are found by their
    name. Raises InputError when there is no file of transactions, or no telling which.
    """
    headers = {source: _names(source) for path in paths for source in csv_files.found(path)}
    transactions = [s for s, names in headers.items() if {*names} & {*ieee_cis.TRANSACTION_COLUMNS[2:]}]
    labelled = [s for s in transactions if ieee_cis.LABEL in headers[s]]
    chosen = labelled or transactions
    if not chosen:
        raise InputError(
            f"{', '.join(map(str, paths))} has none of the columns of IEEE-CIS: a file of transactions has "
            f"{', '.join(ieee_cis.KEY.columns)} and more."
        )
    if len(chosen) > 1:
        raise InputError(
            f"There are several files of transactions: name {' or '.join(s.name for s in chosen)}."
        )
    others = [
        s
        for s, names in headers.items()
        if s not in transactions and {*names} & {*ieee_cis.IDENTITY_COLUMNS[1:]}
    ]
    return Pair(chosen[0], _identity(chosen[0], others))


def run(files: Pair, out: Path, advance: Advance = nothing) -> Imported:
    """Write ``out``, all of it or nothing. Raises InputError for a broken file, with its line."""
    started = time.perf_counter()
    if out.suffix != ".parquet":
        raise InputError(f"The last path is the file to write and ends in .parquet, which {out} does not.")
    identity = _Identity(files.identity, advance) if files.identity else None
    layout = _layout(files.transactions, advance)
    names = [*layout, *(identity.columns if identity else ())]
    with replacing(out) as beside:
        rows = _write(beside, _joined(files.transactions, layout, identity, advance))
    return Imported(
        file=out,
        transactions=files.transactions.name,
        identity=files.identity.name if files.identity else None,
        rows=rows,
        columns=len(names),
        identities=identity.matched if identity else 0,
        missing=ieee_cis.missing(names),
        unknown=[name for name in names if name not in ieee_cis.COLUMNS],
        bytes=out.stat().st_size,
        elapsed_s=round(time.perf_counter() - started, 3),
    )


def _identity(transactions: Csv, others: list[Csv]) -> Csv | None:
    """The identities that belong to these transactions, by their name, or the only ones there are."""
    name = (transactions.member or transactions.path.name).replace("transaction", "identity")
    named = [other for other in others if (other.member or other.path.name) == name]
    if named or len(others) == 1:
        return (named or others)[0]
    beside = transactions.path.with_name(transactions.path.name.replace("transaction", "identity"))
    if not others and beside != transactions.path and beside.exists():
        return csv_files.found(beside)[0]
    return None


def _names(source: Csv) -> list[str]:
    return [ieee_cis.canonical(name) for name in source.header()]


@dataclass
class _Range:
    """What a column was seen to hold: numbers between two bounds, or text."""

    known: bool
    text: bool = False
    low: float = np.inf
    high: float = -np.inf
    whole: bool = True
    values: int = 0

    def see(self, column: pa.Array) -> None:
        self.values += len(column) - column.null_count
        if self.text or column.null_count == len(column):
            return
        if pa.types.is_string(column.type):
            column = _numbers(column)
            if column is None:
                self.text = True
                return
        numbers = column.drop_null().to_numpy()
        self.low, self.high = min(self.low, numbers.min()), max(self.high, numbers.max())
        self.whole = self.whole and bool((numbers == np.rint(numbers)).all())

    def type(self, name: str) -> pa.DataType:
        """The smallest type for all of it; an empty column of unknown origin stays text."""
        if self.text or (not self.known and not self.values):
            return DICTIONARY if self.known else pa.string()
        if not self.whole:
            return pa.float32() if self.known and name != ieee_cis.AMOUNT else pa.float64()
        if name == ieee_cis.AMOUNT:
            return pa.float64()
        fits = (t for t in _INTEGERS if max(-self.low - 1, self.high) < 2.0 ** (t.bit_width - 1))
        return next(fits, pa.float64()) if self.values else pa.int8()


def _numbers(text: pa.Array) -> pa.Array | None:
    """Text as float64, or None where a value is no number, or digits that a number would not keep."""
    if compute.any(compute.match_substring_regex(text, _LEADING_ZERO)).as_py():
        return None
    try:
        numbers = text.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    large = compute.max(compute.abs(numbers)).as_py()
    return None if large is not None and large > _EXACT else numbers


def _ranges(source: Csv, blocks: Iterator[pa.RecordBatch]) -> tuple[dict[str, _Range], int]:
    """What every column holds, and how many rows there are. Raises InputError for labels that are none."""
    ranges = {
        name: _Range(known=name in ieee_cis.COLUMNS, text=name in ieee_cis.TEXT) for name in _names(source)
    }
    rows = 0
    for block in blocks:
        rows += len(block)
        for seen, column in zip(ranges.values(), block.columns, strict=True):
            seen.see(column)
    label = ranges.get(ieee_cis.LABEL)
    if label and label.values and not (label.whole and label.low >= 0 and label.high <= 1):
        raise InputError(
            f"{source.name}, column {ieee_cis.LABEL}: labels are 0 and 1, "
            f"and these go from {label.low:g} to {label.high:g}."
        )
    if not rows:
        raise InputError(f"{source.name} has a header and no rows.")
    return ranges, rows


def _layout(source: Csv, advance: Advance) -> dict[str, pa.DataType]:
    ranges, _ = _ranges(
        source, csv_files.batches(source, csv_files.reading(source.header()), advance=advance)
    )
    return {name: seen.type(name) for name, seen in ranges.items()}


def _typed(block: pa.RecordBatch | pa.Table, layout: Mapping[str, pa.DataType]) -> pa.Table:
    """A block as it was read, with the names and types that are written."""
    columns = [
        _converted(column, block.schema.types[at], wanted)
        for at, (column, wanted) in enumerate(zip(block.columns, layout.values(), strict=True))
    ]
    return pa.table(columns, names=list(layout))


def _converted(column: Any, read: pa.DataType, wanted: pa.DataType) -> Any:
    if pa.types.is_dictionary(wanted):
        return column.dictionary_encode()
    if pa.types.is_string(read) and not pa.types.is_string(wanted):
        column = column.cast(pa.float64())
    # float64 to float32 rounds, which is meant; to an integer it was seen to be exact.
    return column.cast(wanted, safe=not pa.types.is_floating(wanted))


@dataclass
class _Identity:
    """The identities, in memory. Of two for one transaction the first counts."""

    source: Csv
    advance: Advance
    columns: list[str] = field(init=False)
    matched: int = 0

    def __post_init__(self) -> None:
        reading = csv_files.reading(self.source.header())
        blocks = list(csv_files.batches(self.source, reading, advance=self.advance))
        ranges, _ = _ranges(self.source, iter(blocks))
        layout = {name: seen.type(name) for name, seen in ranges.items()}
        if ieee_cis.ID not in layout:
            raise InputError(
                f"{self.source.name} has no column {ieee_cis.ID}, which says whose identity a row is."
            )
        table = _typed(pa.Table.from_batches(blocks), layout).combine_chunks()
        ids = table[ieee_cis.ID].to_numpy()
        self._sorted, first = np.unique(ids, return_index=True)
        self._table = table.drop_columns([ieee_cis.ID]).take(first)
        self.columns = self._table.column_names

    def of(self, ids: np.ndarray[Any, Any]) -> pa.Table:
        """The identity of each transaction, nulls where it has none."""
        at = np.minimum(np.searchsorted(self._sorted, ids), len(self._sorted) - 1)
        there = self._sorted[at] == ids
        self.matched += int(there.sum())
        return self._table.take(pa.array(at, mask=~there))


def _joined(
    source: Csv, layout: Mapping[str, pa.DataType], identity: _Identity | None, advance: Advance
) -> Iterator[pa.Table]:
    if identity and ieee_cis.ID not in layout:
        raise InputError(f"{source.name} has no column {ieee_cis.ID}, so its identities cannot be joined.")
    for block in csv_files.batches(source, csv_files.reading(source.header()), advance=advance):
        table = _typed(block, layout)
        if identity:
            more = identity.of(table[ieee_cis.ID].to_numpy())
            for name in identity.columns:
                table = table.append_column(name, more[name])
        yield table


def _write(path: Path, tables: Iterator[pa.Table]) -> int:
    """Write row groups of ROW_GROUP rows; returns the number of rows."""
    waiting: list[pa.Table] = []
    writer: parquet.ParquetWriter | None = None
    rows = held = 0
    try:
        for table in tables:
            writer = writer or parquet.ParquetWriter(path, table.schema, compression=COMPRESSION)
            waiting.append(table)
            held, rows = held + len(table), rows + len(table)
            if held >= ROW_GROUP:
                writer.write_table(pa.concat_tables(waiting), row_group_size=held)
                waiting, held = [], 0
        if writer and waiting:
            writer.write_table(pa.concat_tables(waiting), row_group_size=held)
    finally:
        if writer:
            writer.close()
    return rows
