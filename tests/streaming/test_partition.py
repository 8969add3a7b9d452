"""What a worker holds of one partition: each user keeps the profile that is theirs."""

from __future__ import annotations

import numpy as np
import pytest

from profiles import layout
from sentinel_cli.engine import kernel
from sentinel_cli.streaming import partition as module
from sentinel_cli.streaming.partition import Partition

CAPACITY = 40


def of(user: str) -> float:
    return float(user.removeprefix("user_"))


def taught(users: list[str], held: Partition, turn: int) -> None:
    """A batch of ``users``, whose profiles come to hold the users' own numbers."""
    missing = held.missing(users)
    held.admit(missing, layout.empty(len(missing)))
    slots = held.slots(users)
    held.rows["version"][slots] = layout.VERSION
    held.rows["total_amount"][slots] = [of(user) for user in users]
    status = np.full(len(users), kernel.SCORED, np.uint8)
    assert held.learned(slots, status, len(users), turn + 1, 0.0) == len(users)


@pytest.mark.parametrize("at_once", [1, 7, 10_000])
def test_every_user_keeps_their_profile_while_others_are_given_up(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOVED_AT_ONCE", at_once)
    rng, held, stored = np.random.default_rng(1), Partition(0, 0, 0, CAPACITY, 0.0), dict[str, float]()
    given_up = 0
    for turn in range(60):
        taught([f"user_{number}" for number in rng.integers(1, 200, 30)], held, turn)
        if turn % 3 == 2:
            save, _, _ = held.snapshot()
            stored |= dict(zip(save.users, save.rows["total_amount"].tolist(), strict=True))
            taught([f"user_{number}" for number in rng.integers(1, 200, 5)], held, turn)  # not saved yet
            before = len(held)
            held.saved(save, 0.0)
            given_up += before - len(held)
            assert len(held) <= CAPACITY
        users = held._slots.texts(np.arange(len(held)))
        assert held.rows["total_amount"][: len(held)].tolist() == [of(user) for user in users]
    assert stored == {user: of(user) for user in stored}
    assert given_up > 3 * CAPACITY


def test_what_is_not_saved_is_never_given_up() -> None:
    held = Partition(0, 0, 0, 4, 0.0)
    taught([f"user_{number}" for number in range(10)], held, 0)
    save, _, _ = held.snapshot()
    taught([f"user_{number}" for number in range(9)], held, 1)
    held.saved(save, 0.0)
    assert held._slots.texts(np.arange(len(held))) == [f"user_{number}" for number in range(9)]


def test_more_are_held_than_there_was_room_for() -> None:
    held, users = Partition(0, 0, 0, 1, 0.0), [f"user_{number}" for number in range(5_000)]
    taught(users, held, 0)
    assert held.missing(users) == []
    assert held.rows["total_amount"][held.slots(users)].tolist() == [of(user) for user in users]
    save, _, _ = held.snapshot()
    assert len(save.users) == len(users)
