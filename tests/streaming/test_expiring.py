"""Detectors let profiles go by themselves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from redis.exceptions import ConnectionError as Unreachable

from profiles import connection, layout
from profiles.keys import Keys
from sentinel_cli import config
from sentinel_cli.config import Settings
from sentinel_cli.streaming import detecting, expiring, topics
from sentinel_cli.streaming.detecting import Job
from sentinel_cli.streaming.expiring import DAY, LOOK, Expiring
from tests.fakes import FakeClock

KEYS = Keys("test", "transactions")
US_A_DAY = 86_400_000_000


class Redis:
    """Remembers when profiles expired last; ``away`` for as many questions as that says."""

    def __init__(self) -> None:
        self.last: bytes | None = None
        self.away = 0

    def get(self, _key: str) -> bytes | None:
        if self.away:
            self.away -= 1
            raise Unreachable("away")
        return self.last


class Swept(Expiring):
    """Says when it swept, instead of sweeping; ends after ``looks``."""

    def __init__(self, redis: Any, mine: Callable[[], bool], looks: int) -> None:
        super().__init__(redis, KEYS, 7, mine, Ending(looks))
        self.swept: list[float] = []

    def sweep(self) -> int:
        redis: Any = self.client
        self.swept.append(self.clock.monotonic())
        redis.last = str(self.clock.wall()).encode()
        return 0


class Ending(FakeClock):
    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks = looks

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self._looks -= 1
        return super().wait(event, seconds) or self._looks < 0


def test_once_a_day_and_not_at_once() -> None:
    began = Ending(0).monotonic()
    swept = Swept(Redis(), lambda: True, 3 * int(DAY / LOOK))
    swept.run()
    assert swept.swept == [began + LOOK, began + LOOK + DAY, began + LOOK + 2 * DAY]


def test_by_nobody_but_the_worker_of_partition_0() -> None:
    swept = Swept(Redis(), lambda: False, 10)
    swept.run()
    assert swept.swept == []


def test_one_that_takes_over_does_not_begin_anew() -> None:
    redis = Redis()
    Swept(redis, lambda: True, 10).run()
    heir = Swept(redis, lambda: True, 10)
    heir.run()
    assert heir.swept == []


def test_what_goes_wrong_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    redis = Redis()
    redis.away = 2
    swept = Swept(redis, lambda: True, 5)
    began = swept.clock.monotonic()
    swept.run()
    assert swept.swept == [began + 3 * LOOK]
    assert "but later: away" in caplog.text


@pytest.mark.parametrize(
    ("env", "days", "means"),
    [("development", None, 7), ("production", None, 30), ("production", 90, 90), ("production", 0, 0)],
)
def test_how_long_is_long(env: str, days: float | None, means: float) -> None:
    assert expiring.retention_days(config.load({"env": env, "detect.expire_days": days})) == means


def test_never_is_no_thread() -> None:
    with expiring.beside(object(), config.load({"detect.expire_days": 0}), object()):  # type: ignore[arg-type]
        assert "expire" not in {thread.name for thread in threading.enumerate()}


def profile(last_time: int) -> bytes:
    row = layout.empty(1)
    row["version"], row["last_time"] = layout.VERSION, last_time
    return layout.to_bytes(row)[0]


@pytest.mark.real
def test_a_running_detector_lets_profiles_go(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """On partition 0, which it holds, and on the others alike."""
    monkeypatch.setattr(expiring, "LOOK", 0.05)
    topics.ensure(settings, partitions=2)
    redis: Any = connection.connect_to(settings.redis)
    keys = Keys(settings.redis_prefix, settings.topic(topics.TRANSACTIONS))
    now = 1_756_000_000_000_000
    ages = {f"user_{days}": days for days in (0, 1, 6, 8, 30)}
    for user, days in ages.items():
        redis.set(keys.profile(days % 2, user), profile(now - days * US_A_DAY))
    stop: list[Callable[[], None]] = []

    def ended(_snapshot: object) -> None:
        if redis.get(keys.expired()) is not None:
            stop[0]()

    detecting.run(settings, Job(), register_stop=stop.append, tell=ended, report=lambda _: None)
    left = {user for user, days in ages.items() if redis.get(keys.profile(days % 2, user))}
    redis.close()
    assert left == {"user_0", "user_1", "user_6"}
