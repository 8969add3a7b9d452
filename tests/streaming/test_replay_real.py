"""`sentinel replay` on a real broker: what it reports is there, in order, once, also when it was stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from datasets import events, synthesis
from datasets.events import Events, Reading
from sentinel_cli.records import Label, Transaction
from tests.topic import read

if TYPE_CHECKING:
    from sentinel_cli.config import Settings

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("replay") / "synthetic.parquet"
    synthesis.run(3_000, path, seed=5)
    return path


@pytest.fixture(scope="module")
def expected(file: Path) -> Events:
    return events.read(file, Reading())


def sentinel(settings: Settings, *arguments: str) -> subprocess.Popen[str]:
    address = {
        "KAFKA_SERVERS": settings.kafka.servers,
        "SENTINEL_PREFIX": settings.prefix,
        "SENTINEL_HOME": str(settings.home),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "sentinel_cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | address,
    )


def summary(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return dict(json.loads(out))


def assert_once_and_in_order(settings: Settings, expected: Events) -> None:
    """Every transaction and every label once; a user's transactions in the order of their time."""
    transactions = [
        msgspec.json.decode(message.value() or b"", type=Transaction)
        for message in read(settings, "transactions")
    ]
    assert sorted(t.transaction_id for t in transactions) == sorted(expected.transaction_id.to_pylist())
    assert in_order([(t.user_id, t.timestamp) for t in transactions])
    labels = [msgspec.json.decode(message.value() or b"", type=Label) for message in read(settings, "labels")]
    assert sorted(each.transaction_id for each in labels) == sorted(expected.transaction_id.to_pylist())
    assert sum(each.is_fraud for each in labels) == expected.label.sum()
    assert {each.scenario for each in labels} == set(expected.scenario.to_pylist())


def in_order(moments: Sequence[tuple[str, str]]) -> bool:
    latest: dict[str, str] = {}
    for user, moment in moments:
        if moment < latest.get(user, ""):
            return False
        latest[user] = moment
    return True


def test_a_whole_file(settings: Settings, file: Path, expected: Events) -> None:
    told = summary(sentinel(settings, "replay", str(file), "--label-delay", "30d", "--json"))
    assert (told["produced"], told["labels"], told["ended"]) == (3_000, 3_000, "end")
    assert told["tps"] > 0
    assert_once_and_in_order(settings, expected)


def test_stopped_by_a_signal_and_resumed(settings: Settings, file: Path, expected: Events) -> None:
    days = (expected.time[-1] - expected.time[0]) / events.DAY
    options = ["replay", str(file), "--speed", str(86_400 * days / 6), "--label-delay", "1d", "--json"]
    process = sentinel(settings, *options)
    while not read_if_there(settings):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    first = summary(process)
    assert first["ended"] == "stopped"
    assert 0 < first["produced"] < 3_000
    rest = summary(sentinel(settings, "replay", str(file), "--label-delay", "1d", "--resume", "--json"))
    assert first["produced"] + rest["produced"] == 3_000
    assert first["labels"] + rest["labels"] == 3_000
    assert_once_and_in_order(settings, expected)


def read_if_there(settings: Settings) -> bool:
    from sentinel_cli.streaming import kafka

    there = kafka.reachable(settings).topics
    return settings.topic("transactions") in there and bool(read(settings, "transactions"))
