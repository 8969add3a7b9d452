"""A data file, parquet or CSV, opened for reading single columns; and files written whole or not at all.

Purpose: what reads a user's file (describe, analyze, replay) sees one interface and gets one sentence
when the file is not what it should be.

Not here: what the columns mean (`mapping`), turning CSV into parquet (`importing`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import parquet

from datasets import columns, csv_files
from datasets.csv_files import Csv
from datasets.mapping import TimeColumn
from sentinel_cli.errors import InputError

_PARQUET = b"PAR1"


class DataFile:
    """A file of transactions. ``names`` are its columns, in order; ``size`` is in bytes.

    Raises InputError when ``path`` is no parquet or CSV file, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._csv: Csv | None = None
        if _is_parquet(path):
            self._parquet = _opened(path)
            self.names: list[str] = list(self._parquet.schema_arrow.names)
        else:
            self._csv = _only(path)
            self.names = self._csv.header()
        self.size = path.stat().st_size
        self._loaded: pa.Table | None = None

    @property
    def is_csv(self) -> bool:
        return self._csv is not None

    @property
    def footer(self) -> parquet.FileMetaData:
        """Of a parquet file alone."""
        return self._parquet.metadata

    @property
    def schema(self) -> pa.Schema:
        """Of a parquet file alone."""
        return self._parquet.schema_arrow

    @property
    def rows(self) -> int:
        return int(self._loaded.num_rows if self._loaded is not None else self.footer.num_rows)

    def load(self, names: Sequence[str]) -> None:
        """Keep these columns of a CSV file in memory: reading a single one means parsing all of it."""
        if self.is_csv:
            self._loaded = self.read(names)

    def read(self, names: Sequence[str]) -> pa.Table:
        """These columns of every row. Raises InputError when the file has no row or is damaged."""
        if self._loaded is not None:
            return self._loaded.select(names)
        table = self._read_csv(names) if self._csv else self._read_parquet(names)
        if not table.num_rows:
            raise InputError(f"{self.path} has no rows.")
        return table

    def column(self, name: str) -> pa.ChunkedArray:
        return self.read([name])[name]

    def where(self, name: str) -> str:
        """How a sentence about a column begins."""
        return f"{self.path}, column {name},"

    def labels(self, name: str) -> npt.NDArray[np.int8]:
        return columns.labels(self.column(name), self.where(name))

    def times(self, how: TimeColumn) -> columns.Ints:
        return columns.times(self.column(how.column), how, self.where(how.column))

    def _read_parquet(self, names: Sequence[str]) -> pa.Table:
        try:
            return self._parquet.read(list(names))
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self.path} is damaged: {_first_line(error)}.") from error

    def _read_csv(self, names: Sequence[str]) -> pa.Table:
        assert self._csv
        whole = list(csv_files.batches(self._csv, csv_files.reading(self.names), names))
        return pa.Table.from_batches(whole) if whole else pa.table({name: pa.nulls(0) for name in names})


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; becomes ``path`` at the end, or is gone if that fails."""
    beside = path.with_name(f".{path.name}.new")
    if not path.parent.is_dir():
        raise InputError(f"{path} cannot be written: there is no folder {path.parent}.")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _opened(path: Path) -> parquet.ParquetFile:
    try:
        return parquet.ParquetFile(path, memory_map=True)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is no complete parquet file: {_first_line(error)}.") from error


def _is_parquet(path: Path) -> bool:
    """By its first bytes, or by its name where those are gone."""
    if not path.exists():
        raise InputError(f"{path} does not exist.")
    if path.is_dir():
        raise InputError(f"{path} is a folder: name one file in it.")
    with path.open("rb") as file:
        return file.read(len(_PARQUET)) == _PARQUET or path.suffix == ".parquet"


def _only(path: Path) -> Csv:
    found = csv_files.found(path)
    if len(found) > 1:
        names = ", ".join(each.member for each in found)
        raise InputError(f"{path} holds several files ({names}): unpack the one you mean.")
    return found[0]


def _first_line(error: Any) -> str:
    return str(error).splitlines()[0].rstrip(".")
