"""Transactions of a file, as `sentinel replay` would send them.

Not here: which column is which (`datasets.mapping`).
"""

from __future__ import annotations

from glob import escape
from pathlib import Path

from datasets import events
from datasets.files import DataFile
from sentinel_cli.backtesting.transactions import Transactions, of_events
from sentinel_cli.errors import InputError


def read(
    path: Path, mapping: str | None, entity: str | None, record_features: tuple[str, ...]
) -> Transactions:
    """A scorecard's own features are columns of the same name; those that the file lacks have no value.

    Raises InputError.
    """
    there = set(DataFile(path).names) if record_features else set()
    features = tuple(escape(name) for name in record_features if name in there)
    found = of_events(str(path), events.read(path, events.Reading(mapping, entity, None, features)))
    if not len(found):
        raise InputError(f"{path} holds no transaction that could be scored. {' '.join(found.notes)}".strip())
    lacking = [name for name in record_features if name not in there]
    if lacking:
        found.notes.append(f"The scorecard names features that the file lacks: {', '.join(lacking)}.")
    return found
