"""Who made a transaction, when no column says so: the user id as a key of several columns.

Purpose: IEEE-CIS hides its users. A key of the card, the billing region and the account's first day
finds them again; where a file lacks one of those, the card's own columns stand in, and that is said.

Not here: which columns those are (`mapping`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import compute

from datasets import columns
from datasets.columns import Ints
from datasets.files import DataFile
from datasets.mapping import Mapping
from sentinel_cli.errors import InputError

DAY = 86_400_000_000  # microseconds
_BETWEEN = "_"


class Entity(NamedTuple):
    """The ``columns`` of the key, of which ``days_since`` are counted back; ``note`` says what stands in."""

    columns: tuple[str, ...]
    days_since: tuple[str, ...]
    note: str = ""


def choose(file: DataFile, mapping: Mapping, given: str | None = None) -> Entity:
    """The columns that were ``given`` (separated by commas), else the mapping's, as far as the file has them.

    Raises InputError for a column that the file does not have.
    """
    wanted = tuple(name.strip() for name in given.split(",")) if given else mapping.user.columns
    absent = [name for name in wanted if name not in file.names]
    if not absent:
        return Entity(wanted, mapping.user.days_since)
    if given:
        raise InputError(f"{file.path} has no column {', '.join(absent)} to make a user's id of.")
    there = tuple(name for name in mapping.user.otherwise if name in file.names)
    if not there:
        raise InputError(
            f"{file.path} has no {', '.join(absent)}, so nothing says who the user is; name columns."
        )
    return Entity(
        there,
        mapping.user.days_since,
        f"{file.path} has no {', '.join(absent)}, so a user is {', '.join(there)}: "
        "several people may share that.",
    )


def ids(file: DataFile, mapping: Mapping, entity: Entity, times: Ints) -> pa.Array:
    """The user id of each row, as text: the key's values with "_" between them, empty where one is missing.

    ``times`` are the file's own, by row, in microseconds since 1970.
    """
    table = file.read(entity.columns)
    day = (times - columns.microseconds(mapping.time.origin)) // DAY
    parts = []
    for name in entity.columns:
        if name in entity.days_since:
            first = day - np.floor(columns.numbers(table[name], file.where(name)))
            part = columns.text(pa.chunked_array([pa.array(first, from_pandas=True)]))
        else:
            part = columns.text(table[name])
        parts.append(part.combine_chunks().fill_null(""))
    return compute.binary_join_element_wise(*parts, _BETWEEN)
