"""Every setting: its name, its default, and what it may be.

Purpose: one model. Precedence, highest first: flags, environment, the chosen profile, the file, the
addresses of the running local stack, the defaults below. A wrong value is one sentence that names
the setting, where the value came from, and what is allowed.

Design: pydantic validates, pydantic-settings merges the ``layers``. The last text among a
type's annotations says what is allowed; errors and the written sentinel.toml both take it.

Not here: reading the environment (`sources`) or a file (`config_file`), making a client of Kafka or
Redis from what was read.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from sentinel_cli import sources
from sentinel_cli.config_file import File, Profile
from sentinel_cli.errors import ConfigError

MASK = "********"
DEFAULT = "default"  # the origin of what nothing else set
# Names of librdkafka's and redis-py's settings whose values nobody should see.
_SECRET_NAME = re.compile(r"password|secret|token|jaas|ssl[._]key(\.pem)?$|oauthbearer\.config")
_URL_PASSWORD = re.compile(r"(://[^:/@]*):[^@/]*@")


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _property(value: object) -> object:
    """For librdkafka, which takes text; TOML has numbers and booleans too."""
    return str(value).lower() if isinstance(value, bool | int | float) else value


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


Text = Annotated[str, "text"]
OptionalText = Annotated[str | None, "text"]
Name = Annotated[str, Field(min_length=1, max_length=255), "a name of 1 to 255 characters"]
Count = Annotated[int, Field(ge=1), "a whole number of at least 1"]
Database = Annotated[int, Field(ge=0), "a whole number of at least 0"]
Milliseconds = Annotated[int, Field(ge=1, le=60_000), "milliseconds from 1 to 60000"]
Port = Annotated[int, Field(ge=1, le=65_535), "a port from 1 to 65535"]
Score = Annotated[float, Field(ge=0, le=1), "a number from 0 to 1"]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False), "a number of at least 0"]
Days = Annotated[float | None, Field(ge=0, allow_inf_nan=False), "a number of days"]
Switch = Annotated[bool, "true or false"]
FilePath = Annotated[Path | None, "the path of a file"]
Secret = Annotated[SecretStr | None, "text"]
_SERVER = r"\s*(\w+://)?(\[[0-9A-Fa-f:.]+\]|[^\s,:/\[\]]+)(:\d{1,5})?\s*"
Servers = Annotated[
    str, Field(pattern=rf"^{_SERVER}(,{_SERVER})*$"), "host:port, several separated by commas"
]
Url = Annotated[str | None, Field(pattern=r"^https?://\S+$"), "a URL that begins with http:// or https://"]
# Kafka allows these characters in a topic's name, and 249 of them.
Prefix = Annotated[
    str,
    Field(pattern=r"^([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)?$", max_length=200),
    "letters, digits, '-' and '_', with single dots between them",
]
LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
    BeforeValidator(_upper),
    "DEBUG, INFO, WARNING, ERROR or CRITICAL",
]
Environment = Annotated[Literal["development", "staging", "production"], "development, staging or production"]
Delivery = Annotated[Literal["idempotent", "transactional"], "idempotent or transactional"]
Source = Annotated[Literal["auto", "native", "plain"], "auto, native or plain"]
Properties = Annotated[dict[str, Annotated[str, BeforeValidator(_property)]], "text, a number, true or false"]
Options = Annotated[dict[str, Any], "a table"]


class Table(BaseModel):
    """A table of the settings file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(Table):
    """Apache Kafka. Every key that is not below goes to librdkafka: "security.protocol" = "SASL_SSL"."""

    servers: Servers = Field("localhost:9092", description="Kafka's bootstrap servers.")
    debug: Text = Field("", description="librdkafka's debug contexts, as in 'broker,topic'.")
    schema_registry_url: Url = Field(
        None,
        description="With it transactions travel as Avro, else as JSON.",
        examples=["http://localhost:8081"],
    )
    source: Source = Field(
        "auto", description="How detectors read: native (fast), plain, or auto: native where it can run."
    )
    properties: Properties = Field({}, repr=False)


class RedisSettings(Table):
    """Redis or Valkey. Every key that is not below goes to redis-py: socket_timeout = 2.5."""

    host: Name = Field("localhost", description="Host of Redis or Valkey.")
    port: Port = Field(6379, description="Port of Redis or Valkey.")
    db: Database = Field(0, description="Number of the database.")
    username: OptionalText = Field(
        None, description="User, where access control lists name some.", examples=["sentinel"]
    )
    password: Secret = Field(
        None, description="Better in the environment, or in a file: password_file.", examples=["sesame"]
    )
    ssl: Switch = Field(default=False, description="Whether to speak TLS.")
    cluster: Switch = Field(default=False, description="Whether the host is a node of a Redis Cluster.")
    options: Options = Field({}, repr=False)


class DetectSettings(Table):
    """The workers of `sentinel detect`."""

    batch_size: Count = Field(100_000, description="Most records of one partition between two saves.")
    max_poll_records: Count = Field(10_000, description="Most records that one poll takes.")
    save_interval_ms: Milliseconds = Field(100, description="Longest time between two saves.")
    save_profiles: Count = Field(
        6_000, description="Changed profiles that make a save due earlier; more wait for it."
    )
    profile_cache: Count = Field(1_000_000, description="Profiles that one worker keeps in memory.")
    expire_days: Days = Field(
        None,
        description="Days without a transaction after which a profile goes, 0 for never; not set, as "
        "long as Kafka keeps transactions.",
        examples=[90],
    )
    scorecard: FilePath = Field(
        None, description="Scorecard instead of the packaged one.", examples=["scorecard.toml"]
    )


class RespondSettings(Table):
    """The workers of `sentinel respond`."""

    policy: FilePath = Field(
        None, description="Policy instead of the packaged one.", examples=["policy.toml"]
    )
    batch_size: Count = Field(1_000, description="Most alerts between two saves.")


class CostSettings(Table):
    """What decisions cost, in units of currency; `sentinel backtest` adds them up."""

    review: Price = Field(5.0, description="What looking at one alert costs.")
    declined: Score = Field(0.1, description="Part of a declined honest purchase's amount that is lost.")
    chargeback: Price = Field(25.0, description="Fee of one missed fraud, beside its amount.")


class Settings(BaseSettings):
    """All settings, read-only. A program gives its own as flags: ``Settings(prefix="staging")``."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    env: Environment = Field("development", description="What this is; decides how long topics are kept.")
    prefix: Prefix = Field("", description="Put before every topic and Redis key.")
    log_level: LogLevel = Field("INFO", description="The least severe messages that are logged.")
    fraud_threshold: Score = Field(0.3, description="Score from which on a transaction is an alert.")
    delivery: Delivery = Field(
        "idempotent", description="Whether a crash may repeat an alert, with the same id, on its topic."
    )
    consumer_group: Name = Field("sentinel", description="Consumer group of the workers.")
    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    detect: DetectSettings = DetectSettings()
    respond: RespondSettings = RespondSettings()
    costs: CostSettings = CostSettings()
    # Where to look for the rest: these come from flags and the environment, never from a file.
    home: Annotated[Path, AfterValidator(_absolute), "the path of a folder"] = Field(
        default_factory=sources.default_home
    )
    config: FilePath = None
    profile: OptionalText = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Our layers instead of pydantic-settings' own."""
        return layers(settings_cls, init_settings())

    def topic(self, name: str) -> str:
        """The topic as Kafka knows it: "staging.transactions" for the prefix "staging"."""
        return f"{self.prefix}.{name}" if self.prefix else name

    @property
    def redis_prefix(self) -> str:
        """What every Redis key begins with."""
        return self.prefix or "sentinel"


def layers(settings_cls: type[BaseSettings], flags: Mapping[str, Any]) -> tuple[sources.Source, ...]:
    """Every source, highest first: this is the precedence. ``flags`` as nested tables."""
    file = File(settings_cls, flags.get("config"))
    return (
        sources.Flags(settings_cls, flags),
        sources.Environment(settings_cls),
        Profile(settings_cls, file, flags.get("profile")),
        file,
        sources.LocalStack(settings_cls, flags.get("home")),
    )


class Setting(NamedTuple):
    """One line of `sentinel config show`: dotted name, value with secrets masked, where it came from."""

    name: str
    value: object
    origin: str


def load(flags: Mapping[str, object] | None = None) -> Settings:
    """Merge and validate. ``flags`` by dotted name, {"kafka.servers": "…"}. Raises ConfigError."""
    given = _nested(flags or {})
    try:
        return Settings(**given)
    except ValidationError as error:
        found = _found(given)
        raise ConfigError("\n".join(_sentence(each, found) for each in error.errors())) from error


def explain(flags: Mapping[str, object] | None = None) -> list[Setting]:
    """Every setting, its value with secrets masked, and where that came from. Raises ConfigError."""
    settings = load(flags)
    found = _found(_nested(flags or {}))
    return [
        Setting(_name(key), _shown(key, value), found[key].origin if key in found else DEFAULT)
        for key, value in _values(settings)
    ]


def allowed(key: sources.Key) -> str:
    """What a setting may be, in the words of its type; "a table" for what is no single setting."""
    fields = dict(sources.leaves(Settings))
    field = fields.get(key) or fields.get(key[:-1])
    if field is None:
        return "a table"
    return next(each for each in reversed(field.metadata) if isinstance(each, str))


def _nested(flags: Mapping[str, object]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in flags.items():
        table, _, last = name.rpartition(".")
        (nested.setdefault(table, {}) if table else nested)[last] = value
    return nested


def _found(flags: Mapping[str, Any]) -> sources.Values:
    """What the layers found, the highest of each setting."""
    found: sources.Values = {}
    for source in reversed(layers(Settings, flags)):
        found |= source.find()
    return found


def _values(settings: Settings) -> Iterator[tuple[sources.Key, object]]:
    """Every value by its path; what is passed through, a path each."""
    for key, _ in sources.leaves(Settings):
        value: Any = settings
        for name in key:
            value = getattr(value, name)
        if isinstance(value, dict):
            yield from (((*key, name), each) for name, each in value.items())
        else:
            yield key, value


def _name(key: sources.Key) -> str:
    """As it is written in the file: ("kafka", "properties", "sasl.username") is kafka.sasl.username."""
    passed = len(key) > 2 and sources.PASSED_THROUGH.get(key[0]) == key[1]
    return ".".join((key[0], *key[2:]) if passed else key)


def _shown(key: sources.Key, value: object) -> object:
    if isinstance(value, SecretStr) or (value and _SECRET_NAME.search(key[-1])):
        return MASK
    return _URL_PASSWORD.sub(rf"\1:{MASK}@", value) if isinstance(value, str) else value


def _sentence(error: ErrorDetails, found: sources.Values) -> str:
    key = tuple(str(part) for part in error["loc"])
    given, origin = found.get(key, sources.Found(error["input"], "given by the program"))
    if error["type"] == "extra_forbidden":
        return f"{origin}: there is no setting {_name(key)}{_similar(key)}"
    value = _shown(key, given)
    return f"{_name(key)} must be {allowed(key)}, not {value!r} ({origin}){_hint(value)}."


def _similar(key: sources.Key) -> str:
    """The settings of that name elsewhere, else the one spelt nearly so."""
    names = {_name(known): known[-1] for known, _ in sources.leaves(Settings)}
    near = [name for name, last in names.items() if last == key[-1]]
    near = near or difflib.get_close_matches(_name(key), names, n=1, cutoff=0.7)
    return f"; did you mean {' or '.join(near)}?" if near else "; `sentinel config show` lists them."


def _hint(value: object) -> str:
    if isinstance(value, str) and value.startswith("tcp://"):
        return "; Kubernetes sets this for a Service of that name: give the pod enableServiceLinks: false"
    return ""
