"""A file's transactions in the order in which they happened, field by field as the pipeline knows them.

    events = read(path, Reading(features=("C*", "V*")))

Purpose: what replays a file and what scores one offline read it here, and so they see the same users,
times and numbers.

Not here: JSON and Kafka (`sentinel_cli.streaming.replaying`), scoring.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datasets import columns, entity, mapping, truth
from datasets.columns import Floats, Ints
from datasets.files import DataFile
from datasets.mapping import Mapping
from sentinel_cli.errors import InputError

DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True)
class Reading:
    """How a file is read: ``mapping`` by name or path, else recognized; ``entity`` as columns with
    commas, else the mapping's; ``origin`` in microseconds since 1970; ``features`` as patterns, "C*"."""

    mapping: str | None = None
    entity: str | None = None
    origin: int | None = None
    features: tuple[str, ...] = ()


@dataclass(frozen=True)
class Events:
    """Entry i of everything belongs to transaction i. ``time`` rises, in microseconds since 1970.

    ``row`` is the row of the file; ``texts`` are the other fields by name, with nulls; ``label`` is 0, 1
    or NO_LABEL; ``features`` has a column of numbers, with nulls, for each that was asked for. ``notes`` say
    what the file lacks and what stands in for it.
    """

    kind: str
    row: Ints
    time: Ints
    user: pa.Array
    transaction_id: pa.Array
    amount: Floats
    texts: dict[str, pa.Array]
    constants: dict[str, str]
    label: npt.NDArray[np.int8]
    scenario: pa.Array
    episode: pa.Array
    features: pa.Table
    notes: list[str]

    def __len__(self) -> int:
        return len(self.row)

    def part(self, first: int, last: int) -> Events:
        """Those from ``first`` to before ``last``; nothing is copied."""
        return self._each(lambda array: array[first:last], lambda column: column.slice(first, last - first))

    def take(self, which: Ints) -> Events:
        """Those at these indices."""
        return self._each(lambda array: array[which], lambda column: column.take(pa.array(which)))

    def between(self, start: int | None, until: int | None) -> Events:
        """Those that happen at ``start`` or later, and before ``until``."""
        first = 0 if start is None else int(np.searchsorted(self.time, start))
        last = len(self) if until is None else int(np.searchsorted(self.time, until))
        return self.part(first, max(first, last))

    def _each(self, arrays: Callable[[Any], Any], columns: Callable[[Any], Any]) -> Events:
        """The same change to everything that has an entry a transaction."""
        return replace(
            self,
            row=arrays(self.row),
            time=arrays(self.time),
            amount=arrays(self.amount),
            label=arrays(self.label),
            user=columns(self.user),
            transaction_id=columns(self.transaction_id),
            texts={name: columns(column) for name, column in self.texts.items()},
            scenario=columns(self.scenario),
            episode=columns(self.episode),
            features=columns(self.features),
        )


def read(path: Path, how: Reading) -> Events:
    """Read what a transaction is made of. Raises InputError, saying what the file lacks or what is wrong."""
    file = DataFile(path)
    which = mapping.needed(file.names, how.mapping, path)
    key = entity.choose(file, which, how.entity)
    names = _features(file, which, how.features)
    file.load(sorted({*which.named(), *key.columns, *names} & set(file.names)))
    own = file.times(which.time)
    order = np.argsort(own, kind="stable")
    amount = columns.numbers(file.column(which.columns.amount), file.where(which.columns.amount))
    label = _labels(file, which)
    scenario, episode = _truth(file, which, len(own))
    moved = own + _shift(own, which, how.origin)
    there = {
        f: c for f, c in which.fields.items() if c in file.names and f not in {"amount", "transaction_id"}
    }
    features, left_out = _numbers(file, names)
    return Events(
        kind=which.title,
        row=order,
        time=moved[order],
        user=_ordered(entity.ids(file, which, key, own), order),
        transaction_id=_ordered(_transaction_ids(file, which, len(own)), order),
        amount=amount[order],
        texts={field: _ordered(columns.text(file.column(column)), order) for field, column in there.items()},
        constants={field: value for field, value in which.constants.items() if field not in there},
        label=label[order],
        scenario=_ordered(scenario, order),
        episode=_ordered(episode, order),
        features=features if _in_order(order) else features.take(pa.array(order)),
        notes=[*_notes(file, which, amount, moved, label), *left_out, *([key.note] if key.note else [])],
    )


def _ordered(column: pa.Array | pa.ChunkedArray, order: Ints) -> pa.Array:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return whole if _in_order(order) else whole.take(pa.array(order))


def _in_order(order: Ints) -> bool:
    return bool((order == np.arange(len(order))).all())


def _shift(own: Ints, which: Mapping, origin: int | None) -> int:
    """How far time is moved, so that what it counted from, or the first midnight, is at ``origin``."""
    if origin is None:
        return 0
    counted_from = (
        columns.microseconds(which.time.origin) if which.assumes_origin else int(own.min()) // DAY * DAY
    )
    return origin - counted_from


def _transaction_ids(file: DataFile, which: Mapping, rows: int) -> pa.Array | pa.ChunkedArray:
    """The file's own, else the number of the row."""
    name = which.columns.transaction_id
    if name in file.names:
        return columns.text(file.column(name))
    return pa.array(np.arange(rows)).cast(pa.string())


def _labels(file: DataFile, which: Mapping) -> npt.NDArray[np.int8]:
    name = which.label.is_fraud
    return file.labels(name) if name in file.names else np.full(file.rows, columns.NO_LABEL, np.int8)


def _truth(file: DataFile, which: Mapping, rows: int) -> tuple[pa.Array | pa.ChunkedArray, ...]:
    """Scenario and episode of each row, empty where none is known."""
    known = None if file.is_csv else truth.read(file.schema.metadata)
    if known:
        return tuple(pa.array(column, pa.string()) for column in known.columns(rows))
    found = []
    for name in (which.label.scenario, which.label.episode_id):
        there = name in file.names
        found.append(
            columns.text(file.column(name)).fill_null("") if there else pa.array([""] * rows, pa.string())
        )
    return tuple(found)


def _features(file: DataFile, which: Mapping, patterns: tuple[str, ...]) -> list[str]:
    """The columns that the patterns name, in the file's order; never one that tells the truth."""
    allowed = [name for name in file.names if name not in which.answers()]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in allowed):
            raise InputError(f"{file.path} has no column {pattern} to make a feature of.")
    return [name for name in allowed if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _numbers(file: DataFile, names: list[str]) -> tuple[pa.Table, list[str]]:
    """Those of the columns that are numbers, as small as the file has them; and what was left out."""
    table = file.read(names) if names else pa.table({})
    natural = {name: columns.natural(table[name]) for name in names}
    numbers = {
        n: columns.without_nan(c) for n, c in natural.items() if c is not None and not columns.is_text(c.type)
    }
    text = [name for name in names if name not in numbers]
    note = f"Features are numbers, so these columns are none: {', '.join(text)}."
    return pa.table(numbers), [note] if text else []


def _notes(
    file: DataFile, which: Mapping, amount: Floats, moved: Ints, label: npt.NDArray[np.int8]
) -> Iterator[str]:
    wrong = int((~(amount >= 0)).sum())
    if wrong:
        yield f"{wrong:,} amounts are missing or negative: `sentinel detect` makes dead letters of these."
    tomorrow = time.time_ns() // 1000 + DAY
    if ahead := int((moved > tomorrow).sum()):
        yield f"{ahead:,} transactions lie in the future, which `detect` refuses: move them with --origin."
    if (label == columns.NO_LABEL).all():
        yield f"{file.path} has no {which.label.is_fraud or 'labels'}, so there are no labels."
    absent = [f"{c} ({f})" for f, c in which.fields.items() if c not in file.names]
    if absent:
        yield f"These fields stay empty: {', '.join(absent)}."
