"""Which source runs, and that what does not fit is noticed before anything is called."""

from __future__ import annotations

from collections.abc import Callable

import confluent_kafka
import pytest
from confluent_kafka import TopicPartition

from sentinel_cli import config
from sentinel_cli.checks import machine
from sentinel_cli.errors import ConfigError
from sentinel_cli.streaming import kafka, librdkafka, sources
from sentinel_cli.streaming.librdkafka import Library, Unfit
from sentinel_cli.streaming.plain_source import PlainSource

NOWHERE = {"kafka.servers": "localhost:1"}


def test_native_where_it_can_run() -> None:
    assert sources.choose(config.load(NOWHERE)).kind == "native"
    assert sources.choose(config.load({**NOWHERE, "kafka.source": "plain"})).kind == "plain"


def test_another_version_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(librdkafka, "NEWEST", (2, 3))
    choice = sources.choose(config.load(NOWHERE))
    assert choice.kind == "plain"
    assert "confluent-kafka" in choice.why
    with pytest.raises(ConfigError, match='"native" cannot run here: confluent-kafka'):
        sources.choose(config.load({**NOWHERE, "kafka.source": "native"}))
    (finding,) = [f for f in machine.check(config.load(NOWHERE)) if f.name == "source"]
    assert finding.status == "warn"
    assert finding.detail.startswith("plain: confluent-kafka")


def test_another_library_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confluent_kafka, "libversion", lambda: ("1.0.0", 0x010000FF))
    with pytest.raises(Unfit, match="0x10000ff"):
        Library()


def test_another_handle_is_noticed() -> None:
    consumer = kafka.consumer(config.load(NOWHERE), "g")
    library = Library()
    assert library.handle(consumer, "sentinel")
    with pytest.raises(Unfit, match="sentinel#consumer"):
        library.handle(consumer, "another")
    producer = kafka.producer(config.load(NOWHERE))
    with pytest.raises(Unfit, match="Producer"):
        library.handle(producer, "sentinel")  # type: ignore[arg-type]
    consumer.close()


class Rebalancing:
    """A consumer whose group gives it a partition while it leaves."""

    def subscribe(self, _: list[str], *, on_assign: Callable[..., None], **__: object) -> None:
        self._on_assign = on_assign

    def close(self) -> None:
        self._on_assign(self, [TopicPartition("t", 0)])


class Nobody:
    """A listener that must not be told of anything."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(name)


def test_what_is_given_to_a_source_that_leaves_is_not_begun() -> None:
    """A consumer that is closing is never told its group's offset (librdkafka 2.16): to ask was to hang."""
    source: PlainSource[object] = PlainSource(Rebalancing(), "t", lambda *_: None)  # type: ignore[arg-type]
    source.open(Nobody())  # type: ignore[arg-type]
    source.close()
