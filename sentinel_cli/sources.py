"""Where settings come from: flags, environment, a profile, the file, the running local stack.

Purpose: one pydantic-settings source for each, highest first in ``layers``. Every source finds
values by their path in the model, each with the words that say where it was found; so what
`sentinel config show` prints as the origin is what the value was really read from.

Not here: which settings exist and what they may be (`config`).
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, get_args

import platformdirs
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from sentinel_cli.errors import ConfigError

Key = tuple[str, ...]


class Found(NamedTuple):
    """A value as it was found, and where: "environment REDIS_PORT", "sentinel.toml, line 4"."""

    value: object
    origin: str


Values = dict[Key, Found]

# The names that users of Kafka and Redis tools already have in their environment.
ENVIRONMENT_NAMES: dict[str, Key] = {
    "STREAM_SENTINEL_ENV": ("env",),
    "LOG_LEVEL": ("log_level",),
    "FRAUD_THRESHOLD": ("fraud_threshold",),
    "CONSUMER_GROUP": ("consumer_group",),
    "KAFKA_SERVERS": ("kafka", "servers"),
    "KAFKA_DEBUG": ("kafka", "debug"),
    "SCHEMA_REGISTRY_URL": ("kafka", "schema_registry_url"),
    "REDIS_HOST": ("redis", "host"),
    "REDIS_PORT": ("redis", "port"),
    "BATCH_SIZE": ("detect", "batch_size"),
    "MAX_POLL_RECORDS": ("detect", "max_poll_records"),
}

# Tables whose unknown keys go on to a library: librdkafka's properties, redis-py's options.
PASSED_THROUGH = {"kafka": "properties", "redis": "options"}

# Secrets have an environment name each, SENTINEL_KAFKA_SASL_PASSWORD and so on, and may stand in a
# file of their own: SENTINEL_KAFKA_SASL_PASSWORD_FILE, or "sasl.password_file" in the table.
SECRETS: tuple[Key, ...] = (
    ("redis", "password"),
    ("kafka", "properties", "sasl.password"),
    ("kafka", "properties", "sasl.oauthbearer.client.secret"),
    ("kafka", "properties", "ssl.key.password"),
    ("kafka", "properties", "ssl.keystore.password"),
)


def layers(settings_cls: type[BaseSettings], flags: Mapping[str, Any]) -> tuple[Source, ...]:
    """Every source, highest first: this is the precedence."""
    file = File(settings_cls, flags.get("config"))
    return (
        Flags(settings_cls, flags),
        Environment(settings_cls),
        Profile(settings_cls, file, flags.get("profile")),
        file,
        LocalStack(settings_cls, flags.get("home")),
    )


def default_home() -> Path:
    """The folder of all local state where SENTINEL_HOME names none."""
    return platformdirs.user_state_path("stream-sentinel")


def leaves(model: type[BaseModel]) -> Iterator[tuple[Key, FieldInfo]]:
    """Every setting of the model by its path, tables opened."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from (((name, *key), leaf) for key, leaf in leaves(field.annotation))
        else:
            yield (name,), field


def environment_names(model: type[BaseModel]) -> dict[str, Key]:
    """Every environment name there is; where two mean the same setting, the later one wins."""
    own = {"_".join(("SENTINEL", *key)).upper(): key for key, _ in leaves(model)}
    secrets = {f"SENTINEL_{key[0]}_{key[-1]}".replace(".", "_").upper(): key for key in SECRETS}
    return ENVIRONMENT_NAMES | own | secrets


class Source(PydanticBaseSettingsSource):
    """One layer: what it finds goes to pydantic as nested tables."""

    @abstractmethod
    def find(self) -> Values: ...

    def __call__(self) -> dict[str, Any]:
        nested: dict[str, Any] = {}
        for key, found in self.find().items():
            table = nested
            for name in key[:-1]:
                table = table.setdefault(name, {})
            table[key[-1]] = found.value
        return nested

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError("a layer is read as a whole")


class Flags(Source):
    """The command line, as nested tables: {"kafka": {"servers": …}}."""

    def __init__(self, settings_cls: type[BaseSettings], flags: Mapping[str, Any]) -> None:
        super().__init__(settings_cls)
        self.flags = flags

    def find(self) -> Values:
        return {
            key: Found(value, "flag --" + "-".join(key).replace("_", "-")) for key, value in _flat(self.flags)
        }


class Environment(Source):
    """The eleven names above, and SENTINEL_<TABLE>_<NAME> for every setting; empty means unset."""

    def find(self) -> Values:
        found: Values = {}
        for name, key in environment_names(self.settings_cls).items():
            if text := os.environ.get(name):
                found |= _from_text(key, text, f"environment {name}")
            elif key in SECRETS and (path := os.environ.get(f"{name}_FILE")):
                found[key] = _secret(Path(path), f"environment {name}_FILE")
        return found


class File(Source):
    """sentinel.toml: the one named by --config or SENTINEL_CONFIG, of this folder, or the user's."""

    def __init__(self, settings_cls: type[BaseSettings], path: str | Path | None = None) -> None:
        super().__init__(settings_cls)
        named = path or os.environ.get("SENTINEL_CONFIG")
        self.path = Path(named).expanduser() if named else _standard_file()
        if named and self.path and not self.path.is_file():
            raise ConfigError(f"there is no settings file {self.path}; `sentinel config init` writes one.")

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8") if self.path else ""

    @cached_property
    def tables(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{self.path} is not valid TOML: {error}.") from error

    def find(self) -> Values:
        table = {name: value for name, value in self.tables.items() if name != "profiles"}
        return self.values(table, within="")

    def values(self, table: Mapping[str, Any], within: str) -> Values:
        """The settings of one table of the file; ``within`` is its name, "profiles.x" or ""."""
        found: Values = {}
        for key, value in self._keys(table):
            origin = f"{self.path}{_line(self.text, within, key)}"
            found[key] = Found(self._resolved(key, value), origin)
        return _with_secret_files(found, self.folder)

    def _keys(self, table: Mapping[str, Any]) -> Iterator[tuple[Key, Any]]:
        known = {key for key, _ in leaves(self.settings_cls)}
        for name, value in table.items():
            if not isinstance(value, dict):
                yield (name,), value
                continue
            rest = PASSED_THROUGH.get(name)
            for key, leaf in _flat(value) if rest else _level(value):
                if rest and (name, *key) not in known:
                    yield (name, rest, ".".join(key).removeprefix(f"{rest}.")), leaf
                else:
                    yield (name, *key), leaf

    @property
    def folder(self) -> Path:
        return self.path.parent if self.path else Path()

    def _resolved(self, key: Key, value: Any) -> Any:
        """Paths in a file are relative to that file."""
        fields = dict(leaves(self.settings_cls))
        if isinstance(value, str) and key in fields and Path in get_args(fields[key].annotation):
            return self.folder / Path(value).expanduser()
        return value


class Profile(Source):
    """The table [profiles.NAME] of the file, chosen by --profile or SENTINEL_PROFILE."""

    def __init__(self, settings_cls: type[BaseSettings], file: File, name: str | None = None) -> None:
        super().__init__(settings_cls)
        self.file = file
        self.name = name or os.environ.get("SENTINEL_PROFILE")

    def find(self) -> Values:
        if not self.name:
            return {}
        profiles = self.file.tables.get("profiles", {})
        if self.name not in profiles:
            there = ", ".join(profiles) or "none"
            raise ConfigError(
                f"there is no profile {self.name!r} in {self.file.path or 'any settings file'} (profiles there: {there})."
            )
        values = self.file.values(profiles[self.name], within=f"profiles.{self.name}")
        return {
            key: Found(found.value, f"profile {self.name} in {found.origin}") for key, found in values.items()
        }


class LocalStack(Source):
    """The addresses that `sentinel up` wrote into <home>/stack.json, while its servers run."""

    NAMES = {
        "kafka_servers": ("kafka", "servers"),
        "redis_host": ("redis", "host"),
        "redis_port": ("redis", "port"),
    }

    def __init__(self, settings_cls: type[BaseSettings], home: str | Path | None = None) -> None:
        super().__init__(settings_cls)
        self.path = Path(home or os.environ.get("SENTINEL_HOME") or default_home()) / "stack.json"

    def find(self) -> Values:
        try:
            addresses = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise ConfigError(f"{self.path} is damaged ({error}); `sentinel down` removes it.") from error
        return {
            key: Found(addresses[name], "the running local stack")
            for name, key in self.NAMES.items()
            if name in addresses
        }


def _standard_file() -> Path | None:
    here = Path("sentinel.toml")
    users = platformdirs.user_config_path("stream-sentinel") / "sentinel.toml"
    return next((path for path in (here, users) if path.is_file()), None)


def _flat(table: Mapping[str, Any]) -> Iterator[tuple[Key, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from (((name, *key), leaf) for key, leaf in _flat(value))
        else:
            yield (name,), value


def _level(table: Mapping[str, Any]) -> Iterator[tuple[Key, Any]]:
    return (((name,), value) for name, value in table.items())


def _from_text(key: Key, text: str, origin: str) -> Values:
    """Everything is text in the environment; the two open tables are a JSON object."""
    if key[-1] not in PASSED_THROUGH.values():
        return {key: Found(text, origin)}
    try:
        return {(*key, name): Found(value, origin) for name, value in json.loads(text).items()}
    except (ValueError, AttributeError) as error:
        raise ConfigError(f"{'.'.join(key)} in {origin} must be a JSON object.") from error


def _with_secret_files(values: Values, folder: Path) -> Values:
    """password_file = "…" in a table stands for password = "the content of that file"."""
    for secret in SECRETS:
        named_by = (secret[0], PASSED_THROUGH[secret[0]], f"{secret[-1]}_file")
        if named_by in values:
            found = values.pop(named_by)
            values[secret] = _secret(folder / Path(str(found.value)).expanduser(), found.origin)
    return values


def _secret(path: Path, origin: str) -> Found:
    try:
        return Found(path.read_text(encoding="utf-8").rstrip("\r\n"), f"{path}, named by {origin}")
    except OSError as error:
        raise ConfigError(
            f"the secret in {path}, named by {origin}, cannot be read: {error.strerror}."
        ) from error


def _line(text: str, within: str, key: Key) -> str:
    """ ", line N" of a key in a TOML text, or "" where it is written in a way this does not see."""
    table = ".".join(part for part in (within, *key[:1]) if part) if len(key) > 1 else within
    wanted = re.compile(rf"""\s*["']?{re.escape(key[-1])}["']?\s*=""")
    current = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line):
            current = header[1].replace('"', "")
        elif current == table and wanted.match(line):
            return f", line {number}"
    return ""
