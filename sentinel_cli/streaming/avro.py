"""Records as Avro, through a Schema Registry, for topics that other programs read and write by schema.

Purpose: with `SCHEMA_REGISTRY_URL` set, transactions and labels are written as Avro, and read whichever
way each was written: a record that begins with a byte of zero is Avro, as no JSON does.

Design: the registry's own serializers, confluent-kafka's, so that the wire format, the subjects
(`TOPIC-value`) and the rules are its own. Inside, JSON stays the only form: what arrives as Avro becomes
the JSON that says the same, before anything is looked at, and is good or bad by the same rules. Each
schema is asked for once. Alerts and responses are JSON always: an alert carries its transaction whole,
with fields that no schema of ours knows.

Not here: what a transaction is (``sentinel_cli.records``), which source reads it (``sources``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import inspect

from sentinel_cli.errors import ConfigError, RegistryUnreachable, SentinelError
from sentinel_cli.records import Label, Transaction
from sentinel_cli.streaming import faults, topics

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import SchemaRegistryClient

    from sentinel_cli.config import Settings

AVRO = b"\0"
RECORDS: dict[str, type[msgspec.Struct]] = {topics.TRANSACTIONS: Transaction, topics.LABELS: Label}
NAMES: dict[type[inspect.Type], str] = {
    inspect.StrType: "string",
    inspect.FloatType: "double",
    inspect.BoolType: "boolean",
    inspect.NoneType: "null",
}
NOT_FOUND, SERVER_FAILS = 404, 500  # HTTP

Text = Callable[[bytes], bytes]
Encode = Callable[[str, bytes], bytes]


class Unreadable(ValueError):
    """A record that is not the Avro it claims to be, in a dead letter's words."""


def reader(settings: Settings) -> Text | None:
    """From a record as it stands on its topic to JSON; None where no registry is set.

    Raises ConfigError without the extra `avro`. What it returns raises Unreadable, RegistryUnreachable, and
    SentinelError when the registry refuses.
    """
    if (client := _client(settings)) is None:
        return None
    from confluent_kafka.schema_registry.avro import AvroDeserializer

    deserialize = AvroDeserializer(client)
    # Amounts are decimals in many schemas, times are instants, and JSON has neither.
    encode = msgspec.json.Encoder(decimal_format="number").encode

    def text(value: bytes) -> bytes:
        if not value.startswith(AVRO):
            return value
        try:
            return encode(deserialize(value))
        except Exception as error:
            if refusal := _refusal(settings, error):
                raise refusal from error
            schema = int.from_bytes(value[1:5], "big")
            raise Unreadable(
                f"the record is not Avro of schema {schema}: {faults.quoted(str(error))}"
            ) from error

    return text


def texts(values: Iterable[bytes | None], text: Text) -> tuple[list[bytes | None], dict[int, str]]:
    """The JSON of each record, None for one that has none, and why that is by its position."""
    found: list[bytes | None] = []
    unreadable: dict[int, str] = {}
    for at, value in enumerate(values):
        try:
            found.append(text(value) if value else value)
        except Unreadable as error:
            found.append(None)
            unreadable[at] = str(error)
    return found, unreadable


def writer(settings: Settings) -> Encode | None:
    """From a topic's full name and JSON to the record for it; None where no registry is set.

    Raises ConfigError without the extra `avro`. What it returns raises RegistryUnreachable, and SentinelError
    when the registry refuses.
    """
    if (client := _client(settings)) is None:
        return None
    from confluent_kafka.schema_registry.avro import AvroSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    of = {
        settings.topic(name): (
            AvroSerializer(client, json.dumps(schema(record))),
            SerializationContext(settings.topic(name), MessageField.VALUE),
        )
        for name, record in RECORDS.items()
    }

    def encode(topic: str, value: bytes) -> bytes:
        serialize, context = of[topic]
        try:
            record: bytes = serialize(msgspec.json.decode(value), context)
        except Exception as error:
            if refusal := _refusal(settings, error):
                raise refusal from error
            raise
        return record

    return encode


def schema(record: type[msgspec.Struct]) -> dict[str, Any]:
    """The Avro schema of one of our records; a field that JSON may leave out has its default."""
    fields = []
    for field in msgspec.structs.fields(record):
        default = {} if field.required else {"default": field.default}
        kind = inspect.type_info(field.type)
        fields.append({"name": field.name, "type": _type(kind), **default})
    return {"type": "record", "namespace": "sentinel", "name": record.__name__, "fields": fields}


def _type(kind: inspect.Type) -> Any:
    match kind:
        case inspect.Metadata():
            return _type(kind.type)
        case inspect.DictType():
            return {"type": "map", "values": _type(kind.value_type)}
        case inspect.UnionType():  # a default is of the first
            return sorted(map(_type, kind.types), key=lambda each: each != "null")
    return NAMES[type(kind)]


def _client(settings: Settings) -> SchemaRegistryClient | None:
    url = settings.kafka.schema_registry_url
    if url is None:
        return None
    try:
        from confluent_kafka.schema_registry import SchemaRegistryClient
        from confluent_kafka.schema_registry.avro import AvroDeserializer  # noqa: F401 - or it lacks fastavro
    except ImportError as error:
        raise ConfigError(
            f"SCHEMA_REGISTRY_URL is {url}, but {error.name} is not there: install stream-sentinel[avro], "
            "or leave it unset."
        ) from error
    return SchemaRegistryClient({"url": url})


def _refusal(settings: Settings, error: Exception) -> SentinelError | None:
    """What a registry that is away, or that says no, ends a command with; None if the record is at fault."""
    from confluent_kafka.schema_registry import SchemaRegistryError

    where = f"at {settings.kafka.schema_registry_url}"
    # Of httpx or of its successor, whichever the client found.
    if type(error).__module__.partition(".")[0] in {"httpx", "httpx2"}:
        return RegistryUnreachable(
            f"Schema Registry does not answer {where} ({error}): check SCHEMA_REGISTRY_URL."
        )
    if not isinstance(error, SchemaRegistryError) or error.http_status_code == NOT_FOUND:
        return None
    kind = RegistryUnreachable if error.http_status_code >= SERVER_FAILS else SentinelError
    return kind(f"Schema Registry {where} refuses: {error.error_message} ({error.http_status_code}).")
