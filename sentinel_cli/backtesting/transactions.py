"""Transactions that somebody can judge: the engine's columns, and beside them the truth.

Purpose: one shape for what comes from a file and for what comes from a topic, so that everything
after it knows no difference.

Design: exactly the numbers that `sentinel detect` computes from the records of `sentinel replay`; rows
that it would make dead letters of are left out, and counted. Strings that repeat are hashed once each.

Not here: reading a topic (`topic`), scoring (`decisions`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute

from datasets.columns import Ints
from datasets.events import Events
from sentinel_cli.engine import strings
from sentinel_cli.engine.columns import TRANSACTION, Columns
from sentinel_cli.engine.scorecard import Scorecard
from sentinel_cli.streaming import codec

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

UNKNOWN = "unknown"
"""The scenario of frauds whose labels name none."""
HONEST = -1
"""In place of a scenario and an episode."""

_LARGEST_AMOUNT = 1e9  # as `records.Amount` has it
_LONGEST_TEXT = 256  # characters, as `records.Id` and `records.Text` have it
_CONTROL = r"[\x00-\x1f]"


@dataclass(frozen=True)
class Truth:
    """Of n transactions: ``label`` is 0, 1 or NO_LABEL; ``scenario`` is a position in ``names`` and
    ``episode`` a number, both HONEST where there was no fraud."""

    label: npt.NDArray[np.int8]
    names: tuple[str, ...]
    scenario: Ints
    episode: Ints


@dataclass(frozen=True)
class Transactions:
    """n transactions in the order in which they are scored. ``user`` (n,) is a position in ``users``;
    ``extra`` has the records' own features by name, float64 (n,)."""

    source: str
    users: pa.Array
    user: Ints
    ids: pa.Array
    rows: npt.NDArray[np.void]  # TRANSACTION
    extra: dict[str, Floats]
    truth: Truth
    left_out: int
    notes: list[str]

    def __len__(self) -> int:
        return len(self.rows)

    def columns(self, card: Scorecard) -> Columns:
        """What the engine reads to score by ``card``."""
        missing = np.full(len(self), np.nan)
        extra = [self.extra.get(name, missing) for name in card.record_features]
        return Columns(self.rows, np.stack(extra, axis=1) if extra else np.empty((len(self), 0)))


def of_events(source: str, events: Events) -> Transactions:
    """What a file holds."""
    fit = _fit(events)
    left_out = int((~fit).sum())
    kept = events.take(np.flatnonzero(fit)) if left_out else events
    user = compute.dictionary_encode(kept.user)
    rows = np.zeros(len(kept), TRANSACTION)
    rows["time"], rows["amount"] = kept.time, kept.amount
    rows["transaction"] = strings.hashes(kept.transaction_id.to_pylist())
    rows["device"] = _once_each(kept, "device_id", strings.hashes)
    rows["country"] = _once_each(kept, "country", strings.countries)
    rows["category"] = _once_each(
        kept, "merchant_category", lambda texts: strings.folded(strings.hashes(texts))
    )
    extra = {
        name: _numbers(column)
        for name, column in zip(kept.features.column_names, kept.features.columns, strict=True)
    }
    notes = [*kept.notes, *([_says_left_out(left_out)] if left_out else [])]
    truth = truth_of(kept.label, kept.scenario, kept.episode, user.indices.to_numpy())
    return Transactions(
        source, user.dictionary, _slots(user), kept.transaction_id, rows, extra, truth, left_out, notes
    )


def truth_of(
    label: npt.NDArray[np.int8], scenario: pa.Array, episode: pa.Array, user: npt.NDArray[Any]
) -> Truth:
    """From a row's label and the words beside it. Where no episodes are known, all fraud that one user
    met is one."""
    fraud = label == 1
    named = compute.if_else(compute.equal(scenario.fill_null(""), ""), UNKNOWN, scenario)
    scenarios = compute.dictionary_encode(compute.if_else(pa.array(fraud), named, None))
    known = compute.not_equal(episode.fill_null(""), "").to_numpy(zero_copy_only=False) & fraud
    episodes = compute.dictionary_encode(episode).indices.fill_null(0).to_numpy(zero_copy_only=False)
    number = np.where(known, episodes.astype(np.int64), len(episode) + user.astype(np.int64))
    return Truth(
        label,
        tuple(scenarios.dictionary.to_pylist()),
        scenarios.indices.fill_null(HONEST).to_numpy(zero_copy_only=False).astype(np.int64),
        np.where(fraud, number, HONEST),
    )


def _says_left_out(rows: int) -> str:
    return f"{rows:,} rows are left out: `sentinel detect` makes dead letters of their records."


def _fit(events: Events) -> Bools:
    """Whether `codec` would take each row's record. Only its time of arrival is not known."""
    amount = events.amount
    fit = (amount >= 0) & (amount <= _LARGEST_AMOUNT)
    fit &= (events.time >= codec.EARLIEST) & (events.time <= codec.LATEST)
    for identifier in (events.user, events.transaction_id):
        length = compute.utf8_length(identifier).to_numpy(zero_copy_only=False)
        fit &= (length >= 1) & (length <= _LONGEST_TEXT) & ~_has_control(identifier)
    for name, column in events.texts.items():
        values = compute.dictionary_encode(column.fill_null(""))
        long = compute.utf8_length(values.dictionary).to_numpy(zero_copy_only=False) > _LONGEST_TEXT
        if name in ("device_id", "merchant_category"):
            long |= _has_control(values.dictionary)
        if long.any():
            fit &= ~long[_slots(values)]
    return np.asarray(fit)


def _has_control(texts: pa.Array) -> Bools:
    found = compute.match_substring_regex(texts, _CONTROL)
    return np.asarray(found.to_numpy(zero_copy_only=False))


def _once_each(events: Events, field: str, compute_of: Any) -> npt.NDArray[Any]:
    """A column of numbers, each computed once for each distinct text of ``field``."""
    column = events.texts.get(field)
    if column is None:
        return np.repeat(compute_of([events.constants.get(field, "")]), len(events))
    encoded = compute.dictionary_encode(column.fill_null(""))
    return np.asarray(compute_of(encoded.dictionary.to_pylist())[_slots(encoded)])


def _slots(encoded: pa.DictionaryArray) -> Ints:
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64))


def _numbers(column: pa.ChunkedArray) -> Floats:
    """As float64, NaN where there is none."""
    plain = column.cast(pa.float64(), safe=False)
    return np.asarray(plain.to_numpy(), np.float64)
