"""sentinel.toml and its profiles, as sources of settings.

Purpose: find the file, read it once, and give every value with the line it stands on.

Design: a table [kafka] or [redis] holds our own settings beside whatever librdkafka or redis-py
take; what is not ours goes on to them. TOML's dotted keys are the same thing as quoted ones there:
``security.protocol = "SSL"`` and ``"security.protocol" = "SSL"``.

Not here: which settings there are (`config`).
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import platformdirs
from pydantic_settings import BaseSettings

from sentinel_cli.errors import ConfigError
from sentinel_cli.sources import PASSED_THROUGH, SECRETS, Found, Key, Source, Values, flat, leaves, secret

NAME = "sentinel.toml"

# Names that librdkafka and we have for the same thing.
_SAME: dict[Key, Key] = {
    ("kafka", "properties", "bootstrap.servers"): ("kafka", "servers"),
    ("kafka", "properties", "metadata.broker.list"): ("kafka", "servers"),
    ("kafka", "properties", "group.id"): ("consumer_group",),
}

# What decides which file and which of its tables are read cannot stand in it.
_ELSEWHERE: set[Key] = {("home",), ("config",), ("profile",)}


class File(Source):
    """The file that --config or SENTINEL_CONFIG names, else this folder's, else the user's.

    Raises ConfigError for a named file that is not there, and for what is not TOML.
    """

    def __init__(self, settings_cls: type[BaseSettings], path: str | Path | None = None) -> None:
        super().__init__(settings_cls)
        named = path or os.environ.get("SENTINEL_CONFIG")
        self.path = Path(named).expanduser() if named else _standard()
        if named and not Path(named).expanduser().is_file():
            raise ConfigError(
                f"there is no settings file {named}; `sentinel config init {named}` writes one."
            )

    @cached_property
    def text(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8") if self.path else ""
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.path} cannot be read: {error}.") from error

    @cached_property
    def tables(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{self.path} is not valid TOML: {error}.") from error

    @property
    def profiles(self) -> dict[str, Any]:
        """The tables [profiles.NAME] by name."""
        tables = self.tables.get("profiles", {})
        if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
            raise ConfigError(f"{self.path}: profiles must be tables, [profiles.staging] for example.")
        return tables

    def find(self) -> Values:
        beside = {name: value for name, value in self.tables.items() if value is not self.profiles}
        return self.values(beside)

    def values(self, table: Mapping[str, Any], within: str = "") -> Values:
        """The settings of one table of the file; ``within`` is its name, "profiles.staging" or ""."""
        found: Values = {}
        for key, value in self._keys(table):
            origin = f"{self.path}{_line(self.text, within, key)}"
            if key in _ELSEWHERE:
                raise ConfigError(
                    f"{origin}: {key[0]} has no place in a file; set SENTINEL_{key[0].upper()}."
                )
            found[_SAME.get(key, key)] = Found(self._resolved(key, value), origin)
        return self._with_secret_files(found)

    def _keys(self, table: Mapping[str, Any]) -> Iterator[tuple[Key, Any]]:
        for name, value in table.items():
            if isinstance(value, dict):
                yield from self._keys_of_table(name, value)
            else:
                yield (name,), value

    def _keys_of_table(self, table: str, values: Mapping[str, Any]) -> Iterator[tuple[Key, Any]]:
        rest = PASSED_THROUGH.get(table)
        if rest is None:
            yield from (((table, name), value) for name, value in values.items())
            return
        for key, value in flat(values):
            ours = (table, *key) in self._fields
            yield (table, *key) if ours else (table, rest, ".".join(key).removeprefix(f"{rest}.")), value

    @cached_property
    def _fields(self) -> dict[Key, Any]:
        return dict(leaves(self.settings_cls))

    def _resolved(self, key: Key, value: Any) -> Any:
        """A path in a file is relative to that file."""
        if isinstance(value, str) and key in self._fields and Path in get_args(self._fields[key].annotation):
            return self._beside(value)
        return value

    def _with_secret_files(self, values: Values) -> Values:
        """password_file = "…" stands for password = "the content of that file"."""
        for key in SECRETS:
            named_by = (key[0], PASSED_THROUGH[key[0]], f"{key[-1]}_file")
            if named_by in values:
                found = values.pop(named_by)
                values[key] = secret(self._beside(str(found.value)), found.origin)
        return values

    def _beside(self, path: str) -> Path:
        return (self.path.parent if self.path else Path()) / Path(path).expanduser()


class Profile(Source):
    """The table [profiles.NAME] of the file, chosen by --profile or SENTINEL_PROFILE.

    Raises ConfigError where there is no such profile.
    """

    def __init__(self, settings_cls: type[BaseSettings], file: File, name: str | None = None) -> None:
        super().__init__(settings_cls)
        self.file = file
        self.name = name or os.environ.get("SENTINEL_PROFILE")

    def find(self) -> Values:
        if not self.name:
            return {}
        table = self.file.profiles.get(self.name)
        if table is None:
            there = (
                f"it has {', '.join(self.file.profiles) or 'none'}" if self.file.path else "there is no file"
            )
            raise ConfigError(f"no profile {self.name!r} in {self.file.path or NAME}: {there}.")
        values = self.file.values(table, within=f"profiles.{self.name}")
        return {
            key: Found(found.value, f"profile {self.name} in {found.origin}") for key, found in values.items()
        }


def _standard() -> Path | None:
    users = platformdirs.user_config_path("stream-sentinel")
    return next((path for path in (Path(NAME), users / NAME) if path.is_file()), None)


def _line(text: str, within: str, key: Key) -> str:
    """The words ", line 7" for a key in a TOML text; none if it is written in a way not seen here."""
    table = ".".join(part for part in (within, *key[:1]) if part) if len(key) > 1 else within
    wanted = re.compile(rf"""\s*["']?{re.escape(key[-1])}["']?\s*=""")
    current = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
            current = header[1].replace('"', "")
        elif current == table and wanted.match(line):
            return f", line {number}"
    return ""
