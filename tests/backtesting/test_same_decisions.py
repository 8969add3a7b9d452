"""Live, replay and backtest decide the same, to the last bit."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from datasets import synthesis
from datasets.events import Events
from profiles import layout
from profiles.memory_store import MemoryStore
from sentinel_cli.backtesting import topic
from sentinel_cli.backtesting.decisions import Decisions, decide
from sentinel_cli.backtesting.transactions import Transactions, of_events
from sentinel_cli.engine import scorecard, severity
from sentinel_cli.engine.scorecard import Scorecard
from sentinel_cli.records import Alert, Label
from sentinel_cli.streaming import replay_json
from sentinel_cli.streaming.alerts import alert_id
from sentinel_cli.streaming.codec import Decoder
from sentinel_cli.streaming.worker import Plan, Worker
from tests.backtesting import made
from tests.fakes import FakeClock, Log, MemorySink, MemorySource, Now

PARTITIONS = 3
FEATURES = ("C1", "D2", "V258")
# Factors on the records' own features too: numbers and gaps have to survive both ways.
CARD = scorecard.parse(
    scorecard.load().text
    + "".join(
        f'\n[[factor]]\nfeature = "features.{name}"\ncuts = [1, 3.5, 100]\n'
        f"points = [0.0, 0.1, 0.3, -0.2]\nmissing = {missing}\n"
        for name, missing in zip(FEATURES, (0.05, -0.1, 0.15), strict=True)
    ),
    "with features",
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("same") / "file.parquet"
    synthesis.run(4_000, path, seed=5)
    return path


@pytest.fixture(scope="module")
def events(file: Path) -> Events:
    return made.read(file, FEATURES)


class Live:
    """The real worker loop over what `sentinel replay` sends, in memory."""

    def __init__(self, events: Events, card: Scorecard, threshold: float) -> None:
        self.log, self.store, clock = Log(), MemoryStore(), FakeClock()
        keys, values = replay_json.transactions(events)
        for key, value in zip(keys, values, strict=True):
            self.log.append("transactions", hash(key) % PARTITIONS, value, key=key)
        source = MemorySource(self.log, "transactions", clock)
        source.decoder = Decoder(card.record_features)
        source.chunk = 170
        Worker(
            Plan("transactions", "fraud-alerts", "transactions.dlq", threshold, batch_size=400),
            source, MemorySink(self.log, clock), self.store, clock, Now(), card, severity.load(),
        ).run(until_end=True)  # fmt: skip

    def alerts(self) -> dict[str, float]:
        """Score by alert."""
        decoded = (msgspec.json.decode(v, type=Alert) for v in self.log.values("fraud-alerts") if v)
        return {alert.alert_id: alert.fraud_score for alert in decoded}

    def profiles(self) -> dict[str, bytes]:
        return {user: row for (_, user), row in self.store.rows.items()}


def alerts(of: Transactions, decisions: Decisions) -> dict[str, float]:
    ids, time = of.ids.to_pylist(), of.rows["time"].tolist()
    return {alert_id(ids[at], time[at]): float(decisions.score[at]) for at in np.flatnonzero(decisions.alert)}


def profiles(of: Transactions, decisions: Decisions) -> dict[str, bytes]:
    return dict(zip(of.users.to_pylist(), layout.to_bytes(decisions.profiles), strict=True))


@pytest.mark.parametrize("threshold", [0.3, 0.05, 0.0])
def test_a_file_is_judged_as_live_decides_on_its_replay(events: Events, threshold: float) -> None:
    """At a threshold of 0 everything is an alert, so every score of the matrix is held."""
    live = Live(events, CARD, threshold)
    of = of_events("file", events)
    decisions = decide(of, CARD, threshold)
    found = alerts(of, decisions)
    assert found == live.alerts()
    assert len(found) == 4_000 if threshold == 0.0 else 10 < len(found) < 4_000
    assert profiles(of, decisions) == live.profiles()


@pytest.mark.parametrize("threshold", [0.3, 0.0])
def test_a_topic_is_judged_as_the_file_that_was_replayed_to_it(events: Events, threshold: float) -> None:
    by_partition = defaultdict(list)
    for key, value in zip(*replay_json.transactions(events), strict=True):
        by_partition[hash(key) % PARTITIONS].append(value)
    decoder, id_of = Decoder(CARD.record_features), msgspec.json.Decoder(topic._Id).decode
    values = [value for _, part in sorted(by_partition.items()) for value in part]
    parts = [
        decoder.decode(list(values[at : at + 700]), np.full(len(values[at : at + 700]), -1, np.int64))
        for at in range(0, len(values), 700)
    ]
    labels = {
        label.transaction_id: label
        for label in (msgspec.json.decode(v, type=Label) for v in replay_json.labels(events, 0)[1])
    }
    ids = [id_of(value).transaction_id for value in values]
    of = topic._joined("transactions", parts, ids, CARD.record_features, labels, 0)
    theirs = of_events("file", events)
    mine, other = decide(of, CARD, threshold), decide(theirs, CARD, threshold)
    assert alerts(of, mine) == alerts(theirs, other)
    assert profiles(of, mine) == profiles(theirs, other)
    assert of.truth.label.sum() == theirs.truth.label.sum() > 50
    assert sorted(of.truth.names) == sorted(theirs.truth.names)


def test_rows_that_live_makes_dead_letters_of_are_left_out(events: Events) -> None:
    odd = events.take(np.arange(200))
    users, ids = odd.user.to_pylist(), odd.transaction_id.to_pylist()
    users[3], users[4], ids[5], ids[6] = "", "x" * 257, "", "a\x07b"
    amount, time = odd.amount.copy(), odd.time.copy()
    amount[7], amount[8], amount[9] = -1.0, np.nan, 2e9
    time[10] = 0
    texts = dict(odd.texts)
    devices = texts["device_id"].to_pylist()
    devices[11], devices[12] = "d" * 300, "a\nb"
    texts["device_id"] = pa.array(devices)
    products = texts["product_code"].to_pylist()
    products[13] = "p" * 300
    texts["product_code"] = pa.array(products)
    odd = replace(
        odd, user=pa.array(users), transaction_id=pa.array(ids), amount=amount, time=time, texts=texts
    )
    _, values = replay_json.transactions(odd)
    decoded = Decoder(()).decode(list(values), np.full(200, -1, np.int64))
    of = of_events("odd", odd)
    assert sorted(set(range(200)) - set(decoded.good)) == list(range(3, 14))
    assert of.left_out == len(decoded.bad) == 11
    assert of.ids.to_pylist() == [ids[at] for at in decoded.good]
    assert any("11 rows are left out" in note for note in of.notes)
    np.testing.assert_array_equal(of.rows, decoded.columns.rows)
