"""The scoring kernel: one sequential pass over a batch, compiled by numba.

Purpose: compute each transaction's features from its user's profile, turn them into points, and
only then let the profile learn from it. Everything that decides (live, replay, backtest, explain)
calls ``score`` of ``engine.scoring``, which calls ``score_batch`` here.

Design: scalar code over arrays, in stream order, so that cutting the stream into other batches
cannot change a number. No I/O, no clock, no allocation that depends on the batch but one row of
features. The same functions run uncompiled with NUMBA_DISABLE_JIT=1 and give the same bits; where
numpy would count otherwise than numba (a uint8 plus one is a uint8), they say ``int``.

Three times recur: ``time`` of the transaction, ``last`` that the user has shown before, and ``now``,
the later of the two. A late transaction is judged by the windows as they stand at ``now``, is
learnt where it belongs, and moves nothing back. They are never negative, which spares the compiler
the signs in every division (17 ns a transaction).

Not here: names, reasons and files (``features``, ``scorecard``), how windows turn (``windows``).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from profiles import layout
from profiles.layout import Profiles
from sentinel_cli.engine import features as f
from sentinel_cli.engine import windows
from sentinel_cli.engine.compiled import jit
from sentinel_cli.engine.prefetch import prefetch

SCORED, ALERT, DUPLICATE, SKIPPED = 0, 1, 2, 3

SECOND = 1_000_000  # event time is in microseconds
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
# Travel between two transactions of the same instant is judged as if a minute lay between them.
LEAST_TRAVEL_S = 60
EARTH_RADIUS_KM = 6371.0088  # mean radius, IUGG
SMALLEST_AMOUNT = 0.01  # what ln sees for a card verification of zero
LARGEST_RATIO = 1e9  # ratios are capped here, so that every feature stays finite
# Of a larger sum the logistic function is 1 to the last bit: a score stays between 0 and 1.
LARGEST_LOG_ODDS = 36.0
# Profiles are asked for this many transactions ahead: 8 * 130 ns is some memory latencies.
AHEAD = 8

# Positions of the population's numbers in the vector that Scorecard.population is.
P_AMOUNT_MEAN, P_LOG_MEAN, P_LOG_SD, P_DAILY, P_WEIGHT, P_SMALL, P_HOURS = 0, 1, 2, 3, 4, 5, 6
N_POPULATION = P_HOURS + 24

_VERSION = layout.VERSION
_MINUTE = layout.MINUTE_STEP_S * SECOND
_FIVE_MINUTES = layout.FIVE_MINUTES_STEP_S * SECOND
_HOUR = layout.HOUR_STEP_S * SECOND
_DAY = layout.DAY_STEP_S * SECOND
_FULL_HOUR = 255

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Known = npt.NDArray[Any]  # what a user is known by, most recent first, then zeros
Row = np.void  # a PROFILE (called p) or a TRANSACTION (tx)


# ---- features: what is seen before learning


@jit
def _amounts(p: Row, amount: float, logarithm: float, population: Floats, row: Floats) -> None:
    """The amount against this user's own, to which the population's add P_WEIGHT transactions."""
    n, weight, sd = p["total_transactions"], population[P_WEIGHT], population[P_LOG_SD]
    share = 1.0 / (n + weight)
    average = (p["total_amount"] + weight * population[P_AMOUNT_MEAN]) * share
    mean = (n * p["log_mean"] + weight * population[P_LOG_MEAN]) * share
    variance = (p["log_m2"] + weight * sd * sd) * share
    row[f.AMOUNT] = amount
    row[f.AMOUNT_VS_AVG_RATIO] = min(amount / average, LARGEST_RATIO)
    row[f.AMOUNT_ZSCORE] = (logarithm - mean) / math.sqrt(variance)


@jit
def _hours(p: Row, time: int, population: Floats, row: Floats) -> None:
    """The hour, and the two beside it, in this user's day and in everybody's."""
    hours, hour = p["hours"], time // HOUR % 24
    before, after = (hour + 23) % 24, (hour + 1) % 24
    seen = 0
    for h in range(24):
        seen += int(hours[h])
    mine = int(hours[before]) + int(hours[hour]) + int(hours[after])
    all_day = population[P_HOURS:]
    prior = all_day[before] + all_day[hour] + all_day[after]
    weight = population[P_WEIGHT]
    row[f.HOUR_SHARE_USER] = (mine + weight * prior) / (seen + weight)
    row[f.HOUR_SHARE_POPULATION] = all_day[hour]


@jit
def _velocity(p: Row, last: int, now: int, amount: float, population: Floats, row: Floats) -> None:
    """Turn the windows to ``now``; what they hold then, with this transaction. Turning them is not
    learning: doing it again changes nothing more."""
    step = _MINUTE
    count, total = windows.turn(p["minute_count"], p["minute_amount"], last // step, now // step)
    row[f.COUNT_1M], row[f.SUM_1M] = count + 1, total + amount
    step = _FIVE_MINUTES
    count, total = windows.turn(p["five_minutes_count"], p["five_minutes_amount"], last // step, now // step)
    row[f.COUNT_5M], row[f.SUM_5M] = count + 1, total + amount
    step = _HOUR
    count, total = windows.turn(p["hour_count"], p["hour_amount"], last // step, now // step)
    row[f.COUNT_1H], row[f.SUM_1H] = count + 1, total + amount
    step = _DAY
    count, total = windows.turn(p["day_ring_count"], p["day_ring_amount"], last // step, now // step)
    row[f.COUNT_24H], row[f.SUM_24H] = count + 1, total + amount
    if now // DAY > last // DAY:
        p["day_count"] = 0
        p["day_amount"] = 0.0
    row[f.COUNT_DAY], row[f.SUM_DAY] = int(p["day_count"]) + 1, p["day_amount"] + amount

    n, weight = p["total_transactions"], population[P_WEIGHT]
    days = (now - p["first_time"]) / DAY if n > 0 else 0.0
    usual = (n + weight) / (days + weight / population[P_DAILY])
    row[f.VELOCITY_SCORE] = min(row[f.COUNT_24H] / usual, LARGEST_RATIO)


@jit
def _holds(known: Known, value: int) -> bool:
    found = False
    for i in range(len(known)):
        found |= known[i] == value
    return found


@jit
def _unseen(known: Known, value: int) -> float:
    """1 if ``value`` is not known, 0 if it is, NaN if there is no value or nothing is known."""
    if value == 0 or known[0] == 0:
        return math.nan
    return 0.0 if _holds(known, value) else 1.0


@jit
def _distance_km(countries: Floats, here: int, there: int) -> float:
    """Least distance between two countries' people: great circle less both radii (haversine)."""
    north = math.sin((countries[there, 0] - countries[here, 0]) / 2)
    east = math.sin((countries[there, 1] - countries[here, 1]) / 2)
    half = north * north + math.cos(countries[here, 0]) * math.cos(countries[there, 0]) * east * east
    if math.isnan(half):  # one of them is not in the table
        return math.nan
    circle = 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(half, 1.0)))
    return max(circle - float(countries[here, 2]) - float(countries[there, 2]), 0.0)


@jit
def _travel_speed(p: Row, time: int, country: int, countries: Floats) -> float:
    """km/h from the latest country to this one; NaN if one of them is unknown."""
    if country == 0 or p["last_country"] == 0:
        return math.nan
    if country == p["last_country"]:
        return 0.0
    seconds = max(abs(time // SECOND - int(p["country_time"])), LEAST_TRAVEL_S)
    return float(_distance_km(countries, country, p["last_country"]) / seconds * 3600)


@jit
def _small_run(p: Row, amount: float, time: int, last: int, small: float) -> int:
    """Small amounts in a row up to and with this one, each within an hour of the one before."""
    if amount > small:
        return 0
    if p["total_transactions"] == 0 or abs(time - last) > HOUR:
        return 1
    return min(int(p["small_amount_run"]) + 1, windows.FULL)


@jit
def _describe(
    p: Row, tx: Row, time: int, last: int, now: int, logarithm: float,
    population: Floats, countries: Floats, row: Floats,
) -> None:  # fmt: skip
    """Fill ``row`` with the features of ``tx`` for a user whose profile is ``p``."""
    amount, n, alerts = tx["amount"], p["total_transactions"], p["alerts"]
    _amounts(p, amount, logarithm, population, row)
    _hours(p, time, population, row)
    _velocity(p, last, now, amount, population, row)
    row[f.SECONDS_SINCE_LAST] = abs(time - last) / SECOND if n > 0 else math.nan
    row[f.NEW_DEVICE] = _unseen(p["devices"], tx["device"])
    row[f.NEW_COUNTRY] = _unseen(p["countries"], tx["country"])
    row[f.TRAVEL_SPEED_KMH] = _travel_speed(p, time, tx["country"], countries)
    row[f.NEW_CATEGORY] = _unseen(p["categories"], tx["category"])
    row[f.SMALL_AMOUNT_RUN] = _small_run(p, amount, time, last, population[P_SMALL])
    row[f.TRANSACTIONS_SO_FAR] = n
    row[f.ALERTS_SO_FAR] = alerts
    row[f.SECONDS_SINCE_ALERT] = (now - p["last_alert_time"]) / SECOND if alerts > 0 else math.nan
    row[f.ACTIVE_BLOCK] = 1.0 if time < p["blocked_until"] else 0.0


# ---- points


@jit
def _added(row: Floats, factor: int, feature: Integers, cuts: Floats, points: Floats) -> float:
    """The points of one factor. The first cut is minus infinity, which only NaN does not reach, and the
    last one NaN, which nothing reaches."""
    value = row[feature[factor]]
    band = 0
    while value >= cuts[factor, band]:
        band += 1
    return float(points[factor, band])


@jit
def _score(row: Floats, feature: Integers, cuts: Floats, points: Floats, bias: float) -> float:
    """The logistic function of the bias and each factor's points."""
    total = bias
    for factor in range(len(feature)):
        total += _added(row, factor, feature, cuts, points)
    return 1.0 / (1.0 + math.exp(min(max(-total, -LARGEST_LOG_ODDS), LARGEST_LOG_ODDS)))


@jit
def add_points(features: Floats, feature: Integers, cuts: Floats, points: Floats, added: Floats) -> None:
    """Fill ``added`` (m, factors) with what each factor gives for ``features`` (m, features + k)."""
    for i in range(len(features)):
        for factor in range(len(feature)):
            added[i, factor] = _added(features[i], factor, feature, cuts, points)


# ---- learning


@jit
def _to_front(known: Known, value: int) -> None:
    """Make ``value`` the most recent; of a full list the least recent falls off."""
    if value == 0:
        return
    pushed = value
    for i in range(len(known)):
        pushed, known[i] = known[i], pushed
        if not pushed or pushed == value:
            return


@jit
def _learn_windows(p: Row, time: int, now: int, amount: float) -> None:
    windows.add(p["minute_count"], p["minute_amount"], time // _MINUTE, now // _MINUTE, amount)
    step = _FIVE_MINUTES
    windows.add(p["five_minutes_count"], p["five_minutes_amount"], time // step, now // step, amount)
    windows.add(p["hour_count"], p["hour_amount"], time // _HOUR, now // _HOUR, amount)
    windows.add(p["day_ring_count"], p["day_ring_amount"], time // _DAY, now // _DAY, amount)
    if time // DAY == now // DAY:
        p["day_count"] += 1
        p["day_amount"] += amount


@jit
def _learn_habits(p: Row, tx: Row, time: int) -> None:
    hours, hour = p["hours"], time // HOUR % 24
    if hours[hour] == _FULL_HOUR:
        for h in range(24):
            hours[h] //= 2
    hours[hour] += 1
    _to_front(p["devices"], tx["device"])
    _to_front(p["categories"], tx["category"])
    _to_front(p["countries"], tx["country"])
    if tx["country"] != 0 and time // SECOND >= int(p["country_time"]):
        p["last_country"] = tx["country"]
        p["country_time"] = time // SECOND


@jit
def _learn(p: Row, tx: Row, time: int, last: int, now: int, logarithm: float, small: float) -> None:
    """Let the profile take in ``tx``."""
    amount, n = tx["amount"], int(p["total_transactions"])
    if n == 0:
        p["version"] = _VERSION
        p["first_time"] = time
    if time >= last - HOUR:  # a later one belongs to no run that is going on
        p["small_amount_run"] = _small_run(p, amount, time, last, small)
    _learn_windows(p, time, now, amount)
    _learn_habits(p, tx, time)
    p["recent"][n % len(p["recent"])] = tx["transaction"]
    p["total_transactions"] = n + 1
    p["total_amount"] += amount
    delta = logarithm - p["log_mean"]
    p["log_mean"] += delta / (n + 1)
    p["log_m2"] += delta * (logarithm - p["log_mean"])  # Welford 1962
    p["last_time"] = now


# ---- the pass


@jit
def _within(slots: Integers, profiles: int, rows: npt.NDArray[np.void], countries: int) -> bool:
    slot, country = -1, 0
    for i in range(len(rows)):
        slot = max(slot, slots[i])
        country = max(country, int(rows[i]["country"]))
    return slot < profiles and country < countries


@jit
def score_batch(
    profiles: Profiles, slots: Integers, rows: npt.NDArray[np.void], extra: Floats,
    countries: Floats, population: Floats,
    feature: Integers, cuts: Floats, points: Floats, bias: float, threshold: float,
    scores: Floats, status: npt.NDArray[np.uint8],
    keep_all: bool, kept: Integers, kept_features: Floats, kept_before: Profiles,
) -> int:  # fmt: skip
    """Score ``rows`` in order and let their profiles learn; returns how many rows were kept, or, and
    then nothing has changed, -1 where a slot or a country lies beyond its array.

    profiles      (slots,) PROFILE, changed in place
    slots         (n,) the profile of each row; below 0 a row is skipped
    rows, extra   (n,) TRANSACTION and (n, k), see ``columns``
    countries     (CODES, 3), see ``datasets.geography``
    population    (N_POPULATION,), see ``scorecard``
    feature ... bias   the scorecard's arrays; ``feature`` indexes the features, then ``extra``
    threshold     a score of at least this is an alert
    scores        (n,) out, between 0 and 1; NaN for a row that is skipped or a duplicate
    status        (n,) out: SCORED, ALERT, DUPLICATE, SKIPPED
    kept, kept_features, kept_before   (n,), (n, features + k) and (n,) PROFILE out: for alerts (for
                  every scored row when ``keep_all``), which row it is, what was seen, and the profile
                  it was seen from
    """
    if not _within(slots, len(profiles), rows, len(countries)):
        return -1
    row = np.empty(f.N_FEATURES + extra.shape[1])
    out = 0
    for i in range(len(rows)):
        if i + AHEAD < len(rows):
            prefetch(profiles, slots[i + AHEAD])
        scores[i] = math.nan
        if slots[i] < 0:
            status[i] = SKIPPED
            continue
        p, tx = profiles[slots[i]], rows[i]
        time, last = max(tx["time"], 0), max(p["last_time"], 0)
        # Only a transaction that is not new can have come before; a hash that collides among the
        # others would cost a real one its place in the profile.
        if time <= last and tx["transaction"] != 0 and _holds(p["recent"], tx["transaction"]):
            status[i] = DUPLICATE
            continue
        now = max(time, last)
        logarithm = math.log(max(tx["amount"], SMALLEST_AMOUNT))
        _describe(p, tx, time, last, now, logarithm, population, countries, row)
        for k in range(extra.shape[1]):
            row[f.N_FEATURES + k] = extra[i, k]
        score = _score(row, feature, cuts, points, bias)
        alert = score >= threshold
        scores[i], status[i] = score, ALERT if alert else SCORED
        if alert or keep_all:
            kept[out], kept_before[out] = i, p
            for k in range(len(row)):
                kept_features[out, k] = row[k]
            out += 1
        _learn(p, tx, time, last, now, logarithm, population[P_SMALL])
        if alert:
            p["alerts"] += 1
            p["last_alert_time"] = now
    return out


@jit
def mark(
    slots: Integers, status: npt.NDArray[np.uint8], turn: int, changed: npt.NDArray[np.bool_], used: Integers
) -> int:
    """Note of each row's slot that its profile was ``changed`` by it, and ``used`` in this turn, unless the
    row is a duplicate; how many are none."""
    learnt = 0
    for i in range(len(slots)):
        if status[i] != DUPLICATE:
            changed[slots[i]] = True
            used[slots[i]] = turn
            learnt += 1
    return learnt
