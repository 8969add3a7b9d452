"""Every setting: its name, its default, and what it may be.

Purpose: one model. Precedence, highest first: flags, environment, the chosen profile, the file, the
addresses of the running local stack, the defaults below. A wrong value is one sentence that names
the setting, where the value came from, and what is allowed.

Design: pydantic validates, pydantic-settings merges the layers of `sources`. The text among a type's
annotations says what is allowed; the error sentence and the written sentinel.toml both take it.

Not here: reading the environment or a file (`sources`); what librdkafka is told (`streaming.kafka`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from sentinel_cli import sources
from sentinel_cli.errors import ConfigError

MASK = "********"
# Names of librdkafka's and redis-py's settings whose values nobody should see.
_SECRET_NAME = re.compile(r"password|secret|token|ssl\.key\.pem|ssl_key|oauthbearer\.config|jaas")
_URL_PASSWORD = re.compile(r"(?<=://)([^:/@]*):[^@/]*@")

Name = Annotated[str, Field(min_length=1, max_length=255), "a name of 1 to 255 characters"]
Count = Annotated[int, Field(ge=1), "a whole number of at least 1"]
Milliseconds = Annotated[int, Field(ge=1, le=60_000), "milliseconds, 1 to 60000"]
Port = Annotated[int, Field(ge=1, le=65_535), "a port, 1 to 65535"]
Score = Annotated[float, Field(ge=0, le=1), "a score, 0 to 1"]
Switch = Annotated[bool, "true or false"]
OptionalPath = Annotated[Path | None, "the path of a file"]
Servers = Annotated[
    str,
    Field(pattern=r"^\s*[^\s,:]+(:\d{1,5})?(\s*,\s*[^\s,:]+(:\d{1,5})?)*\s*$"),
    "host:port, several separated by commas",
]
Url = Annotated[str, Field(pattern=r"^https?://.+"), "a URL that begins with http:// or https://"]
# Kafka allows these characters in a topic, 249 of them; Redis hash tags are why braces are none.
Prefix = Annotated[
    str,
    Field(pattern=r"^([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)?$", max_length=200),
    "letters, digits, '-', '_' and '.' between them",
]
LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
    BeforeValidator(lambda level: level.upper() if isinstance(level, str) else level),
    "DEBUG, INFO, WARNING, ERROR or CRITICAL",
]
Environment = Annotated[Literal["development", "staging", "production"], "development, staging or production"]


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(Table):
    servers: Servers = Field("localhost:9092", description="Bootstrap servers.")
    debug: Annotated[str, "librdkafka's debug contexts, as in 'broker,topic'"] = Field(
        "", description="librdkafka's debug contexts; empty for none."
    )
    schema_registry_url: Url | None = Field(
        None, description="With it, records travel as Avro; without it, as JSON."
    )
    properties: dict[str, str] = Field(
        default_factory=dict, repr=False, description="Every other key: a property of librdkafka."
    )


class RedisSettings(Table):
    host: Name = Field("localhost", description="Host of Redis or Valkey.")
    port: Port = Field(6379, description="Its port.")
    db: Annotated[int, Field(ge=0), "a whole number of at least 0"] = Field(0, description="Database number.")
    username: str | None = Field(None, description="ACL user.")
    password: SecretStr | None = Field(
        None, description="Its password; better in SENTINEL_REDIS_PASSWORD or in a password_file."
    )
    ssl: Switch = Field(False, description="Speak TLS.")
    cluster: Switch = Field(False, description="The host is a node of a Redis Cluster.")
    options: dict[str, Any] = Field(
        default_factory=dict, repr=False, description="Every other key: an option of redis-py."
    )


class DetectSettings(Table):
    batch_size: Count = Field(20_000, description="Most records of one partition between two saves.")
    max_poll_records: Count = Field(10_000, description="Most records that one poll takes.")
    save_interval_ms: Milliseconds = Field(100, description="A save is due after this long,")
    save_profiles: Count = Field(5_000, description="or when this many profiles have changed.")
    profile_cache: Count = Field(1_000_000, description="Profiles a worker keeps in memory.")
    scorecard: OptionalPath = Field(None, description="Scorecard file; the packaged one if unset.")


class RespondSettings(Table):
    policy: OptionalPath = Field(None, description="Policy file; the packaged one if unset.")
    batch_size: Count = Field(1_000, description="Most alerts handled between two saves.")


class Settings(BaseSettings):
    """All settings, read-only. ``Settings(kafka={"servers": …})`` is how a program gives flags."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    env: Environment = Field("development", description="Which environment this is: it sets topic retention.")
    prefix: Prefix = Field("", description="Put before every topic and Redis key.")
    log_level: LogLevel = Field("INFO", description="Least severe message that is logged.")
    fraud_threshold: Score = Field(0.7, description="Score from which a transaction raises an alert.")
    consumer_group: Name = Field("sentinel", description="Kafka consumer group of the workers.")
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    redis: RedisSettings = Field(default_factory=RedisSettings)
    detect: DetectSettings = Field(default_factory=DetectSettings)
    respond: RespondSettings = Field(default_factory=RespondSettings)
    # These three say where to look; they come from flags and the environment alone.
    home: Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())] = Field(
        default_factory=sources.default_home
    )
    config: OptionalPath = None
    profile: str | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return sources.layers(settings_cls, init_settings())

    def topic(self, name: str) -> str:
        """The topic as it is called in Kafka: "staging.transactions" for the prefix "staging"."""
        return f"{self.prefix}.{name}" if self.prefix else name

    @property
    def redis_prefix(self) -> str:
        """What every Redis key begins with."""
        return self.prefix or "sentinel"


class Setting(NamedTuple):
    """One line of `sentinel config show`: the dotted name, the value with secrets masked, its origin."""

    name: str
    value: object
    origin: str


def load(flags: Mapping[str, object] | None = None) -> Settings:
    """Merge and validate. ``flags`` by dotted path, {"kafka.servers": "…"}. Raises ConfigError."""
    given = _nested(flags or {})
    try:
        return Settings(**given)
    except ValidationError as error:
        found = _found(given)
        raise ConfigError("\n".join(_sentence(each, found) for each in error.errors())) from error


def explain(flags: Mapping[str, object] | None = None) -> list[Setting]:
    """Every setting with its value and where that came from, secrets masked. Raises ConfigError."""
    settings = load(flags)
    found = _found(_nested(flags or {}))
    return [
        Setting(".".join(key), _shown(key, value), found[key].origin if key in found else "default")
        for key, value in _values(settings)
    ]


def _nested(flags: Mapping[str, object]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in flags.items():
        table, _, last = name.rpartition(".")
        (nested.setdefault(table, {}) if table else nested)[last] = value
    return nested


def _found(flags: Mapping[str, Any]) -> sources.Values:
    """What the layers found, the highest of each key, with its origin."""
    found: sources.Values = {}
    for source in reversed(sources.layers(Settings, flags)):
        found |= source.find()
    return found


def _values(settings: Settings) -> list[tuple[sources.Key, object]]:
    """Every value by its path; an open table gives a line a key."""
    values: list[tuple[sources.Key, object]] = []
    for key, _ in sources.leaves(Settings):
        value: Any = settings
        for name in key:
            value = getattr(value, name)
        if isinstance(value, dict):
            values += [((*key, name), each) for name, each in value.items()]
        else:
            values.append((key, value))
    return values


def _shown(key: sources.Key, value: object) -> object:
    if isinstance(value, SecretStr) or (value and _SECRET_NAME.search(key[-1])):
        return MASK
    if isinstance(value, str):
        return _URL_PASSWORD.sub(rf"\1:{MASK}@", value)
    return value


def _sentence(error: ErrorDetails, found: sources.Values) -> str:
    key = tuple(str(part) for part in error["loc"])
    origin = found[key].origin if key in found else "given"
    if error["type"] == "extra_forbidden":
        return f"there is no setting {'.'.join(key)} ({origin}){_similar(key)}."
    value = _shown(key, error["input"])
    return f"{'.'.join(key)} is {value!r} ({origin}): it must be {_allowed(key, error)}."


def _allowed(key: sources.Key, error: ErrorDetails) -> str:
    field = dict(sources.leaves(Settings)).get(key)
    texts = [each for each in field.metadata if isinstance(each, str)] if field else []
    return texts[0] if texts else error["msg"]


def _similar(key: sources.Key) -> str:
    """The settings of that name elsewhere, else the ones spelt nearly so."""
    names = {".".join(known): known[-1] for known, _ in sources.leaves(Settings)}
    near = [name for name, last in names.items() if last == key[-1]]
    near = near or difflib.get_close_matches(".".join(key), names, n=1, cutoff=0.7)
    return f"; did you mean {' or '.join(near)}?" if near else ""
