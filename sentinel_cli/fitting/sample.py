"""What a fit learns from and is judged on: a file's transactions, cut in two by time.

Purpose: one reading of the file, as `sentinel backtest` and `sentinel replay` read it, and the columns
that may become factors: the engine's own features, and those of the file's that were asked for.

Design: the engine itself makes the behavioural features in one pass in the order of time, each before
it learns from the transaction, so that nothing looks ahead. The file's columns stay as small as the
file has them, and become numbers one at a time.

Not here: what a column is worth (`binning`, `selecting`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from datasets import columns, events, mapping
from datasets.columns import Ints
from datasets.events import Reading
from datasets.files import DataFile
from profiles import layout
from sentinel_cli.backtesting import transactions as judged
from sentinel_cli.backtesting.transactions import Transactions
from sentinel_cli.engine import scorecard, scoring
from sentinel_cli.engine.features import NAMES, RECORD_PREFIX
from sentinel_cli.engine.scorecard import Scorecard
from sentinel_cli.errors import InputError
from sentinel_cli.fitting.binning import Bools, Floats

# The first part of time is learnt from, the rest judges.
FIRST_PART = 0.8
# While the file begins everybody is new, which no detector meets again: its first part only fills profiles.
WARM_UP = 0.1
# It grows with the file and not with the user, so later values mean something else than those learnt.
GROWING = "transactions_so_far"
# With fewer frauds than this in either part there is nothing to learn from, or nothing to judge on.
LEAST_FRAUDS = 5

Column = tuple[str, Floats]


@dataclass(frozen=True)
class Sample:
    """``transactions`` in the order of time, the first ``split`` of them to learn from.

    ``learn`` are the rows among these that are scored and have a label, after the warm-up; ``fraud``
    (len(learn),) is what they are; ``features`` are the file's own columns, with a row a transaction.
    """

    transactions: Transactions
    features: pa.Table
    split: int
    learn: Ints
    fraud: Bools

    @property
    def held_out(self) -> Ints:
        """The rows with a label that judge."""
        label = self.transactions.truth.label
        return self.split + np.flatnonzero(label[self.split :] != columns.NO_LABEL)

    @property
    def notes(self) -> list[str]:
        return self.transactions.notes

    @property
    def width(self) -> int:
        """How many of the file's columns may become factors."""
        return int(self.features.num_columns)

    def behaviour(self, card: Scorecard, threshold: float) -> Iterator[Column]:
        """The engine's features of the rows to learn from, with the alerts that ``card`` would raise."""
        seen, rows = _pass(self.scored_by(card), self.split, card, threshold)
        seen = seen[np.searchsorted(rows, self.learn)]
        yield from ((name, seen[:, at].copy()) for at, name in enumerate(NAMES) if name != GROWING)

    def of_file(self) -> Iterator[Column]:
        """The file's columns of the rows to learn from, each under the name that a factor has for it."""
        for name in self.features.column_names:
            yield RECORD_PREFIX + name, _numbers(self.features[name])[self.learn]

    def scored_by(self, card: Scorecard) -> Transactions:
        """All transactions with the columns that ``card`` names."""
        extra = {name: _numbers(self.features[name]) for name in card.record_features}
        return replace(self.transactions, extra=extra)


def read(path: Path, how: Reading) -> Sample:
    """Raises InputError where nothing can be learnt from ``path``."""
    found = events.read(path, how)
    position = pa.table({"position": np.arange(len(found))})
    transactions = judged.of_events(str(path), replace(found, features=position))
    features = found.features.drop_columns(_told_by_the_engine(path, how, found.features.column_names))
    if transactions.left_out:
        features = features.take(pa.array(transactions.extra["position"].astype(np.int64)))
    label = transactions.truth.label
    labelled = np.flatnonzero(label != columns.NO_LABEL)
    warm, split = (
        int(labelled[int(part * len(labelled))]) if len(labelled) else 0 for part in (WARM_UP, FIRST_PART)
    )
    _check(path, label[warm:split] == 1, label[split:] == 1)
    _, rows = _pass(transactions, split, scorecard.load(), math.inf)
    learn = rows[(label[rows] != columns.NO_LABEL) & (rows >= warm)]
    return Sample(transactions, features, split, learn, label[learn] == 1)


def _check(path: Path, first: Bools, last: Bools) -> None:
    for frauds, part in ((int(first.sum()), "the part to learn from"), (int(last.sum()), "the last 20 %")):
        if frauds < LEAST_FRAUDS:
            raise InputError(
                f"{path} has {frauds:,} labelled frauds in {part}, "
                f"and a fit needs {LEAST_FRAUDS} there: take a longer file, or one with labels."
            )


def _told_by_the_engine(path: Path, how: Reading, names: list[str]) -> list[str]:
    """The time, which no future transaction shares, and the amount, which the engine has anyway."""
    which = mapping.needed(DataFile(path).names, how.mapping, path)
    return [name for name in names if name in {which.time.column, which.columns.amount}]


def _pass(transactions: Transactions, stop: int, card: Scorecard, threshold: float) -> tuple[Floats, Ints]:
    """The engine's features of the first ``stop`` transactions that are scored, and which these are."""
    profiles = layout.empty(len(transactions.users))
    part = transactions.columns(card).part(0, stop)
    scored = scoring.score(profiles, transactions.user[:stop], part, card, threshold, keep_all=True)
    return scored.features, scored.kept


def _numbers(column: pa.ChunkedArray) -> Floats:
    """As float64, NaN where there is none or it is infinite."""
    values = np.array(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)
    values[~np.isfinite(values)] = np.nan
    return values
