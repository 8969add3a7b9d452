from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from profiles import blocks
from profiles.blocks import Block
from profiles.connection import Client
from profiles.keys import Keys

pytestmark = pytest.mark.real

UNTIL = 1_693_123_200_123_456  # sixteen digits: a double holds it, "%.14g" does not
HOUR = 3_600_000_000


def test_a_partition_without_blocks(client: Client, keys: Keys) -> None:
    assert blocks.read(client, keys, 0, 0) == (0, {})
    assert blocks.active(client, keys, 0, 0) == []
    assert blocks.get(client, keys, 0, "nobody") is None
    assert not blocks.unblock(client, keys, 0, "nobody")
    assert blocks.read(client, keys, 0, 0) == (0, {})


def test_a_block_is_read_to_the_microsecond(client: Client, keys: Keys) -> None:
    assert blocks.block(client, keys, 3, 'ué"1', UNTIL, 'alert_"é')
    assert blocks.read(client, keys, 3, 0) == (1, {'ué"1': UNTIL})
    assert blocks.get(client, keys, 3, 'ué"1') == Block(UNTIL, 1, ['alert_"é'], 'ué"1')
    assert blocks.read(client, keys, 2, 0) == (0, {})


def test_only_what_changed_is_read(client: Client, keys: Keys) -> None:
    for number in range(5):
        blocks.block(client, keys, 0, f"user_{number}", UNTIL, f"alert_{number}")
    assert blocks.read(client, keys, 0, 3) == (5, {"user_3": UNTIL, "user_4": UNTIL})
    blocks.block(client, keys, 0, "user_1", UNTIL + HOUR, "alert_5")
    assert blocks.read(client, keys, 0, 5) == (6, {"user_1": UNTIL + HOUR})
    assert blocks.read(client, keys, 0, 6) == (6, {})


def test_the_same_alert_again_changes_nothing(client: Client, keys: Keys) -> None:
    assert blocks.block(client, keys, 0, "user_1", UNTIL, "alert_1")
    assert not blocks.block(client, keys, 0, "user_1", UNTIL, "alert_1")
    assert not blocks.block(client, keys, 0, "user_1", UNTIL + HOUR, "alert_1")
    assert blocks.read(client, keys, 0, 0) == (1, {"user_1": UNTIL})


def test_a_shorter_block_leaves_the_longer_one(client: Client, keys: Keys) -> None:
    assert blocks.block(client, keys, 0, "user_1", UNTIL, "alert_1")
    assert not blocks.block(client, keys, 0, "user_1", UNTIL - HOUR, "alert_2")
    assert blocks.get(client, keys, 0, "user_1") == Block(UNTIL, 1, ["alert_1", "alert_2"], "user_1")


def test_an_alert_that_comes_again_does_not_overrule_the_analyst(client: Client, keys: Keys) -> None:
    blocks.block(client, keys, 0, "user_1", UNTIL, "alert_1")
    blocks.block(client, keys, 0, "user_1", UNTIL + HOUR, "alert_2")
    assert blocks.unblock(client, keys, 0, "user_1")
    assert not blocks.unblock(client, keys, 0, "user_1")
    assert blocks.read(client, keys, 0, 2) == (3, {"user_1": 0})
    for alert in ("alert_1", "alert_2"):
        assert not blocks.block(client, keys, 0, "user_1", UNTIL + HOUR, alert)
    assert blocks.block(client, keys, 0, "user_1", UNTIL, "alert_3")
    assert blocks.read(client, keys, 0, 3) == (4, {"user_1": UNTIL})


def test_an_entry_stays_small(client: Client, keys: Keys) -> None:
    for number in range(100):
        blocks.block(client, keys, 0, "user_1", UNTIL + number, f"alert_{number}")
    found = blocks.get(client, keys, 0, "user_1")
    assert found is not None
    assert found.alerts == [f"alert_{number}" for number in range(100 - blocks.REMEMBERED, 100)]


def test_active_blocks_by_their_end(client: Client, keys: Keys) -> None:
    for number in range(4):
        blocks.block(client, keys, 0, f"user_{number}", UNTIL + number * HOUR, f"alert_{number}")
    blocks.unblock(client, keys, 0, "user_3")
    found = blocks.active(client, keys, 0, UNTIL)
    assert [block.user_id for block in found] == ["user_2", "user_1"]


def test_responders_at_the_same_moment_lose_no_change(client: Client, keys: Keys) -> None:
    users = [f"user_{number}" for number in range(200)]
    with ThreadPoolExecutor(4) as pool:
        place = partial(blocks.block, client, keys, 0, until_us=UNTIL)
        changed = pool.map(lambda user: place(user, alert_id=uuid.uuid4().hex), users)
        assert all(changed)
    assert blocks.read(client, keys, 0, 0) == (200, dict.fromkeys(users, UNTIL))
