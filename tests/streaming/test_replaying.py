"""Replay over a Kafka in memory: order, pace, labels in due time, and going on where it stopped."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from datasets.columns import NO_LABEL
from datasets.events import Events
from sentinel_cli.records import Label, Transaction
from sentinel_cli.streaming import replay_json, replay_position
from sentinel_cli.streaming.codec import Decoder
from sentinel_cli.streaming.replay_position import Position
from sentinel_cli.streaming.replaying import SECOND, Order, Replay, Summary

START = 1_512_086_400 * SECOND


def events(seconds: list[float], **more: Any) -> Events:
    n = len(seconds)
    fields: dict[str, Any] = {
        "kind": "test",
        "row": np.arange(n),
        "time": START + (np.array(seconds) * SECOND).astype(np.int64),
        "user": pa.array([f"u{i % 3}" for i in range(n)]),
        "transaction_id": pa.array([str(i) for i in range(n)]),
        "amount": np.arange(n) + 0.1,
        "texts": {"product_code": pa.array([None if i % 2 else "W" for i in range(n)], pa.string())},
        "constants": {"currency": "EUR"},
        "label": np.array([i % 4 == 0 for i in range(n)], np.int8),
        "scenario": pa.array(["theft"] * n),
        "episode": pa.array(["E1"] * n),
        "features": pa.table({}),
        "notes": [],
    }
    return Events(**fields | more)


class Clock:
    """Time passes only while somebody waits."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Stop(threading.Event):
    """Waiting for a stop lets time pass; it comes by itself after so many waits."""

    def __init__(self, clock: Clock, after: int | None = None) -> None:
        super().__init__()
        self.clock, self.waits, self.after = clock, 0, after

    def wait(self, timeout: float | None = None) -> bool:
        self.clock.now += timeout or 0
        self.waits += 1
        if self.waits == self.after:
            self.set()
        return self.is_set()


class Delivered:
    """What a broker acknowledged, with the moment it was sent; it refuses what is beyond ``most`` records."""

    def __init__(self, clock: Clock, most: float = np.inf) -> None:
        self.clock, self.most, self.reason = clock, most, "refused"
        self.records: dict[str, list[tuple[float, bytes]]] = {"transactions": [], "labels": []}
        self.order: list[tuple[str, int]] = []  # topic, and how many were sent to it before

    def send(self, topic: str, _: list[bytes], values: list[bytes]) -> int:
        so_far = len(self.records[topic])
        self.order += [(topic, so_far + i) for i in range(len(values))]
        self.records[topic] += [(self.clock.now, value) for value in values]
        return len(values)

    def serve(self) -> None:
        pass

    def finish(self) -> None:
        pass

    def failed(self) -> int:
        return max(int(sum(map(len, self.records.values())) - self.most), 0) if np.isfinite(self.most) else 0

    def acknowledged(self, topic: str) -> int:
        return len(self.records[topic])


class Run:
    """One replay in memory."""

    def __init__(
        self, what: Events, order: Order, place: Path, at: Position | None = None, after: int | None = None
    ) -> None:
        self.clock = Clock()
        self.kafka = Delivered(self.clock)
        self.stop = Stop(self.clock, after)
        names = ("transactions", "labels")
        delivery: Any = self.kafka
        self.replay = Replay(
            delivery, names, what, order, self.stop, place, at or Position(), clock=self.clock
        )

    def run(self) -> Summary:
        return self.replay.run()

    def transactions(self) -> list[Transaction]:
        return [
            msgspec.json.decode(value, type=Transaction) for _, value in self.kafka.records["transactions"]
        ]

    def labels(self) -> list[Label]:
        return [msgspec.json.decode(value, type=Label) for _, value in self.kafka.records["labels"]]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "replays" / "one.json"


def test_every_transaction_and_its_label_arrive_in_order(place: Path) -> None:
    run = Run(events([0, 1, 1, 5]), Order(), place)
    summary = run.run()
    assert (summary.produced, summary.labels, summary.ended, summary.labels_to_come) == (4, 4, "end", 0)
    first, second = run.transactions()[:2]
    assert first == Transaction("0", "u0", "2017-12-01T00:00:00Z", 0.1, currency="EUR", product_code="W")
    assert (second.amount, second.product_code, second.timestamp) == (1.1, "", "2017-12-01T00:00:01Z")
    assert [label.is_fraud for label in run.labels()] == [True, False, False, False]
    assert [label.scenario for label in run.labels()] == ["theft", "", "", ""]
    assert run.labels()[0].episode_id == "E1"


def test_a_detector_reads_what_was_in_the_file(place: Path) -> None:
    """Amounts keep every digit, and times every microsecond."""
    what = events([0, 0.000001], amount=np.array([0.1 + 0.2, 1e9 / 7]))
    run = Run(what, Order(), place)
    run.run()
    decoded = Decoder(()).decode([value for _, value in run.kafka.records["transactions"]], np.full(2, -1))
    assert decoded.bad == []
    assert decoded.columns.rows["amount"].tolist() == what.amount.tolist()
    assert decoded.columns.rows["time"].tolist() == what.time.tolist()


def test_transactions_never_say_what_is_true_of_them(place: Path) -> None:
    run = Run(events(list(range(8))), Order(), place)
    run.run()
    for _, value in run.kafka.records["transactions"]:
        assert not {"is_fraud", "scenario", "episode_id"} & set(msgspec.json.decode(value))


def test_at_a_pace_everything_comes_in_its_time(place: Path) -> None:
    run = Run(events([0, 10, 10, 600]), Order(speed=10, label_delay=20 * SECOND), place)
    run.run()
    sent = [round(moment - 100, 2) for moment, _ in run.kafka.records["transactions"]]
    assert sent == [0, 1, 1, 60]
    # The first three labels are due 20 s of event time later; the last one's event time is over.
    assert [round(moment - 100, 2) for moment, _ in run.kafka.records["labels"]] == [2, 3, 3, 60]
    assert run.labels()[0].labelled_at == "2017-12-01T00:00:20Z"


def test_unpaced_labels_wait_for_event_time_too(place: Path) -> None:
    n = 10_000
    run = Run(events(list(range(n))), Order(label_delay=3_000 * SECOND), place)
    summary = run.run()
    assert (summary.produced, summary.labels) == (n, n)
    order = run.kafka.order
    for label in range(0, n, 1_000):
        sent_before = order[: order.index(("labels", label))]
        assert ("transactions", min(label + 3_000, n - 1)) in sent_before
        assert ("transactions", min(label + 3_000 + 2 * 4_096, n)) not in sent_before


@pytest.mark.parametrize("limit", [0, 1, 3, 4, 9])
def test_a_limit(limit: int, place: Path) -> None:
    run = Run(events([0, 1, 2, 3]), Order(limit=limit), place)
    assert run.run().produced == min(limit, 4)
    assert len(run.labels()) == min(limit, 4)


def test_a_loop_goes_on_with_new_ids_on_the_next_days(place: Path) -> None:
    run = Run(events([0, 3_600 * 30]), Order(loop=True, limit=5), place)
    assert run.run().ended == "limit"
    assert [t.transaction_id for t in run.transactions()] == ["0", "1", "0-1", "1-1", "0-2"]
    times = [t.timestamp for t in run.transactions()]
    assert times == sorted(times)
    assert times[2] == "2017-12-03T00:00:00Z"
    assert [label.transaction_id for label in run.labels()] == ["0", "1", "0-1", "1-1", "0-2"]


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("waits", range(1, 12))
def test_what_was_stopped_goes_on(waits: int, loop: bool, place: Path) -> None:
    """Stopped at any wait and resumed, every record is there once and in order."""
    what = events([0, 10, 11, 40, 41, 100])
    order = Order(2_000 if loop else 5, 9 if loop else None, loop, label_delay=30 * SECOND)
    whole = Run(what, order, place)
    whole.run()
    first = Run(what, order, place, after=waits)
    ended = first.run()
    assert ended.ended in {"stopped", "end", "limit"}
    left = Order(order.speed, 9 - ended.produced if loop else None, loop, order.label_delay)
    rest = Run(what, left, place, replay_position.load(place))
    rest.run()
    for topic in ("transactions", "labels"):
        both = [value for run in (first, rest) for _, value in run.kafka.records[topic]]
        assert both == [value for _, value in whole.kafka.records[topic]]


def test_a_finished_replay_resumes_with_nothing(place: Path) -> None:
    what = events([0, 1])
    Run(what, Order(), place).run()
    again = Run(what, Order(), place, replay_position.load(place)).run()
    assert (again.produced, again.labels, again.event_time, again.ended) == (0, 0, None, "end")


def test_a_refusal_moves_no_position(place: Path) -> None:
    run = Run(events([0, 1]), Order(), place)
    run.kafka.most = 1
    summary = run.run()
    assert (summary.ended, summary.failed, summary.reason) == ("failed", 3, "refused")
    assert replay_position.load(place) is None


def test_what_has_no_label_gets_none(place: Path) -> None:
    run = Run(events([0, 1, 2], label=np.array([1, NO_LABEL, 0], np.int8)), Order(), place)
    assert run.run().labels == 2
    assert [label.transaction_id for label in run.labels()] == ["0", "2"]


def test_features_are_the_numbers_that_a_row_has(place: Path) -> None:
    table = pa.table({"V1": pa.array([1, None], pa.int8()), "id-8": pa.array([None, 0.1], pa.float64())})
    _, values = replay_json.transactions(events([0, 1], features=table))
    assert [msgspec.json.decode(value)["features"] for value in values] == [{"V1": 1}, {"id-8": 0.1}]


def test_the_place_follows_from_content_and_options(tmp_path: Path) -> None:
    one, same, other = (tmp_path / name for name in ("one", "same", "other"))
    one.write_bytes(b"a" * 100)
    same.write_bytes(b"a" * 100)
    other.write_bytes(b"b" * 100)
    assert replay_position.place(tmp_path, one, "x") == replay_position.place(tmp_path, same, "x")
    different = {replay_position.place(tmp_path, f, o) for f in (one, other) for o in ("x", "y")}
    assert len(different) == 4
