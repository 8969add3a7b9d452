from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast, get_args, get_type_hints

import pytest

from datasets.traffic import SCENARIO_NAMES
from sentinel_cli.errors import UsageError
from sentinel_cli.records import rfc3339
from sentinel_cli.streaming import producing, topics
from sentinel_cli.streaming.producing import DAY, ORIGIN, SECOND, Order, Summary, plan_of

if TYPE_CHECKING:
    from sentinel_cli.config import Settings

NOW = 1_790_000_000 * SECOND


class Everything:
    """A delivery to nowhere that remembers; the broker acknowledges all but what ``lost`` names."""

    sent: dict[str, list[tuple[bytes, bytes]]]

    reason = ""

    def __init__(self, *_: object) -> None: ...

    def send(self, topic: str, keys: list[bytes], values: list[bytes]) -> int:
        self.sent.setdefault(topic, []).extend(zip(keys, values, strict=True))
        return len(keys)

    def serve(self) -> None: ...

    def finish(self) -> None: ...

    def acknowledged(self, topic: str) -> int:
        return len(self.sent.get(topic, []))

    def failed(self) -> int:
        return 0


class Names:
    def topic(self, name: str) -> str:
        return name


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[tuple[bytes, bytes]]]:
    delivered: dict[str, list[tuple[bytes, bytes]]] = {}
    monkeypatch.setattr(Everything, "sent", delivered, raising=False)
    monkeypatch.setattr(producing, "Delivery", Everything)
    monkeypatch.setattr(topics, "ensure", lambda _settings: [])
    return delivered


def run(order: Order, stop: threading.Event | None = None, **more: Any) -> Summary:
    return producing.run(cast("Settings", Names()), order, stop or threading.Event(), **more)


def test_the_same_seed_gives_the_same_records_however_fast_they_are_sent(
    sent: dict[str, list[tuple[bytes, bytes]]],
) -> None:
    order = Order(count=3_000, users=500, seed=7)
    run(order)
    once = {topic: list(records) for topic, records in sent.items()}
    for tps in (None, 20_000.0, 7_500.0):
        sent.clear()
        run(Order(count=3_000, users=500, seed=7, tps=tps))
        assert sent == once


def test_the_summary_counts_what_the_labels_say(sent: dict[str, list[tuple[bytes, bytes]]]) -> None:
    summary = run(Order(count=20_000, users=2_000, seed=1))
    labels = [value for _, value in sent["labels"]]
    assert summary.produced == summary.labels == len(labels) == 20_000
    assert summary.fraud == sum(b'"is_fraud":true' in label for label in labels)
    assert summary.fraud == sum(of.transactions for of in summary.scenarios.values())
    episodes = {label.split(b'"episode_id":"')[1].split(b'"')[0] for label in labels} - {b""}
    assert summary.episodes == len(episodes)
    assert summary.ended == "count"


def test_labels_travel_with_the_same_key_and_never_with_the_transaction(
    sent: dict[str, list[tuple[bytes, bytes]]],
) -> None:
    run(Order(count=2_000, seed=1))
    assert set(sent) == {"transactions", "labels"}
    assert [key for key, _ in sent["transactions"]] == [key for key, _ in sent["labels"]]
    assert not any(b"fraud" in value for _, value in sent["transactions"])
    assert sent["transactions"][0][0] == b"user_000001"


def test_at_a_pace_a_duration_is_a_number_of_transactions(sent: dict[str, list[tuple[bytes, bytes]]]) -> None:
    summary = run(Order(tps=2_000.0, duration=0.25))
    assert summary.produced == 500
    assert summary.ended == "duration"
    assert summary.elapsed_s >= 0.249


def test_live_timestamps_are_the_present(sent: dict[str, list[tuple[bytes, bytes]]]) -> None:
    before = producing._now()
    summary = run(Order(tps=1_000.0, count=200))
    assert summary.event_time is not None
    first, last = summary.event_time
    assert rfc3339(before) <= first < last <= rfc3339(producing._now())


def test_a_stop_ends_it_with_a_summary(sent: dict[str, list[tuple[bytes, bytes]]]) -> None:
    stop = threading.Event()
    summary = run(Order(), stop, progress=lambda so_far: stop.set() if so_far.sent else None)
    assert summary.ended == "stopped"
    assert 0 < summary.produced == len(sent["transactions"]) == len(sent["labels"])


def test_natural_time_ends_at_the_present(sent: dict[str, list[tuple[bytes, bytes]]]) -> None:
    summary = run(Order(users=100, start=producing._now() - 30 * DAY))
    assert summary.ended == "present"
    assert summary.produced == pytest.approx(100 * 30 * 0.5, rel=0.5)


def test_a_seed_begins_at_its_origin_and_keeps_its_plan_at_any_pace() -> None:
    plan = plan_of(Order(count=10, seed=7), NOW)
    assert plan.start == ORIGIN
    assert plan == plan_of(Order(count=99, seed=7, tps=1.0, duration=5), NOW + DAY)


def test_a_pace_alone_is_live() -> None:
    plan = plan_of(Order(tps=50.0), NOW)
    assert (plan.start, plan.rate) == (NOW, 50.0)
    assert plan_of(Order(tps=50.0, start=NOW - DAY), NOW).rate is None


def test_a_count_alone_ends_about_now() -> None:
    plan = plan_of(Order(count=200_000), NOW)
    end = plan.start + 200_000 / plan.mean_rate * SECOND
    assert NOW - 4 * DAY < end < NOW
    assert plan.seed != plan_of(Order(count=200_000), NOW).seed


@pytest.mark.parametrize(
    "order", [Order(count=10**9), Order(count=10**9, seed=1), Order(count=10, start=NOW + DAY)]
)
def test_more_than_fits_before_the_present_is_refused(order: Order) -> None:
    with pytest.raises(UsageError, match="--users"):
        plan_of(order, NOW)


def test_scenarios_named_in_the_help_are_those_that_exist() -> None:
    from commands import produce

    _, option = get_args(get_type_hints(produce.command, include_extras=True)["scenario"])
    assert sorted(SCENARIO_NAMES) == option.help.split(": ")[1].rstrip(".").split(", ")
