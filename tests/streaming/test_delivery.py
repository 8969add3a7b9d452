"""Delivery while no broker answers; what a broker acknowledges and refuses is in test_produce_real."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from sentinel_cli import config
from sentinel_cli.streaming import delivery
from sentinel_cli.streaming.delivery import BULK, Delivery

if TYPE_CHECKING:
    from sentinel_cli.config import Settings


@pytest.fixture
def nowhere() -> Settings:
    return config.load({"kafka.servers": "127.0.0.1:1"})


def test_what_no_broker_took_has_failed(nowhere: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "PATIENCE_AT_STOP_S", 0.2)
    stop = threading.Event()
    sender = Delivery(nowhere, stop)
    assert sender.send("transactions", [b"k"] * 10, [b"v"] * 10) == 10
    assert sender.send("labels", [b"k"] * 3, [b"v"] * 3) == 3
    stop.set()
    sender.finish()
    assert (sender.acknowledged("transactions"), sender.acknowledged("labels")) == (0, 0)
    assert sender.failed() == 13
    assert sender.reason


def test_a_full_queue_holds_the_sender_back_until_a_stop(
    nowhere: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PATIENCE_AT_STOP_S", 0.2)
    monkeypatch.setitem(BULK, "queue.buffering.max.messages", 100)
    stop = threading.Event()
    sender = Delivery(nowhere, stop)
    threading.Timer(0.2, stop.set).start()
    assert sender.send("transactions", [b"k"] * 1_000, [b"v"] * 1_000) == 100
    assert stop.is_set()
    sender.finish()
    assert sender.failed() == 100
