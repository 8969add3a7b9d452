"""Where settings come from: flags, the environment, the running local stack.

Purpose: one pydantic-settings source for each. A source finds values by their path in the model,
each with the words that say where it was found; so what `sentinel config show` prints as the origin
is what the value was really read from.

Not here: the file and its profiles (`config_file`), which settings there are and which source wins
(`config`).
"""

from __future__ import annotations

import json
import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

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

LOCAL_STACK = "the running local stack"  # the origin of what it says
# What `sentinel up` writes into stack.json.
STACK_NAMES: dict[str, Key] = {
    "kafka_servers": ("kafka", "servers"),
    "redis_host": ("redis", "host"),
    "redis_port": ("redis", "port"),
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
            key: Found(value, "flag --" + "-".join(key).replace("_", "-")) for key, value in flat(self.flags)
        }


class Environment(Source):
    """The eleven names above, and SENTINEL_<TABLE>_<NAME> for every setting; empty means unset."""

    def find(self) -> Values:
        found: Values = {}
        for name, key in environment_names(self.settings_cls).items():
            if text := os.environ.get(name):
                found |= _from_text(key, text, f"environment {name}")
            elif key in SECRETS and (path := os.environ.get(f"{name}_FILE")):
                found[key] = secret(Path(path), f"environment {name}_FILE")
        return found


class LocalStack(Source):
    """The addresses that `sentinel up` wrote into <home>/stack.json, while its servers run."""

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
            key: Found(addresses[name], LOCAL_STACK) for name, key in STACK_NAMES.items() if name in addresses
        }


def flat(table: Mapping[str, Any]) -> Iterator[tuple[Key, Any]]:
    """Every value in nested tables, by its path."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from (((name, *key), leaf) for key, leaf in flat(value))
        else:
            yield (name,), value


def _from_text(key: Key, text: str, origin: str) -> Values:
    """Everything is text in the environment; the two open tables are a JSON object."""
    if key[-1] not in PASSED_THROUGH.values():
        return {key: Found(text, origin)}
    try:
        return {(*key, name): Found(value, origin) for name, value in json.loads(text).items()}
    except (ValueError, AttributeError) as error:
        raise ConfigError(f"{'.'.join(key)} in {origin} must be a JSON object.") from error


def secret(path: Path, origin: str) -> Found:
    """The content of a secret's own file, without its last line end. Raises ConfigError."""
    try:
        return Found(path.read_text(encoding="utf-8").rstrip("\r\n"), f"{path}, named by {origin}")
    except OSError as error:
        raise ConfigError(
            f"the secret in {path}, named by {origin}, cannot be read: {error.strerror}."
        ) from error
