"""Which column of a file is which field of a transaction: a TOML file, three of them shipped.

Purpose: replay, analyze and backtest read any file through one of these; `mappings/ieee_cis.toml`
shows every key. A file of a known kind needs no mapping to be named: it is recognized by its columns.

Not here: the values themselves (`columns`, `events`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from sentinel_cli.errors import InputError

SHIPPED = ("ieee_cis", "handbook", "sparkov")
_1970 = datetime(1970, 1, 1, tzinfo=UTC)


class TimeColumn(Struct, frozen=True, forbid_unknown_fields=True):
    """Timestamps, or numbers that count ``unit``s from ``origin``."""

    column: str
    unit: Literal["s", "ms", "us"] = "s"
    origin: datetime = _1970


class UserColumns(Struct, frozen=True, forbid_unknown_fields=True):
    """The columns whose values together are a user; ``otherwise``, those that exist, where one of them
    is missing. ``days_since`` are columns that count days up to the transaction: they are counted back."""

    columns: tuple[str, ...]
    days_since: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()


class FieldColumns(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A column for each field of a transaction (`sentinel_cli.records`)."""

    amount: str
    transaction_id: str = ""
    currency: str = ""
    merchant_id: str = ""
    merchant_category: str = ""
    product_code: str = ""
    card_network: str = ""
    card_type: str = ""
    country: str = ""
    device_id: str = ""
    device_type: str = ""
    email_domain: str = ""


class LabelColumns(Struct, frozen=True, forbid_unknown_fields=True):
    is_fraud: str = ""
    scenario: str = ""
    episode_id: str = ""


class Mapping(Struct, frozen=True, forbid_unknown_fields=True):
    """``constants`` are fields that are the same in every transaction, by name."""

    title: str
    time: TimeColumn
    user: UserColumns
    columns: FieldColumns
    constants: dict[str, str] = {}
    label: LabelColumns = LabelColumns()

    @property
    def fields(self) -> dict[str, str]:
        """The column of each field that has one."""
        return dict(msgspec.to_builtins(self.columns))

    def named(self) -> set[str]:
        """Every column that the mapping knows."""
        users = {*self.user.columns, *self.user.otherwise}
        return {self.time.column, *self.fields.values(), *users, *self.answers()} - {""}

    def answers(self) -> set[str]:
        """The columns that no model may learn from: the truth, and the number of the transaction."""
        label = self.label
        return {label.is_fraud, label.scenario, label.episode_id, self.columns.transaction_id} - {""}

    @property
    def assumes_origin(self) -> bool:
        """Whether times count from a moment that the file itself does not tell."""
        return self.time.origin.replace(tzinfo=UTC) != _1970

    def lacking(self, names: Collection[str]) -> list[str]:
        """What a file with these columns lacks of what a transaction cannot do without."""
        missing = [column for column in (self.time.column, self.columns.amount) if column not in names]
        user = self.user
        if set(user.columns) <= set(names) or set(user.otherwise) & set(names):
            return missing
        return [*missing, " or ".join(user.otherwise or user.columns)]


def load(name: str) -> Mapping:
    """A shipped mapping by its name, or a file. Raises InputError, saying what is wrong where."""
    return _shipped(name) if name in SHIPPED else _read(Path(name))


def recognized(names: Collection[str]) -> Mapping | None:
    """The shipped mapping that knows most of these columns, or None if none knows any."""
    known = {name: len(_shipped(name).named() & set(names)) for name in SHIPPED}
    best = max(known, key=lambda name: known[name])
    return _shipped(best) if known[best] else None


def known(names: Collection[str], given: str | None, path: Path) -> Mapping:
    """The mapping that was ``given``, else the recognized one.

    Raises InputError where none of its columns is in ``path``.
    """
    chosen = load(given) if given else recognized(names)
    if chosen is None:
        kinds = "; ".join(f"{', '.join(m.lacking(()))} ({m.title})" for m in map(_shipped, SHIPPED))
        raise InputError(
            f"{path} has none of the columns that are needed: {kinds}; --mapping FILE names others."
        )
    if not chosen.named() & set(names):
        raise InputError(
            f"{path} has none of the columns of {chosen.title}: {', '.join(sorted(chosen.named()))}."
        )
    return chosen


def needed(names: Collection[str], given: str | None, path: Path) -> Mapping:
    """As `known`, with every column that a transaction needs; raises InputError, naming those missing."""
    chosen = known(names, given, path)
    if missing := chosen.lacking(names):
        raise InputError(
            f"{path} lacks what {chosen.title} calls {', '.join(missing)}; --mapping FILE names others."
        )
    return chosen


def _read(path: Path) -> Mapping:
    try:
        return _parsed(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError as error:
        raise InputError(
            f"There is no mapping {path}: name a TOML file, or one of {', '.join(SHIPPED)}."
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no UTF-8 text.") from error


@cache
def _shipped(name: str) -> Mapping:
    file = resources.files("datasets").joinpath("mappings", f"{name}.toml")
    return _parsed(file.read_text(encoding="utf-8"), name)


def _parsed(toml: str, where: str) -> Mapping:
    try:
        mapping = msgspec.convert(tomllib.loads(toml), Mapping)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise InputError(f"The mapping {where} is wrong: {error}.") from error
    unknown = mapping.constants.keys() - set(FieldColumns.__struct_fields__) | mapping.constants.keys() & {
        "amount"
    }
    if unknown or not mapping.user.columns:
        what = f"[constants] names {', '.join(sorted(unknown))}" if unknown else "[user] names no columns"
        raise InputError(f"The mapping {where} is wrong: {what}.")
    return mapping
