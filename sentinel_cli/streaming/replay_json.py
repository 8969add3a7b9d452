"""The transactions of a file as the records of `transactions` and `labels`.

Purpose: the one place that says how a row of a file becomes JSON. What is true about it goes into the
label alone.

Design: whole columns become Python values, and msgspec writes them; numbers keep every digit, so that
what reads the file and what reads the topic compute with the same ones. In pass k of a loop the
transactions have the ids "T-k" and times that go on where the pass before ended.

Not here: when a record is sent (`replaying`), where the columns come from (`datasets.events`).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import repeat, starmap
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from datasets.columns import NO_LABEL, Ints
from datasets.events import Events
from sentinel_cli.records import Label, Transaction

_OPTIONAL = Transaction.__struct_fields__[4:-1]  # between amount and features
_encode = msgspec.json.Encoder().encode

Records = tuple[list[bytes], list[bytes]]  # keys on Kafka, and values


def transactions(events: Events, lap: int = 0, later: int = 0) -> Records:
    """A record for each of the events; times are moved by ``later`` microseconds."""
    users = events.user.to_pylist()
    columns: list[Iterable[Any]] = [
        _ids(events, lap),
        users,
        _times(events.time + later),
        events.amount.tolist(),
        *(_field(events, name) for name in _OPTIONAL),
        _features(events.features) if events.features.num_columns else repeat(None),
    ]
    return _keys(users), list(map(_encode, map(Transaction, *columns)))


def labels(events: Events, delay: int, lap: int = 0, later: int = 0) -> Records:
    """A record for each of the events that has a label: known ``delay`` microseconds after the event."""
    if (events.label == NO_LABEL).any():
        events = events.take(np.flatnonzero(events.label != NO_LABEL))
    users = events.user.to_pylist()
    fraud = (events.label == 1).tolist()
    columns: tuple[Iterable[Any], ...] = (
        _ids(events, lap),
        users,
        fraud,
        _if(fraud, events.scenario),
        _if(fraud, events.episode),
        _times(events.time + later + delay),
    )
    return _keys(users), list(map(_encode, map(Label, *columns)))


def _keys(users: list[str]) -> list[bytes]:
    return [user.encode() for user in users]


def _ids(events: Events, lap: int) -> list[str]:
    ids = events.transaction_id.to_pylist()
    return [f"{each}-{lap}" for each in ids] if lap else ids


def _field(events: Events, name: str) -> Iterable[str]:
    column = events.texts.get(name)
    return repeat(events.constants.get(name, "")) if column is None else column.fill_null("").to_pylist()


def _if(fraud: list[bool], texts: pa.Array) -> list[str]:
    """Honest transactions have no scenario, whatever the file calls theirs."""
    return [text if stolen else "" for stolen, text in zip(fraud, texts.to_pylist(), strict=True)]


def _times(times: Ints) -> list[str]:
    """RFC 3339, in UTC."""
    whole = not (times % 1_000_000).any()
    texts = np.datetime_as_string(times.astype("datetime64[us]"), unit="s" if whole else "us", timezone="UTC")
    return list(map(str, texts.tolist()))


def _features(table: pa.Table) -> Iterable[Any]:
    """An object for each row, of the numbers that it has; twice as fast as a map of them."""
    names = table.column_names
    return starmap(_object(tuple(names)), zip(*(table[name].to_pylist() for name in names), strict=True))


@cache
def _object(names: tuple[str, ...]) -> type[msgspec.Struct]:
    """A struct whose fields are written under these names, and not at all where they are None."""
    fields = {f"f{at}": name for at, name in enumerate(names)}
    return msgspec.defstruct(
        "Features",
        [(field, float | None, None) for field in fields],
        rename=fields,
        omit_defaults=True,
        gc=False,
    )
