"""One suite over every store of profiles."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
import pytest
from redis import RedisCluster

from profiles import connection, layout
from profiles.connection import Client, Line
from profiles.contract import Blocks, Save, Store, StoreAway
from profiles.keys import Keys
from profiles.memory_store import MemoryStore
from profiles.redis_store import READ_AT_ONCE, RedisStore
from profiles.wire import Piece


def rows(*amounts: float) -> layout.Profiles:
    found = layout.empty(len(amounts))
    found["version"] = layout.VERSION
    found["total_amount"] = amounts
    return found


@pytest.fixture(
    params=[
        "memory",
        pytest.param("redis", marks=pytest.mark.real),
        pytest.param("cluster", marks=pytest.mark.real),
    ]
)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    if request.param == "cluster":
        prefix = f"test-{uuid.uuid4().hex[:12]}"
        yield RedisStore(request.getfixturevalue("redis_cluster"), Keys(prefix, f"{prefix}.transactions"))
        return
    settings = request.getfixturevalue("settings")
    client = connection.connect_to(settings.redis)
    yield RedisStore(client, Keys(settings.redis_prefix, settings.topic("transactions")))
    client.close()


def test_a_partition_never_saved_has_no_offset_and_zeros(store: Store) -> None:
    assert store.start(0) == (None, 0)
    loaded = store.load(0, ["a", "b"])
    assert loaded.offset is None
    assert loaded.profiles.tobytes() == bytes(2 * layout.ROW_BYTES)


def test_what_was_saved_is_loaded_with_its_offset(store: Store) -> None:
    assert store.save(Save(3, None, 17, ["a", "b"], rows(1.5, 2.5), 4))
    loaded = store.load(3, ["b", "nobody", "a"])
    assert loaded.offset == 17
    assert loaded.profiles["total_amount"].tolist() == [2.5, 0.0, 1.5]
    assert store.start(3) == (17, 4)
    assert store.start(2) == (None, 0)


@pytest.mark.parametrize("begin", [None, 16, 18])
def test_a_save_from_another_offset_writes_nothing(store: Store, begin: int | None) -> None:
    assert store.save(Save(0, None, 17, ["a"], rows(1.0), 0))
    assert not store.save(Save(0, begin, 30, ["a", "b"], rows(9.0, 9.0), 5))
    assert store.start(0) == (17, 0)
    assert store.load(0, ["a", "b"]).profiles["total_amount"].tolist() == [1.0, 0.0]


def test_partitions_do_not_meet(store: Store) -> None:
    assert store.save(Save(0, None, 1, ["a"], rows(1.0), 0))
    assert store.save(Save(1, None, 1, ["a"], rows(2.0), 0))
    assert store.load(0, ["a"]).profiles["total_amount"][0] == 1.0


def test_more_users_than_one_read_takes(store: Store) -> None:
    users = [f"user {i} {{é}}" for i in range(2 * READ_AT_ONCE + 1)]
    amounts = np.arange(len(users), dtype=float)
    assert store.save(Save(0, None, 5, users, rows(*amounts), 0))
    loaded = store.load(0, users)
    assert loaded.offset == 5
    assert loaded.profiles["total_amount"].tolist() == amounts.tolist()


def test_a_save_of_nothing_moves_the_offset(store: Store) -> None:
    assert store.save(Save(0, None, 9, [], rows(), 0))
    assert store.start(0) == (9, 0)
    assert store.load(0, []).offset == 9


def test_no_blocks(store: Store) -> None:
    assert store.blocks(0, 0) is None


@pytest.mark.real
def test_blocks_of_redis(settings: object) -> None:
    from profiles import blocks

    client = connection.connect_to(settings.redis)  # type: ignore[attr-defined]
    keys = Keys(settings.redis_prefix, settings.topic("transactions"))  # type: ignore[attr-defined]
    store = RedisStore(client, keys)
    blocks.block(client, keys, 0, "a", 100, "alert_1")
    blocks.block(client, keys, 0, "b", 200, "alert_2")
    assert store.blocks(0, 0) == Blocks(2, {"a": 100, "b": 200})
    assert store.blocks(0, 1) == Blocks(2, {"b": 200})
    assert store.blocks(0, 2) is None
    blocks.unblock(client, keys, 0, "a")
    assert store.blocks(0, 2) == Blocks(3, {"a": 0})


def call_start(store: Store) -> object:
    return store.start(0)


def call_load(store: Store) -> object:
    return store.load(0, ["a"])


def call_save(store: Store) -> object:
    return store.save(Save(0, None, 1, ["a"], rows(1.0), 0))


@pytest.mark.parametrize("call", [call_start, call_load, call_save])
def test_a_redis_that_is_not_there_is_away(call: Callable[[Store], object]) -> None:
    client = connection.connect("127.0.0.1", 1)
    with pytest.raises(StoreAway, match=r"127\.0\.0\.1:1"):
        call(RedisStore(client, Keys("p", "t")))


@pytest.fixture
def cut_off(client: Client) -> Iterator[tuple[Client, Callable[[], None]]]:
    """A client of the same server or cluster, and what ends its connections there."""
    host, port = connection.address(client)
    options = {"client_name": "soon-cut-off"}
    mine = connection.connect(host, port, cluster=isinstance(client, RedisCluster), options=options)

    def cut() -> None:
        for node in connection.nodes(client):
            for each in cast("Any", node).client_list():
                if each["name"] == options["client_name"]:
                    node.client_kill_filter(_id=each["id"])

    yield mine, cut
    mine.close()


CutOff = tuple[Client, Callable[[], None]]


@pytest.mark.real
def test_a_connection_that_breaks_behind_its_watch_is_away(
    cut_off: CutOff, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, cut = cut_off
    store, ask = RedisStore(mine, keys), Line.ask

    def watch_and_be_cut_off(server: Line, *commands: list[Piece]) -> list[Any]:
        answers = ask(server, *commands)
        cut()
        return answers

    with monkeypatch.context() as patch:
        patch.setattr(Line, "ask", watch_and_be_cut_off)
        with pytest.raises(StoreAway, match="ConnectionError"):
            store.save(Save(0, None, 1, ["a"], rows(1.0), 0))
    assert store.start(0) == (None, 0)
    assert store.save(Save(0, None, 1, ["a"], rows(1.0), 0))


@pytest.mark.real
def test_a_connection_that_breaks_before_its_exec_overwrites_nothing(
    client: Client, cut_off: CutOff, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said again on another connection, where nothing is watched, it would be written over what the
    partition's new owner wrote meanwhile."""
    mine, cut = cut_off
    store, owner = RedisStore(mine, keys), RedisStore(client, keys)
    assert store.save(Save(0, None, 1, ["a"], rows(1.0), 0))
    write = RedisStore._write

    def overtaken(self: RedisStore, save: Save) -> list[Piece]:
        if self is store:
            assert owner.save(Save(0, 1, 2, ["a"], rows(2.0), 0))
            cut()
        return write(self, save)

    with monkeypatch.context() as patch:
        patch.setattr(RedisStore, "_write", overtaken)
        with pytest.raises(StoreAway, match="ConnectionError"):
            store.save(Save(0, 1, 3, ["a"], rows(9.0), 0))
    assert store.start(0) == (2, 0)
    assert store.load(0, ["a"]).profiles["total_amount"].tolist() == [2.0]


@pytest.mark.real
def test_a_partition_that_another_node_holds_now_is_found_there(redis_cluster: RedisCluster) -> None:
    host, port = connection.address(redis_cluster)
    mine: Any = connection.connect(host, port, cluster=True)
    keys = Keys(f"test-{uuid.uuid4().hex[:12]}", "t")
    store, places = RedisStore(mine, keys), mine.nodes_manager.slots_cache
    slot = mine.keyslot(keys.offset(0))
    places[slot] = [next(node for node in mine.get_primaries() if node != places[slot][0])]
    with pytest.raises(StoreAway, match="Moved"):
        store.save(Save(0, None, 1, ["a"], rows(1.0), 0))
    assert store.save(Save(0, None, 1, ["a"], rows(1.0), 0))
    assert store.load(0, ["a"]).profiles["total_amount"].tolist() == [1.0]
    mine.close()
