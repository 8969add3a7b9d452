"""The scoring kernel: one sequential pass over a batch, compiled by numba.

Purpose: compute each transaction's features from its user's profile, turn them into points, and
only then let the profile learn from it. Everything that decides (live, replay, backtest, explain)
calls ``score`` of ``engine.scoring``, which calls ``score_batch`` here.

Design: scalar code over arrays, in stream order, so that cutting the stream into other batches
cannot change a number. No I/O, no clock, no allocation that depends on the batch but one row of
features. The same functions run uncompiled with NUMBA_DISABLE_JIT=1.

Not here: names, reasons and files (``features``, ``scorecard``).
"""

from __future__ import annotations

import math

import numpy as np

from profiles import layout
from sentinel_cli.engine.compiled import jit
from sentinel_cli.engine.features import N_FEATURES

SCORED, ALERT, DUPLICATE, SKIPPED = 0, 1, 2, 3

SECOND = 1_000_000  # event time is in microseconds
DAY = 86_400 * SECOND
HOUR = 3_600 * SECOND
# Travel between two transactions of the same instant is judged as if a minute lay between them.
LEAST_TRAVEL_TIME = 60 * SECOND
EARTH_RADIUS_KM = 6371.0088  # mean radius, IUGG
SMALLEST_AMOUNT = 0.01  # what ln sees for a card verification of zero

# Positions of the population's numbers in the vector that Scorecard.population is.
P_AMOUNT_MEAN, P_LOG_MEAN, P_LOG_SD, P_DAILY, P_WEIGHT, P_SMALL, P_HOURS = 0, 1, 2, 3, 4, 5, 6
N_POPULATION = P_HOURS + 24

_VERSION = layout.VERSION
_M = layout.MINUTE_STEP_S * SECOND
_F = layout.FIVE_MINUTES_STEP_S * SECOND
_H = layout.HOUR_STEP_S * SECOND
_D = layout.DAY_STEP_S * SECOND
_FULL_COUNT = 65_535  # a step's count saturates here
_FULL_HOUR = 255
_MILLION_RATIO = 1e9  # ratios are capped here, so that every feature stays finite


@jit
def _distance_km(table, here, there):  # type: ignore[no-untyped-def]
    """Least distance between two countries' people: great circle less both radii (haversine)."""
    a, b = table[here], table[there]
    half = (
        math.sin((b[0] - a[0]) / 2) ** 2 + math.cos(a[0]) * math.cos(b[0]) * math.sin((b[1] - a[1]) / 2) ** 2
    )
    circle = 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(half, 1.0)))
    return max(circle - a[2] - b[2], 0.0)


@jit
def _window(counts, amounts, written, head):  # type: ignore[no-untyped-def]
    """Count and amount that a ring last written at step ``written`` holds at step ``head``."""
    count, amount = 0, 0.0
    at = written % len(counts)
    for _ in range(len(counts) - (head - written)):
        count += counts[at]
        amount += amounts[at]
        at = at - 1 if at > 0 else len(counts) - 1
    return count, amount


@jit
def _record(counts, amounts, written, head, step, amount):  # type: ignore[no-untyped-def]
    """Turn a ring from step ``written`` to ``head`` and add a transaction of ``step``, if it is on it."""
    steps = len(counts)
    at = head % steps
    for _ in range(min(head - written, steps)):
        counts[at] = 0
        amounts[at] = 0.0
        at = at - 1 if at > 0 else steps - 1
    if step > head - steps:
        at = step % steps
        if counts[at] < _FULL_COUNT:
            counts[at] += 1
        amounts[at] += amount


@jit
def _position(known, value):  # type: ignore[no-untyped-def]
    """Where ``value`` stands in a list that zero ends, or -1."""
    for i in range(len(known)):
        if known[i] == value:
            return i
        if known[i] == 0:
            return -1
    return -1


@jit
def _to_front(known, value):  # type: ignore[no-untyped-def]
    """Make ``value`` the most recent of a list; the least recent one falls off a full list."""
    last = len(known) - 1
    for i in range(len(known)):
        if known[i] == value or known[i] == 0:
            last = i
            break
    for i in range(last, 0, -1):
        known[i] = known[i - 1]
    known[0] = value


@jit
def _hour_share(hours, seen, population, hour):  # type: ignore[no-untyped-def]
    """The user's share of this hour and its neighbours, the population counting as P_WEIGHT more."""
    mine = 0.0
    prior = 0.0
    for offset in range(-1, 2):
        h = (hour + offset) % 24
        mine += hours[h]
        prior += population[P_HOURS + h]
    weight = population[P_WEIGHT]
    return (mine + weight * prior) / (seen + weight)


@jit
def _describe(p, tx, population, countries, row):  # type: ignore[no-untyped-def]
    """Fill ``row`` with the features of ``tx`` for a user whose profile is ``p``; ``p`` is only read."""
    amount = tx.amount
    time = tx.time
    n = p.total_transactions
    fresh = n == 0
    now = time if fresh else max(time, p.last_time)
    weight = population[P_WEIGHT]

    row[0] = amount
    average = (p.total_amount + weight * population[P_AMOUNT_MEAN]) / (n + weight)
    row[1] = min(amount / average, _MILLION_RATIO)
    mean = (n * p.log_mean + weight * population[P_LOG_MEAN]) / (n + weight)
    variance = (p.log_m2 + weight * population[P_LOG_SD] ** 2) / (n + weight)
    row[2] = (math.log(max(amount, SMALLEST_AMOUNT)) - mean) / math.sqrt(variance)

    hour = (time // HOUR) % 24
    seen = 0
    for h in range(24):
        seen += p.hours[h]
    row[3] = _hour_share(p.hours, seen, population, hour)
    row[4] = population[P_HOURS + hour]
    row[5] = math.nan if fresh else max(time - p.last_time, 0) / SECOND

    c, s = _window(p.minute_count, p.minute_amount, p.last_time // _M, now // _M)
    row[6], row[11] = c + 1, s + amount
    c, s = _window(p.five_minutes_count, p.five_minutes_amount, p.last_time // _F, now // _F)
    row[7], row[12] = c + 1, s + amount
    c, s = _window(p.hour_count, p.hour_amount, p.last_time // _H, now // _H)
    row[8], row[13] = c + 1, s + amount
    c, s = _window(p.day_ring_count, p.day_ring_amount, p.last_time // _D, now // _D)
    row[9], row[14] = c + 1, s + amount
    today = p.day == now // DAY
    row[10] = (p.day_count if today else 0) + 1
    row[15] = (p.day_amount if today else 0.0) + amount
    days = 0.0 if fresh else max(now - p.first_time, 0) / DAY
    usual = (n + weight) / (days + weight / population[P_DAILY])
    row[16] = min(row[9] / usual, _MILLION_RATIO)

    unknown_device = tx.device == 0 or p.devices[0] == 0
    row[17] = math.nan if unknown_device else (1.0 if _position(p.devices, tx.device) < 0 else 0.0)
    unknown_country = tx.country == 0 or p.countries[0] == 0
    row[18] = math.nan if unknown_country else (1.0 if _position(p.countries, tx.country) < 0 else 0.0)
    row[19] = math.nan
    if not unknown_country and p.last_country != 0:
        apart = max(abs(time - p.last_time), LEAST_TRAVEL_TIME) / HOUR
        row[19] = 0.0
        if tx.country != p.last_country:
            row[19] = _distance_km(countries, tx.country, p.last_country) / apart
    unknown_category = tx.category == 0 or p.categories[0] == 0
    row[20] = math.nan if unknown_category else (1.0 if _position(p.categories, tx.category) < 0 else 0.0)
    row[21] = _small_run(p, amount, now, population[P_SMALL])
    row[22] = n
    row[23] = p.alerts
    row[24] = math.nan if p.alerts == 0 else max(now - p.last_alert_time, 0) / SECOND
    row[25] = 1.0 if time < p.blocked_until else 0.0


@jit
def _small_run(p, amount, now, small):  # type: ignore[no-untyped-def]
    """Small amounts in a row up to and with this one, each within an hour of the one before."""
    if amount > small:
        return 0
    if p.total_transactions == 0 or now - p.last_time > HOUR:
        return 1
    return min(p.small_amount_run + 1, _FULL_COUNT)


@jit
def _points(row, feature, cuts, n_cuts, points, missing, bias):  # type: ignore[no-untyped-def]
    """The score in log-odds: the bias and each factor's points for its feature's value."""
    total = bias
    for f in range(len(feature)):
        value = row[feature[f]]
        if math.isnan(value):
            total += missing[f]
            continue
        at = 0
        while at < n_cuts[f] and value >= cuts[f, at]:
            at += 1
        total += points[f, at]
    return total


@jit
def _learn(p, tx, small):  # type: ignore[no-untyped-def]
    """Let the profile take in ``tx``. A late event counts where it belongs and moves nothing back."""
    time, amount = tx.time, tx.amount
    if p.total_transactions == 0:
        p.version = _VERSION
        p.first_time = time
        p.last_time = time
        p.day = time // DAY
    last = p.last_time
    now = max(time, last)
    p.small_amount_run = _small_run(p, amount, now, small)
    _record(p.minute_count, p.minute_amount, last // _M, now // _M, time // _M, amount)
    _record(p.five_minutes_count, p.five_minutes_amount, last // _F, now // _F, time // _F, amount)
    _record(p.hour_count, p.hour_amount, last // _H, now // _H, time // _H, amount)
    _record(p.day_ring_count, p.day_ring_amount, last // _D, now // _D, time // _D, amount)
    if now // DAY > p.day:
        p.day = now // DAY
        p.day_count = 0
        p.day_amount = 0.0
    if time // DAY == p.day:
        p.day_count += 1
        p.day_amount += amount

    p.total_transactions += 1
    p.total_amount += amount
    logarithm = math.log(max(amount, SMALLEST_AMOUNT))
    delta = logarithm - p.log_mean
    p.log_mean += delta / p.total_transactions
    p.log_m2 += delta * (logarithm - p.log_mean)  # Welford 1962

    hour = (time // HOUR) % 24
    if p.hours[hour] == _FULL_HOUR:
        for h in range(24):
            p.hours[h] //= 2
    p.hours[hour] += 1
    if tx.device != 0:
        _to_front(p.devices, tx.device)
    if tx.category != 0:
        _to_front(p.categories, tx.category)
    if tx.country != 0:
        _to_front(p.countries, tx.country)
        if time >= last:
            p.last_country = tx.country
    if tx.transaction != 0:
        _to_front(p.recent, tx.transaction)
    p.last_time = now


@jit
def score_batch(  # type: ignore[no-untyped-def]
    profiles, slots, rows, extra, countries, population,
    feature, cuts, n_cuts, points, missing, bias, threshold,
    scores, status, keep_all, kept, kept_features, kept_before,
):  # fmt: skip
    """Score ``rows`` in order and let their profiles learn; returns how many rows were kept.

    profiles      (slots,) PROFILE, changed in place
    slots         (n,) int64, the profile of each row; below 0 a row is skipped
    rows, extra   (n,) TRANSACTION and (n, k) float64, see ``columns``
    countries     (CODES, 3) float64, see ``datasets.geography``
    population    (N_POPULATION,) float64, see ``scorecard``
    feature ... bias   the scorecard's arrays; ``feature`` indexes the features, then ``extra``
    threshold     a score of at least this is an alert
    scores        (n,) float64 out, 0 to 1; NaN for a row that is skipped or a duplicate
    status        (n,) uint8 out: SCORED, ALERT, DUPLICATE, SKIPPED
    kept, kept_features, kept_before   (n,) int64, (n, features + k) float64, (n,) PROFILE out: for
                  alerts (for every scored row when ``keep_all``), which row it is, what was seen,
                  and the profile it was seen from
    """
    n_extra = extra.shape[1]
    row = np.empty(N_FEATURES + n_extra)
    out = 0
    for i in range(len(rows)):
        scores[i] = math.nan
        if slots[i] < 0:
            status[i] = SKIPPED
            continue
        p = profiles[slots[i]]
        tx = rows[i]
        # Only a transaction that is not new can have come before; a hash that collides among the
        # others would cost a real one its place in the profile.
        known = p.total_transactions > 0 and tx.time <= p.last_time and tx.transaction != 0
        if known and _position(p.recent, tx.transaction) >= 0:
            status[i] = DUPLICATE
            continue
        _describe(p, tx, population, countries, row)
        for k in range(n_extra):
            row[N_FEATURES + k] = extra[i, k]
        score = 1.0 / (1.0 + math.exp(-_points(row, feature, cuts, n_cuts, points, missing, bias)))
        scores[i] = score
        alert = score >= threshold
        status[i] = ALERT if alert else SCORED
        if alert or keep_all:
            kept[out] = i
            kept_features[out, :] = row
            kept_before[out] = p
            out += 1
        _learn(p, tx, population[P_SMALL])
        if alert:
            p.alerts += 1
            p.last_alert_time = p.last_time
    return out
