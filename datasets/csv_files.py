"""CSV files, plain or in a zip archive, read as a stream of record batches.

Purpose: find the CSV files behind a path, read them block by block with pyarrow, and turn every way
in which they can be broken into one sentence with the file, the line and the column.

Not here: which columns are wanted (the caller names their types), parquet (`files`).
"""

from __future__ import annotations

import codecs
import csv
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

import pyarrow as pa
from pyarrow import csv as pa_csv

from datasets import ieee_cis
from sentinel_cli.errors import InputError

Advance = Callable[[int], None]  # told how many bytes were read

# 8 MB are some 8,000 rows of the full file: large enough for two threads, small enough that the
# few blocks that are read ahead do not matter.
_BLOCK_BYTES = 8 << 20
_SHOWN = 40  # characters of a broken value


def nothing(_: int) -> None:
    """For callers that show no progress."""


@dataclass(frozen=True)
class Csv:
    """One CSV file: at ``path``, or the ``member`` of the zip archive there. ``size`` in bytes."""

    path: Path
    size: int
    member: str = ""

    @property
    def name(self) -> str:
        return f"{self.member} in {self.path}" if self.member else str(self.path)

    @contextmanager
    def open(self, advance: Advance = nothing) -> Iterator[io.RawIOBase]:
        """The file's bytes. Raises InputError where the archive is damaged or encrypted."""
        try:
            if not self.member:
                with self.path.open("rb") as file:
                    yield _Counted(file, advance)
                return
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as file:
                yield _Counted(file, advance)
        except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError) as error:
            raise InputError(f"{self.name} cannot be unpacked: {error}; download it again.") from error

    def header(self) -> list[str]:
        """The names of the columns. Raises InputError for an empty file, and for the same name twice."""
        with self.open() as file:
            first = io.BufferedReader(file).readline()
        names = _values(first.removeprefix(codecs.BOM_UTF8))
        if not names:
            raise InputError(f"{self.name} is empty: it has no header and no rows.")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(f"{self.name} names the column {twice[0]!r} twice: rename one of them.")
        return names


class _Counted(io.RawIOBase):
    """A file that tells how much was read of it."""

    def __init__(self, file: IO[bytes], advance: Advance) -> None:
        self._file, self._advance = file, advance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._advance(len(data))
        return len(data)

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._advance(len(data))
        return data


def found(path: Path) -> list[Csv]:
    """The CSV files at ``path``: the file itself, those in a zip archive, or those of a folder.

    Raises InputError when there is none.
    """
    if path.is_dir():
        inside = [each for each in sorted(path.iterdir()) if each.suffix.lower() in {".csv", ".zip"}]
        files = [file for each in inside for file in found(each)]
        return files or _refuse(f"the folder {path} holds no .csv and no .zip file.")
    if not path.exists():
        raise InputError(f"{path} does not exist.")
    if not _is_zip(path):
        return [Csv(path, path.stat().st_size)]
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if m.filename.lower().endswith(".csv")]
    except zipfile.BadZipFile as error:
        raise InputError(f"{path} is no complete zip archive ({error}): download it again.") from error
    files = [Csv(path, member.file_size, member.filename) for member in members]
    return files or _refuse(f"the archive {path} holds no .csv file.")


def reading(names: Sequence[str]) -> dict[str, pa.DataType]:
    """How each column is read: the numbers of IEEE-CIS as float64, the rest as text."""
    number = {name: ieee_cis.canonical(name) in ieee_cis.NUMBERS for name in names}
    return {name: pa.float64() if is_number else pa.string() for name, is_number in number.items()}


def batches(
    source: Csv,
    types: Mapping[str, pa.DataType],
    columns: Sequence[str] = (),
    advance: Advance = nothing,
) -> Iterator[pa.RecordBatch]:
    """The file block by block; of ``columns`` alone if any are named.

    A column takes the type it has in ``types``, else the one that its first block suggests. An empty
    value, `NaN` and the like are null, in text too. Raises InputError.
    """
    broken: list[Any] = []

    def note(row: Any) -> str:
        broken.append(row)
        return "error"

    with source.open(advance) as file:
        try:
            yield from pa_csv.open_csv(
                pa.PythonFile(file, mode="r"),
                read_options=pa_csv.ReadOptions(block_size=_BLOCK_BYTES),
                parse_options=pa_csv.ParseOptions(invalid_row_handler=note),
                convert_options=pa_csv.ConvertOptions(
                    column_types=dict(types), strings_can_be_null=True, include_columns=list(columns)
                ),
            )
        except pa.ArrowInvalid as error:
            raise _explained(source, str(error), broken) from error


def _explained(source: Csv, said: str, broken: list[Any]) -> InputError:
    if broken:
        row = broken[0]
        text = row.text.encode()
        line = _line(source, lambda each: each.rstrip(b"\r\n") == text)
        return InputError(
            f"{source.name}, line {line}: {row.actual_columns} values where the header names "
            f"{row.expected_columns}; the row is broken, or the file was cut off there."
        )
    if "CSV conversion error" not in said:
        return InputError(
            f"{source.name} is no CSV file that can be read: {said.removeprefix('CSV parse error: ')}."
        )
    column = int(said.partition("column #")[2].partition(":")[0])
    name = source.header()[column]
    if "invalid UTF8" in said:
        return InputError(
            f"{source.name}, column {name}: a value is not UTF-8; convert the file, as with iconv."
        )
    value = said.partition("invalid value '")[2].removesuffix("'")
    line = _line(
        source, lambda each: value.encode() in each and _values(each)[column : column + 1] == [value]
    )
    return InputError(
        f"{source.name}, line {line}, column {name}: {value[:_SHOWN]!r} is no number; "
        "write numbers as 1234.50, and nothing where there is none."
    )


def _line(source: Csv, wanted: Callable[[bytes], bool]) -> int:
    """The number of the first line that is ``wanted``; 0 if a line break inside quotes hides it."""
    with source.open() as file:
        return next((n for n, line in enumerate(io.BufferedReader(file), 1) if wanted(line)), 0)


def _values(line: bytes) -> list[str]:
    return next(csv.reader([line.decode(errors="replace")]), [])


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _refuse(sentence: str) -> NoReturn:
    raise InputError(sentence)
