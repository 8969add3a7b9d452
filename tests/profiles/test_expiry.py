from __future__ import annotations

from typing import Any

import pytest

from profiles import expiry, layout, queries
from profiles.connection import Client
from profiles.keys import Keys

pytestmark = pytest.mark.real

DAY = 86_400_000_000
NOW = 1_756_000_000_000_000


def profile(**fields: int) -> bytes:
    row = layout.empty(1)
    row["version"] = layout.VERSION
    for name, value in fields.items():
        row[name] = value
    return layout.to_bytes(row)[0]


@pytest.fixture
def filled(client: Client, keys: Keys) -> Any:
    redis: Any = client
    for days in range(40):
        redis.set(keys.profile(days % 3, f"user_{days}"), profile(last_time=NOW - days * DAY))
    redis.set(keys.profile(0, "blocked"), profile(last_time=NOW - 39 * DAY, blocked_until=NOW + DAY))
    redis.set(keys.offset(0), 7)
    return redis


def names(redis: Any, keys: Keys) -> set[str]:
    found = [keys.parse_profile(key) for key in redis.scan_iter(keys.profile_pattern(), count=1_000)]
    return {place[1] for place in found if place}


def test_who_was_not_seen_for_long_goes_and_everybody_else_stays(filled: Any, keys: Keys) -> None:
    assert expiry.latest(queries.scan(filled, keys), NOW / 1e6 + 1) == NOW
    chunks = expiry.old(queries.scan(filled, keys), expiry.before(NOW, 30), NOW)
    gone = [expiry.expire(filled, keys, chunk) for chunk in chunks]
    assert sum(gone) == 9
    assert names(filled, keys) == {f"user_{days}" for days in range(31)} | {"blocked"}
    assert filled.get(keys.offset(0)) == b"7"


def test_a_profile_that_changed_meanwhile_stays(filled: Any, keys: Keys) -> None:
    chunks = list(expiry.old(queries.scan(filled, keys), expiry.before(NOW, 30), NOW))
    back = profile(last_time=NOW)
    filled.set(keys.profile(35 % 3, "user_35"), back)
    assert sum(expiry.expire(filled, keys, chunk) for chunk in chunks) == 8
    assert filled.get(keys.profile(35 % 3, "user_35")) == back


def test_nothing_is_the_latest_of_nothing(client: Client, keys: Keys) -> None:
    assert expiry.latest(queries.scan(client, keys), NOW) == 0


def test_a_record_from_beyond_now_expires_nobody(filled: Any, keys: Keys) -> None:
    filled.set(keys.profile(0, "from_2099"), profile(last_time=NOW + 900 * DAY))
    now = expiry.latest(queries.scan(filled, keys), NOW / 1e6)
    assert now == NOW
    assert not list(expiry.old(queries.scan(filled, keys), expiry.before(now, 39), now))
