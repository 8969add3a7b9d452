from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from datasets.geography import country_code
from profiles import blocks, layout, queries
from profiles.blocks import Block
from profiles.connection import Client
from profiles.keys import Keys
from profiles.placement import partition_of
from sentinel_cli.errors import SentinelError

MINUTE = 60_000_000
START = 1_693_123_200_000_000
PARTITIONS = 4


def profile(**fields: Any) -> bytes:
    row = layout.empty(1)
    row["version"] = layout.VERSION
    for name, value in fields.items():
        row[name][0] = value
    return layout.to_bytes(row)[0]


def store(client: Client, keys: Keys, count: int, partition: int | None = None) -> None:
    """``count`` users: number n has n + 1 transactions of 2.5 each, and n % 7 alerts."""
    for n in range(count):
        user = f"user_{n:06d}"
        there = partition_of(user, PARTITIONS) if partition is None else partition
        value = profile(
            total_transactions=n + 1,
            total_amount=2.5 * (n + 1),
            alerts=n % 7,
            first_time=START,
            last_time=START + n * MINUTE,
        )
        client.set(keys.profile(there, user), value)


def test_a_row_in_words() -> None:
    hours = [0] * 24
    hours[3], hours[20] = 1, 3
    codes = [country_code("US"), country_code("VN"), 0, 0, 0, 0]
    row = layout.from_bytes(
        [
            profile(
                total_transactions=4,
                total_amount=50.0,
                alerts=1,
                first_time=START,
                last_time=START + MINUTE,
                last_alert_time=START + MINUTE,
                countries=codes,
                devices=[7, 9, 0, 0, 0, 0, 0, 0],
                hours=hours,
                minute_count=[1, 0, 0, 0, 0, 2],
                minute_amount=[5.0, 0, 0, 0, 0, 10.25],
                day_count=4,
                day_amount=50.0,
            )
        ]
    )[0]
    found = queries.details(2, "user_1", row, None)
    assert (found.user_id, found.partition, found.total_transactions, found.alerts) == ("user_1", 2, 4, 1)
    assert (found.total_amount, found.average_amount) == (50.0, 12.5)
    assert (found.first_seen, found.last_seen) == ("2023-08-27T08:00:00Z", "2023-08-27T08:01:00Z")
    assert (found.last_alert, found.blocked_until, found.block) == ("2023-08-27T08:01:00Z", None, None)
    assert (found.countries, found.devices, found.merchant_categories) == (["US", "VN"], 2, 0)
    assert (found.hours[3], found.hours[20], sum(found.hours)) == (0.25, 0.75, 1.0)
    assert found.windows["1m"] == queries.Window(3, 15.25)
    assert found.windows["day"] == queries.Window(4, 50.0)


@pytest.mark.parametrize(
    ("until", "in_profile", "shown", "applied"),
    [
        (START, START, "2023-08-27T08:00:00Z", True),
        (START, 0, "2023-08-27T08:00:00Z", False),
        (0, 0, None, True),
    ],
)
def test_a_block_tells_whether_the_profile_has_it(
    until: int, in_profile: int, shown: str | None, applied: bool
) -> None:
    row = layout.from_bytes([profile(blocked_until=in_profile)])[0]
    found = queries.details(0, "user_1", row, Block(until, 1, ["alert_1"]))
    assert found.block == queries.BlockState(shown, applied, ["alert_1"])


@pytest.mark.real
def test_a_user_is_found_where_the_key_says_and_anywhere_else(client: Client, keys: Keys) -> None:
    expected = partition_of("user_1", PARTITIONS)
    elsewhere = (expected + 1) % PARTITIONS
    assert queries.find(client, keys, PARTITIONS, "user_1") is None
    client.set(keys.profile(elsewhere, "user_1"), profile(total_transactions=1))
    found = queries.find(client, keys, PARTITIONS, "user_1")
    assert found is not None
    assert (found.partition, found.total_transactions) == (elsewhere, 1)
    client.set(keys.profile(expected, "user_1"), profile(total_transactions=2))
    blocks.block(client, keys, expected, "user_1", START, "alert_1")
    found = queries.find(client, keys, PARTITIONS, "user_1")
    assert found is not None
    assert (found.partition, found.total_transactions) == (expected, 2)
    assert found.block == queries.BlockState("2023-08-27T08:00:00Z", False, ["alert_1"])


@pytest.mark.real
def test_a_scan_finds_every_profile_once_and_nothing_else(client: Client, keys: Keys) -> None:
    store(client, keys, 2_500)
    client.set(keys.offset(0), 5)
    client.set(keys.profile(0, "odd:}:profile:x*"), profile(total_transactions=1))
    client.set(Keys(keys.prefix, "transactions-2").profile(0, "another topic"), profile())
    found = list(queries.summaries(queries.scan(client, keys)))
    assert len({each.user_id for each in found}) == len(found) == 2_501
    assert sum(each.total_transactions for each in found) == 2_500 * 2_501 // 2 + 1
    by_user = {each.user_id: each for each in found}
    assert by_user["user_000009"].partition == partition_of("user_000009", PARTITIONS)
    assert by_user["user_000009"].last_seen == "2023-08-27T08:09:00Z"
    assert by_user["user_000009"].average_amount == 2.5
    assert by_user["odd:}:profile:x*"].last_seen is None


@pytest.mark.real
def test_a_scan_of_one_partition(client: Client, keys: Keys) -> None:
    store(client, keys, 40)
    found = [each for chunk in queries.scan(client, keys, 1) for each in chunk.places]
    users = {f"user_{n:06d}" for n in range(40)}
    assert {user for _, user in found} == {user for user in users if partition_of(user, PARTITIONS) == 1}
    assert {partition for partition, _ in found} == {1}


@pytest.mark.real
@pytest.mark.parametrize(
    ("order", "values"),
    [
        ("transactions", [20, 19, 18]),
        ("amount", [50.0, 47.5, 45.0]),
        ("alerts", [6, 6, 5]),
        ("last-seen", [f"2023-08-27T08:{minute}:00Z" for minute in (19, 18, 17)]),
    ],
)
def test_the_largest_come_first(
    client: Client, keys: Keys, order: queries.Order, values: list[object]
) -> None:
    store(client, keys, 20)
    found = queries.largest(queries.summaries(queries.scan(client, keys)), order, 3)
    assert [queries.ORDERS[order](each) for each in found] == values


@pytest.mark.real
def test_a_profile_of_another_version_is_one_sentence(client: Client, keys: Keys) -> None:
    client.set(keys.profile(0, "user_1"), profile(version=layout.VERSION + 1))
    with pytest.raises(SentinelError, match="another version of this program"):
        list(queries.scan(client, keys))


def test_the_row_of_a_user_never_seen_divides_by_nothing() -> None:
    found = queries.details(0, "user_1", np.zeros(1, layout.PROFILE)[0], None)
    assert (found.average_amount, found.hours, found.countries) == (0.0, [0.0] * 24, [])
