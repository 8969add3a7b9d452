"""One suite over every store of the responder."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Any

import pytest

from profiles import cases, connection
from profiles.cases import Case, CaseAlert, CaseChange
from profiles.contract import StoreAway
from profiles.keys import Keys
from sentinel_cli.responding.store import Known, RedisStore, Save, Store
from tests.responding.fakes import Fuse, MemoryStore, Redis

NOW = 1_693_123_200.0
DAY = 86_400.0


@dataclass
class Kept:
    """A store, a way to close a user's case behind its back, and a way to see a case's alerts."""

    store: Store
    close: Callable[[int, str], object]
    alerts: Callable[[int, str], list[CaseAlert]]
    client: Any = None
    keys: Keys = field(default_factory=lambda: Keys(f"test-{uuid.uuid4().hex[:12]}", "fraud-alerts"))


@pytest.fixture(
    params=[
        "memory",
        pytest.param("redis", marks=pytest.mark.real),
        pytest.param("cluster", marks=pytest.mark.real),
    ]
)
def kept(request: pytest.FixtureRequest) -> Iterator[Kept]:
    if request.param == "memory":
        redis = Redis()
        yield Kept(
            MemoryStore(redis, Fuse()),
            lambda partition, user: redis.open_cases.pop((partition, user)),
            lambda _, case_id: redis.case_alerts[case_id],
        )
    elif request.param == "cluster":
        yield in_redis(request.getfixturevalue("redis_cluster"), f"test-{uuid.uuid4().hex[:12]}", 7 * DAY)
    else:
        settings = request.getfixturevalue("settings")
        client = connection.connect_to(settings.redis)
        yield in_redis(client, settings.redis_prefix, 7 * DAY)
        client.close()


def in_redis(client: Any, prefix: str, remember: float) -> Kept:
    keys = Keys(prefix, "fraud-alerts")
    return Kept(
        RedisStore(client, keys, Keys(prefix, "transactions"), remember),
        lambda partition, user: client.hdel(keys.open_cases(partition), user),
        lambda partition, case_id: cases.alerts(client, keys, partition, case_id),
        client,
        keys,
    )


def alert(number: int) -> CaseAlert:
    return CaseAlert(f"alert_{number}", "2023-08-27T08:00:00Z", "HIGH", 0.95, None, "USD")


def opened(user: str, number: int, count: int = 1) -> CaseChange:
    when = "2023-08-27T08:00:00Z"
    case = Case(f"case_{number}", user, "open", "HIGH", when, when, count)
    return CaseChange(case, [alert(number + i) for i in range(count)], NOW)


def test_nothing_is_known_at_first(kept: Kept) -> None:
    assert kept.store.start(0) is None
    assert kept.store.look(0, ["alert_1"], ["user_1"]) == Known(None, set(), {})
    assert kept.store.look(0, [], []) == Known(None, set(), {})


def test_what_was_saved_is_known(kept: Kept) -> None:
    change = opened("user_1", 1, 2)
    assert kept.store.save(Save(0, None, 5, ["alert_1", "alert_2"], [change], NOW))
    assert kept.store.start(0) == 5
    known = kept.store.look(0, ["alert_1", "alert_3", "alert_2"], ["user_1", "user_2"])
    assert known == Known(5, {"alert_1", "alert_2"}, {"user_1": change.case})
    assert kept.alerts(0, "case_1") == [alert(1), alert(2)]
    assert kept.store.look(1, ["alert_1"], ["user_1"]) == Known(None, set(), {})


def test_a_batch_that_led_to_nothing_moves_the_offset(kept: Kept) -> None:
    assert kept.store.save(Save(0, None, 5, [], [], NOW))
    assert kept.store.save(Save(0, 5, 9, [], [], NOW))
    assert kept.store.start(0) == 9


@pytest.mark.parametrize("begin", [None, 4, 6])
def test_a_save_from_another_offset_writes_nothing(kept: Kept, begin: int | None) -> None:
    assert kept.store.save(Save(0, None, 5, ["alert_1"], [], NOW))
    assert not kept.store.save(Save(0, begin, 8, ["alert_2"], [opened("user_1", 2)], NOW))
    assert kept.store.look(0, ["alert_1", "alert_2"], ["user_1"]) == Known(5, {"alert_1"}, {})


def test_the_same_save_again_is_true_and_changes_nothing(kept: Kept) -> None:
    save = Save(0, None, 5, ["alert_1"], [opened("user_1", 1)], NOW)
    assert kept.store.save(save)
    assert kept.store.save(save)
    assert kept.alerts(0, "case_1") == [alert(1)]
    assert kept.store.look(0, [], ["user_1"]).open_cases["user_1"].alerts == 1


def test_alerts_join_an_open_case(kept: Kept) -> None:
    first = opened("user_1", 1)
    assert kept.store.save(Save(0, None, 5, ["alert_1"], [first], NOW))
    case = Case("case_1", "user_1", "open", "CRITICAL", first.case.opened_at, "2023-08-27T09:00:00Z", 2)
    assert kept.store.save(Save(0, 5, 6, ["alert_2"], [CaseChange(case, [alert(2)])], NOW))
    assert kept.store.look(0, [], ["user_1"]).open_cases == {"user_1": case}
    assert kept.alerts(0, "case_1") == [alert(1), alert(2)]


def test_a_case_that_was_closed_takes_no_alerts(kept: Kept) -> None:
    first = opened("user_1", 1)
    assert kept.store.save(Save(0, None, 5, ["alert_1"], [first], NOW))
    kept.close(0, "user_1")
    assert not kept.store.save(Save(0, 5, 6, ["alert_2"], [CaseChange(first.case, [alert(2)])], NOW))
    assert kept.store.start(0) == 5
    assert kept.store.save(Save(0, 5, 6, ["alert_2"], [opened("user_1", 2)], NOW))
    assert kept.store.look(0, [], ["user_1"]).open_cases["user_1"].case_id == "case_2"


def test_no_second_case_is_opened(kept: Kept) -> None:
    assert kept.store.save(Save(0, None, 5, ["alert_1"], [opened("user_1", 1)], NOW))
    assert not kept.store.save(Save(0, 5, 6, ["alert_2"], [opened("user_1", 2)], NOW))
    assert kept.store.look(0, [], ["user_1"]).open_cases["user_1"].case_id == "case_1"


def test_a_block_is_placed_once(kept: Kept) -> None:
    assert kept.store.block(3, "user_1", 1_693_123_200_123_456, "alert_1")
    assert not kept.store.block(3, "user_1", 1_693_123_200_123_456, "alert_1")


@pytest.fixture
def redis_client(request: pytest.FixtureRequest) -> Iterator[tuple[Any, str]]:
    settings = request.getfixturevalue("settings")
    client = connection.connect_to(settings.redis)
    yield client, settings.redis_prefix
    client.close()


@pytest.mark.real
@pytest.mark.parametrize(
    ("remember", "left"), [(7 * DAY, {"alert_2", "alert_3"}), (inf, {"alert_1", "alert_2", "alert_3"})]
)
def test_ids_are_forgotten_when_they_can_not_come_again(
    redis_client: tuple[Any, str], remember: float, left: set[str]
) -> None:
    store = in_redis(*redis_client, remember).store
    for at, (days, alert_id) in enumerate([(0, "alert_1"), (6, "alert_2"), (7.5, "alert_3")]):
        assert store.save(Save(0, at or None, at + 1, [alert_id], [], NOW + days * DAY))
    assert store.look(0, ["alert_1", "alert_2", "alert_3"], []).acted == left


@pytest.mark.real
def test_a_write_between_watch_and_exec_is_refused(redis_client: tuple[Any, str], monkeypatch: Any) -> None:
    kept = in_redis(*redis_client, inf)
    assert kept.store.save(Save(0, None, 5, [], [], NOW))

    def intrude(*_: object) -> bool:
        kept.client.set(kept.keys.offset(0), 6)
        return True

    monkeypatch.setattr("sentinel_cli.responding.store._as_expected", intrude)
    assert not kept.store.save(Save(0, 5, 8, ["alert_1"], [opened("user_1", 1)], NOW))
    assert kept.store.look(0, ["alert_1"], ["user_1"]) == Known(6, set(), {})


def test_a_redis_that_is_not_there_is_away() -> None:
    store = in_redis(connection.connect(port=1), "test", inf).store
    for call in (
        lambda: store.start(0),
        lambda: store.look(0, ["alert_1"], ["user_1"]),
        lambda: store.block(0, "user_1", 1, "alert_1"),
        lambda: store.save(Save(0, None, 1, [], [], NOW)),
    ):
        with pytest.raises(StoreAway):
            call()
