"""Every feature from its definition: a user's raw history, and no state between transactions.

The one exception is the histogram of hours, which forgets by halving and so is defined step by step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datasets import geography

SECOND = 1_000_000
HOUR, DAY = 3_600 * SECOND, 86_400 * SECOND
# Window: its name, the length of a step in microseconds, and how many steps it has.
WINDOWS = (("1m", 10 * SECOND, 6), ("5m", 60 * SECOND, 5), ("1h", 600 * SECOND, 6), ("24h", 2 * HOUR, 12))
REMEMBERED = {"device": 8, "country": 6, "category": 12}
RECENT_IDS = 8


@dataclass(frozen=True)
class Population:
    amount_mean: float
    log_mean: float
    log_sd: float
    daily: float
    weight: float
    small: float
    hours: npt.NDArray[np.float64]


@dataclass
class User:
    """What has been learnt of one user, in order of arrival; ``alerts`` says which were alerts."""

    rows: npt.NDArray[np.void]
    alerts: npt.NDArray[np.bool_]
    blocked_until: int

    @property
    def last(self) -> int:
        return int(self.rows["time"].max())

    def is_duplicate(self, tx: np.void) -> bool:
        seen = len(self.rows) > 0 and tx["time"] <= self.last
        return seen and bool(np.isin(tx["transaction"], self.rows["transaction"][-RECENT_IDS:]))


def features(user: User, tx: np.void, population: Population) -> dict[str, float]:
    now = max(user.last, int(tx["time"])) if len(user.rows) else int(tx["time"])
    return {
        **_amount(user, tx, population),
        **_hours(user, tx, population),
        **_velocity(user, tx, now, population),
        **_behaviour(user, tx, population),
        **_history(user, tx, now),
    }


def _amount(user: User, tx: np.void, population: Population) -> dict[str, float]:
    past, amount = user.rows["amount"], float(tx["amount"])
    n, w = len(past), population.weight
    logs = np.log(np.maximum(past, 0.01))
    average = (past.sum() + w * population.amount_mean) / (n + w)
    mean = (logs.sum() + w * population.log_mean) / (n + w)
    squares = ((logs - logs.mean()) ** 2).sum() if n else 0.0
    sd = math.sqrt((squares + w * population.log_sd**2) / (n + w))
    return {
        "amount": amount,
        "amount_vs_avg_ratio": min(amount / average, 1e9),
        "amount_zscore": (math.log(max(amount, 0.01)) - mean) / sd,
    }


def hour_histogram(times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    counts = [0] * 24
    for hour in (times // HOUR % 24).tolist():
        if counts[hour] == 255:
            counts = [count // 2 for count in counts]
        counts[hour] += 1
    return np.array(counts)


def _hours(user: User, tx: np.void, population: Population) -> dict[str, float]:
    counts = hour_histogram(user.rows["time"])
    hour, w = int(tx["time"]) // HOUR % 24, population.weight
    around = [(hour - 1) % 24, hour, (hour + 1) % 24]
    share = (counts[around].sum() + w * population.hours[around].sum()) / (counts.sum() + w)
    return {"hour_share_user": share, "hour_share_population": population.hours[hour]}


def _velocity(user: User, tx: np.void, now: int, population: Population) -> dict[str, float]:
    times, amounts, amount = user.rows["time"], user.rows["amount"], float(tx["amount"])
    inside = {name: times // step > now // step - steps for name, step, steps in WINDOWS}
    inside["day"] = times // DAY == now // DAY
    found = {f"count_{name}": float(at.sum() + 1) for name, at in inside.items()}
    found |= {f"sum_{name}": amounts[at].sum() + amount for name, at in inside.items()}
    n, w = len(times), population.weight
    days = (now - int(times[0])) / DAY if n else 0.0
    usual = (n + w) / (days + w / population.daily)
    return found | {"velocity_score": found["count_24h"] / usual}


def _behaviour(user: User, tx: np.void, population: Population) -> dict[str, float]:
    return {
        "seconds_since_last": abs(int(tx["time"]) - user.last) / SECOND if len(user.rows) else math.nan,
        "new_device": _new(user, tx, "device"),
        "new_country": _new(user, tx, "country"),
        "new_category": _new(user, tx, "category"),
        "travel_speed_kmh": _travel_speed(user, tx),
        "small_amount_run": _small_run(user, tx, population.small),
    }


def _new(user: User, tx: np.void, field: str) -> float:
    """Whether the value is none of the most recently used different ones."""
    used = [value for value in reversed(user.rows[field].tolist()) if value]
    if not tx[field] or not used:
        return math.nan
    return float(tx[field] not in list(dict.fromkeys(used))[: REMEMBERED[field]])


def _travel_speed(user: User, tx: np.void) -> float:
    known = user.rows[user.rows["country"] > 0]
    if not tx["country"] or not len(known):
        return math.nan
    seconds = known["time"] // SECOND
    latest = len(known) - 1 - int(np.argmax(seconds[::-1]))  # of one second, what arrived last
    if known["country"][latest] == tx["country"]:
        return 0.0
    apart = max(abs(int(tx["time"]) // SECOND - int(seconds[latest])), 60)
    return _kilometres(int(known["country"][latest]), int(tx["country"])) / apart * 3600


def _kilometres(here: int, there: int) -> float:
    """Great circle by the angle between the two places' unit vectors, less both radii."""
    a, b = _direction(here), _direction(there)
    circle = 6371.0088 * math.atan2(float(np.linalg.norm(np.cross(a, b))), float(a @ b))
    return float(np.maximum(circle - geography.table()[here, 2] - geography.table()[there, 2], 0.0))


def _direction(country: int) -> npt.NDArray[np.float64]:
    latitude, longitude, _ = geography.table()[country]
    flat = math.cos(latitude)
    return np.array([flat * math.cos(longitude), flat * math.sin(longitude), math.sin(latitude)])


def _small_run(user: User, tx: np.void, small: float) -> float:
    """Back from this one while amounts are small and each is within an hour of the latest before it.
    What came more than an hour late belongs to no run."""
    times = user.rows["time"]
    if tx["amount"] > small:
        return 0.0
    if not len(times) or abs(int(tx["time"]) - user.last) > HOUR:
        return 1.0
    gaps = times - np.maximum.accumulate(times)[np.arange(len(times)) - 1]
    gaps[0] = HOUR + 1
    run = 1
    for i in reversed(np.flatnonzero(gaps >= -HOUR)):
        if user.rows["amount"][i] > small:
            break
        run += 1
        if gaps[i] > HOUR:
            break
    return float(run)


def _history(user: User, tx: np.void, now: int) -> dict[str, float]:
    alerts = np.flatnonzero(user.alerts)
    since = (now - int(user.rows["time"][: alerts[-1] + 1].max())) / SECOND if len(alerts) else math.nan
    return {
        "transactions_so_far": float(len(user.rows)),
        "alerts_so_far": float(len(alerts)),
        "seconds_since_alert": since,
        "active_block": float(tx["time"] < user.blocked_until),
    }
