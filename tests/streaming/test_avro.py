"""Records as Avro: the same transactions as in JSON, bad ones set aside, a registry that is away named."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import fastavro
import msgspec
import numpy as np
import pytest

from sentinel_cli import config
from sentinel_cli.config import Settings
from sentinel_cli.errors import ConfigError, RegistryUnreachable, SentinelError
from sentinel_cli.records import Label, Transaction
from sentinel_cli.streaming import avro, sources
from sentinel_cli.streaming.avro import Encode, Text
from sentinel_cli.streaming.codec import Decoder
from sentinel_cli.streaming.columnar import Columnar
from tests import registry as registries
from tests.registry import Registry

NOW = 1_756_000_000_000


@pytest.fixture
def registry() -> Iterator[Registry]:
    with registries.running() as registry:
        yield registry


@pytest.fixture
def settings(registry: Registry) -> Settings:
    return config.load({"prefix": "staging", "kafka.schema_registry_url": registry.url})


@pytest.fixture
def text(settings: Settings) -> Text:
    found = avro.reader(settings)
    assert found
    return found


@pytest.fixture
def encode(settings: Settings) -> Encode:
    found = avro.writer(settings)
    assert found
    return found


TRANSACTIONS = [
    Transaction(
        transaction_id=f"T{number}",
        user_id=f"user_\u00e9_{number % 3}",
        timestamp="2025-08-24T00:00:00.123456Z",
        amount=[0.0, 12.34, 1e9][number % 3],
        country=["", "FR"][number % 2],
        features=[None, {}, {"V1": 2.5, "V2": None}][number % 3],
    )
    for number in range(12)
]


def in_json(transaction: Transaction) -> bytes:
    return msgspec.json.encode(transaction)


def test_what_was_written_is_read(registry: Registry, text: Text, encode: Encode) -> None:
    for transaction in TRANSACTIONS:
        record = encode("staging.transactions", in_json(transaction))
        assert record.startswith(b"\0")
        assert msgspec.json.decode(text(record), type=Transaction) == transaction
    label = Label("T1", "user", True, "rapid_fire", "e1", "2025-08-24T00:00:00Z")
    record = encode("staging.labels", msgspec.json.encode(label))
    assert msgspec.json.decode(text(record), type=Label) == label
    assert set(registry.subjects) == {"staging.transactions-value", "staging.labels-value"}
    assert len(registry.asked) == 6  # of each topic: how it is associated, its schema written and read


def test_fields_that_were_left_out_have_the_defaults_that_json_has(text: Text, encode: Encode) -> None:
    least = b'{"transaction_id":"T","user_id":"u","timestamp":"2025-08-24T00:00:00Z","amount":5}'
    made = msgspec.json.decode(text(encode("staging.transactions", least)), type=Transaction)
    assert made == msgspec.json.decode(least, type=Transaction)


def test_json_is_left_as_it_is(registry: Registry, text: Text) -> None:
    assert text(b'{"amount": 1.50 }') == b'{"amount": 1.50 }'
    assert not registry.asked


# As a bank might have it: decimals, instants, a field that nobody here knows.
THEIRS: dict[str, Any] = {
    "type": "record",
    "name": "CardPayment",
    "fields": [
        {"name": "transaction_id", "type": "string"},
        {"name": "user_id", "type": "string"},
        {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
        {"name": "booked_by", "type": ["null", "string"], "default": None},
    ],
}


def theirs(registry: Registry, **fields: object) -> bytes:
    number = registry.register("payments-value", {"schema": json.dumps(THEIRS)})["id"]
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(THEIRS), fields)
    return b"\0" + int(number).to_bytes(4, "big") + body.getvalue()


def test_another_producers_schema(registry: Registry, text: Text) -> None:
    when = datetime(2025, 8, 24, 1, 2, 3, 4, tzinfo=UTC)
    record = theirs(registry, transaction_id="T", user_id="u", timestamp=when, amount=Decimal("1234.50"))
    decoded = Decoder(()).decode([text(record)], np.array([NOW + 86_400_000], np.int64))
    assert not decoded.bad
    assert decoded.users == ["u"]
    (row,) = decoded.columns.rows
    assert (row["amount"], row["time"]) == (1234.5, int(when.timestamp()) * 1_000_000 + 4)


class Stands:
    """A message at its offset."""

    def __init__(self, offset: int, value: bytes | None) -> None:
        self._offset, self._value = offset, value

    def offset(self) -> int:
        return self._offset

    def value(self) -> bytes | None:
        return self._value

    def key(self) -> bytes:
        return b"key"

    def timestamp(self) -> tuple[int, int]:
        return 1, NOW


def test_bad_records_are_set_aside_with_the_bytes_they_came_with(text: Text, encode: Encode) -> None:
    plain = [in_json(each) for each in TRANSACTIONS]
    good = [encode("staging.transactions", each) for each in plain]
    negative = encode("staging.transactions", in_json(msgspec.structs.replace(TRANSACTIONS[0], amount=-1.0)))
    bad = {
        b"\0\0\0\x03\xe7abc": "not Avro of schema 999: 'Schema not found",
        good[0][:20]: "not Avro of schema 1",
        b"\0": "not Avro of schema 0",
        negative: "$.amount",
        b"\0" * 40: "not Avro of schema 0",
    }
    values = [*good[:4], *bad, None, *plain[4:8], *good[8:]]
    messages: Any = [Stands(offset, value) for offset, value in enumerate(values)]
    make = Columnar(Decoder(("V1",)), text=text)
    batch = make(0, messages, len(values))
    reference = Columnar(Decoder(("V1",)))
    pure: Any = [Stands(offset, value) for offset, value in enumerate(plain)]
    np.testing.assert_array_equal(batch.columns.rows, reference(0, pure, 12).columns.rows)
    np.testing.assert_array_equal(batch.columns.extra, reference(0, pure, 12).columns.extra)
    assert [msgspec.json.decode(batch.values[at], type=Transaction) for at in range(12)] == TRANSACTIONS
    assert [each.value for each in batch.poison] == [*bad, None]
    for poison, reason in zip(batch.poison, bad.values(), strict=False):
        assert reason in poison.reason
        assert poison.reason.isprintable()


def test_a_registry_that_is_away_is_no_fault_of_the_record(
    registry: Registry, text: Text, encode: Encode
) -> None:
    record = encode("staging.transactions", in_json(TRANSACTIONS[0]))
    registry.refuses = 403
    with pytest.raises(SentinelError, match="refuses: not for you"):
        text(record)
    with pytest.raises(SentinelError, match="refuses"):
        encode("staging.labels", b"{}")
    registry.refuses = 0
    nowhere = avro.reader(config.load({"kafka.schema_registry_url": "http://127.0.0.1:1"}))
    assert nowhere
    with pytest.raises(RegistryUnreachable, match=r"127\.0\.0\.1:1.*SCHEMA_REGISTRY_URL"):
        nowhere(record)
    assert msgspec.json.decode(text(record), type=Transaction) == TRANSACTIONS[0]


def test_without_a_registry_there_is_only_json() -> None:
    alone = config.load({})
    assert avro.reader(alone) is None
    assert avro.writer(alone) is None


def test_without_the_libraries_one_sentence_says_what_to_install(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("confluent_kafka.schema_registry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastavro", None)
    with pytest.raises(ConfigError, match=r"fastavro is not there.*stream-sentinel\[avro\]"):
        avro.reader(settings)


def test_detectors_read_avro_from_the_plain_source(settings: Settings) -> None:
    choice = sources.choose(settings)
    assert (choice.kind, bool(choice.text)) == ("plain", True)
    kafka = settings.kafka.model_copy(update={"source": "native"})
    with pytest.raises(ConfigError, match="may be Avro"):
        sources.choose(settings.model_copy(update={"kafka": kafka}))
