"""Everything that `sentinel analyze` computes of a file, and nothing that was known before.

Purpose: one pass over the columns, one value that says it all; tables, JSON, the report and the
comparison of two files render that value.

Design: columns are read some at a time and judged by threads; nothing but the columns at hand, the
labels, times, amounts and user ids is in memory.

Not here: rendering (`commands.analyze`, `report`), comparing (`comparing`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datasets import breakdown, columns, entity, mapping, strength, users
from datasets.breakdown import Labelled, Row
from datasets.columns import Floats, Ints
from datasets.files import DataFile
from datasets.mapping import Mapping
from datasets.strength import Strength
from datasets.users import Users

Bools = npt.NDArray[np.bool_]
Advance = Callable[[int], None]

_AT_A_TIME = 16  # columns of a parquet file
# What breakdowns by value there are, by the field of a transaction.
FIELDS = {
    "product_code": "product",
    "card_network": "card_network",
    "card_type": "card_type",
    "email_domain": "email_domain",
    "device_type": "device_type",
    "device_id": "device",
    "merchant_category": "merchant_category",
    "country": "country",
}
# Edges of the amounts' histogram: twelve a decade from a tenth of a unit to a hundred thousand.
HISTOGRAM_EDGES = np.concatenate([[0.0], 10.0 ** np.arange(-1, 5 + 1 / 24, 1 / 12), [np.inf]])


@dataclass(frozen=True)
class Amounts:
    """Of some transactions: ``quantiles`` by name, and ``histogram`` between HISTOGRAM_EDGES."""

    transactions: int
    total: float
    mean: float
    sd: float
    quantiles: dict[str, float]
    max: float
    histogram: list[int]


@dataclass(frozen=True)
class Analysis:
    """What was found; None where the file does not have what it would take, and ``notes`` say so.

    ``by`` has the breakdowns by name ("hour", "amount_band", "product"); times are microseconds since
    1970; ``strongest`` has every column that can tell, the best first.
    """

    file: Path
    kind: str
    transactions: int
    features: int
    bytes: int
    frauds: int | None
    fraud_rate: float | None
    first_time: int | None
    last_time: int | None
    by: dict[str, list[Row]]
    by_day: list[Row]
    amounts: dict[str, Amounts]
    missing: dict[str, float]
    strongest: list[Strength]
    users: Users | None
    notes: list[str]


@dataclass(frozen=True)
class _Known:
    """The columns that everything else is seen through, by row."""

    file: DataFile
    mapping: Mapping
    fraud: Bools | None
    times: Ints | None
    amounts: Floats | None

    @property
    def labelled(self) -> Labelled:
        return Labelled(self.fraud)


def analyze(path: Path, mapping_name: str | None = None, advance: Advance = lambda _: None) -> Analysis:
    """Analyze a parquet or CSV file. ``advance`` is told of columns. Raises InputError."""
    file = DataFile(path)
    file.load(file.names)
    known = _known(file, mapping.known(file.names, mapping_name, path))
    missing, strongest, rows = _every_column(known, advance)
    found, notes = _users(known)
    frauds = None if known.fraud is None else int(known.fraud.sum())
    return Analysis(
        file=path,
        kind=known.mapping.title,
        transactions=rows,
        features=len(file.names),
        bytes=file.size,
        frauds=frauds,
        fraud_rate=None if frauds is None else frauds / rows,
        first_time=None if known.times is None else int(known.times.min()),
        last_time=None if known.times is None else int(known.times.max()),
        by=dict(_breakdowns(known)),
        by_day=[] if known.times is None else breakdown.by_day(known.times, known.labelled),
        amounts=_amounts(known),
        missing=missing,
        strongest=strongest,
        users=found,
        notes=[*_notes(known), *notes],
    )


def columns_to_read(path: Path) -> int:
    """How many columns ``analyze`` will tell ``advance`` about."""
    return len(DataFile(path).names)


def _known(file: DataFile, which: Mapping) -> _Known:
    label, time, amount = which.label.is_fraud, which.time.column, which.columns.amount
    there = set(file.names)
    fraud = file.labels(label) if label in there else None
    return _Known(
        file,
        which,
        None if fraud is None or (fraud == columns.NO_LABEL).all() else fraud == 1,
        file.times(which.time) if time in there else None,
        columns.numbers(file.column(amount), file.where(amount)) if amount in there else None,
    )


def _breakdowns(known: _Known) -> Iterator[tuple[str, list[Row]]]:
    if known.times is not None:
        yield "hour", breakdown.by_hour(known.times, known.labelled)
        yield "weekday", breakdown.by_weekday(known.times, known.labelled)
    if known.amounts is not None:
        yield "amount_band", breakdown.by_amount(known.amounts, known.labelled)
    for field, name in FIELDS.items():
        column = known.mapping.fields.get(field)
        if column in known.file.names:
            yield name, breakdown.by_value(known.file.column(column), known.labelled)


def _amounts(known: _Known) -> dict[str, Amounts]:
    if known.amounts is None:
        return {}
    every = np.ones(len(known.amounts), np.bool_)
    parts = (
        {"all": every}
        if known.fraud is None
        else {"all": every, "fraud": known.fraud, "honest": ~known.fraud}
    )
    return {name: _amounts_of(known.amounts[part]) for name, part in parts.items()}


def _amounts_of(amounts: Floats) -> Amounts:
    there = amounts[~np.isnan(amounts)]
    some = len(there) > 0
    return Amounts(
        transactions=len(there),
        total=float(there.sum()),
        mean=float(there.mean()) if some else 0.0,
        sd=float(there.std()) if some else 0.0,
        quantiles=users.quantiles(there),
        max=float(there.max()) if some else 0.0,
        histogram=np.histogram(there, HISTOGRAM_EDGES)[0].tolist(),
    )


def _every_column(known: _Known, advance: Advance) -> tuple[dict[str, float], list[Strength], int]:
    """The share of missing values by column, and how well each one tells, the best first."""
    file, rows = known.file, 0
    missing: dict[str, float] = {}
    strengths: list[Strength | None] = []
    judged = set(file.names) - known.mapping.answers()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for first in range(0, len(file.names), _AT_A_TIME):
            names = file.names[first : first + _AT_A_TIME]
            table = file.read(names)
            rows = len(table)
            missing |= {name: columns.missing(table[name]) / rows for name in names}
            wanted = [name for name in names if name in judged]
            strengths += threads.map(lambda name, t=table: _judged(name, t[name], known.fraud), wanted)
            advance(len(names))
    found = [each for each in strengths if each]
    return missing, sorted(found, key=lambda s: (-s.auc, s.column)), rows


def _judged(name: str, column: pa.ChunkedArray, fraud: Bools | None) -> Strength | None:
    natural = columns.natural(column)
    return None if fraud is None or natural is None else strength.judge(name, natural, fraud)


def _users(known: _Known) -> tuple[Users | None, list[str]]:
    if known.times is None:
        return None, []
    lacking = [
        name for name in known.mapping.lacking(known.file.names) if name != known.mapping.columns.amount
    ]
    if lacking:
        return None, [f"Without {', '.join(lacking)} nothing says who the users are."]
    key = entity.choose(known.file, known.mapping)
    ids = entity.ids(known.file, known.mapping, key, known.times)
    return users.count(key, ids, known.times, known.fraud), [
        f"{key.note[0].upper()}{key.note[1:]}"
    ] if key.note else []


def _notes(known: _Known) -> Iterable[str]:
    """What is missing, and what that costs."""
    which, there = known.mapping, set(known.file.names)
    if known.fraud is None:
        yield f"Without {which.label.is_fraud or 'labels'} there are no fraud rates and no strongest columns."
    if known.times is None:
        yield f"Without {which.time.column} there is no time span, and nothing by hour, weekday or user."
    elif which.assumes_origin:
        origin = f"{which.time.origin:%Y-%m-%d}"
        yield f"{which.time.column} counts from {origin}, which is assumed; weekdays follow from it."
    if known.amounts is None:
        yield f"Without {which.columns.amount} there is nothing by amount."
    absent = [
        f"{name} ({which.fields[f]})"
        for f, name in FIELDS.items()
        if which.fields.get(f, "") not in {"", *there}
    ]
    if absent:
        yield f"Nothing by {', '.join(absent)}: the file does not have these columns."
