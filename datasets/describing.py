"""What a file is, before anything is computed with it: kind, rows, columns, what is missing.

Purpose: `sentinel datasets describe`. A parquet file's footer answers most of it; a CSV file is read
once, in a stream.

Not here: statistics of what the columns hold (`analysis`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from datasets import csv_files, ieee_cis, mapping, truth
from datasets.csv_files import Advance, nothing
from datasets.files import DataFile
from datasets.mapping import Mapping
from sentinel_cli.errors import InputError

OTHER = "other"


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    missing: float  # share of rows


@dataclass(frozen=True)
class GroupOfColumns:
    """``missing`` are columns that the file does not have; ``empty`` is the mean share of missing values."""

    name: str
    meaning: str
    columns: int
    types: list[str]
    empty: float
    missing: list[str]


@dataclass(frozen=True)
class Description:
    file: Path
    format: str
    bytes: int
    kind: str | None
    rows: int
    columns: int
    first_time: int | None  # microseconds since 1970
    last_time: int | None
    frauds: int | None
    scenarios: list[str]
    groups: list[GroupOfColumns]
    costs: list[str]
    every_column: list[Column]


def describe(path: Path, advance: Advance = nothing) -> Description:
    """Read what there is to know. ``advance`` is told of bytes. Raises InputError."""
    file = DataFile(path)
    rows, every = _csv_columns(file, advance) if file.is_csv else _parquet_columns(file)
    if not rows:
        raise InputError(f"{path} has no rows.")
    kind = mapping.recognized(file.names)
    first, last = _span(file, kind)
    known = None if file.is_csv else truth.read(file.schema.metadata)
    return Description(
        file=path,
        format="CSV" if file.is_csv else "parquet",
        bytes=file.size,
        kind=kind.title if kind else None,
        rows=rows,
        columns=len(every),
        first_time=first,
        last_time=last,
        frauds=_frauds(file, kind),
        scenarios=known.names if known else [],
        groups=list(_groups(every, kind)),
        costs=costs(file.names, kind),
        every_column=every,
    )


def costs(names: Iterable[str], kind: Mapping | None) -> list[str]:
    """What cannot be done with a file of these columns, a sentence each."""
    there = set(names)
    if kind is None:
        return ["No known kind of file: analyze and replay need a --mapping that says which column is which."]
    said = []
    if lacking := kind.lacking(there):
        said.append(f"Without {', '.join(lacking)} it cannot be replayed.")
    if kind.label.is_fraud not in there:
        said.append(
            f"Without {kind.label.is_fraud or 'labels'} there are no fraud rates, and replay sends no labels."
        )
    absent = [column for column in kind.user.columns if column not in there]
    if absent and not lacking:
        used = [column for column in kind.user.otherwise if column in there]
        said.append(
            f"Without {', '.join(absent)} a user is {', '.join(used)}: several people may share that."
        )
    fields = [
        f"{column} ({field})"
        for field, column in kind.fields.items()
        if column not in there and field != "amount"
    ]
    if fields:
        said.append(f"These fields of a transaction stay empty: {', '.join(fields)}.")
    return said


def _parquet_columns(file: DataFile) -> tuple[int, list[Column]]:
    """From the footer; a column without statistics there is read."""
    footer, rows = file.footer, file.footer.num_rows
    leaves = {footer.schema.column(at).path: at for at in range(footer.num_columns)}
    found = []
    for field in file.schema:
        nulls = _nulls(footer, leaves.get(field.name))
        nulls = file.column(field.name).null_count if nulls is None else nulls
        found.append(Column(field.name, _type(field.type), nulls / max(rows, 1)))
    return rows, found


def _nulls(footer: parquet.FileMetaData, leaf: int | None) -> int | None:
    """How many nulls a column has, or None if the footer does not say."""
    if leaf is None:
        return None
    chunks = [footer.row_group(group).column(leaf).statistics for group in range(footer.num_row_groups)]
    told = all(chunk is not None and chunk.has_null_count for chunk in chunks)
    return sum(chunk.null_count for chunk in chunks) if told else None


def _csv_columns(file: DataFile, advance: Advance) -> tuple[int, list[Column]]:
    nulls, rows = np.zeros(len(file.names), np.int64), 0
    types = csv_files.reading(file.names)
    for block in csv_files.batches(csv_files.found(file.path)[0], types, advance=advance):
        rows += len(block)
        nulls += [column.null_count for column in block.columns]
    shares = nulls / max(rows, 1)
    return rows, [Column(n, _type(types[n]), float(s)) for n, s in zip(file.names, shares, strict=True)]


def _type(type_: pa.DataType) -> str:
    return "text" if pa.types.is_dictionary(type_) or pa.types.is_string(type_) else str(type_)


def _groups(every: list[Column], kind: Mapping | None) -> Iterable[GroupOfColumns]:
    """The groups of IEEE-CIS for such a file; for every other, one of all columns."""
    by_name = {ieee_cis.canonical(column.name): column for column in every}
    if kind == mapping.load("ieee_cis"):
        absent = ieee_cis.missing(by_name)
        for group in ieee_cis.GROUPS:
            there = [by_name.pop(name) for name in group.columns if name in by_name]
            yield _group(group.name, group.meaning, there, absent.get(group.name, []))
    if by_name:
        yield _group(OTHER, "columns of no known meaning" if kind else "", list(by_name.values()), [])


def _group(name: str, meaning: str, there: list[Column], absent: list[str]) -> GroupOfColumns:
    empty = sum(column.missing for column in there) / len(there) if there else 1.0
    return GroupOfColumns(name, meaning, len(there), sorted({column.type for column in there}), empty, absent)


def _span(file: DataFile, kind: Mapping | None) -> tuple[int | None, int | None]:
    if kind is None or kind.time.column not in file.names:
        return None, None
    times = file.times(kind.time)
    return int(times.min()), int(times.max())


def _frauds(file: DataFile, kind: Mapping | None) -> int | None:
    name = kind.label.is_fraud if kind else ""
    if name not in file.names:
        return None
    return int((file.labels(name) == 1).sum())
