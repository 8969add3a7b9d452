"""The features that factors look at: their names, their places in a row, and how they read aloud.

Purpose: the one list of what the kernel computes for each transaction, before it learns from it.

Design: a feature is a float64 at a fixed index; NaN says that there is nothing to compare with (a
first transaction has no travel speed). Velocity features include the transaction itself. Windows
are rings of steps (``windows``): one of W seconds in k steps sees every transaction of the last
W - W/k seconds and none older than W.

Not here: how they are computed (``kernel``), and what they are worth (``scorecard``).
"""

from __future__ import annotations

from typing import NamedTuple


class Feature(NamedTuple):
    """``reason`` is formatted with ``value`` when the feature adds points to an alert."""

    name: str
    meaning: str
    reason: str


FEATURES = (
    Feature("amount", "amount, in the record's currency", "an amount of {value:,.2f}"),
    Feature(
        "amount_vs_avg_ratio",
        "amount over this user's average (shrunk to the population's)",
        "{value:.1f} times this user's average",
    ),
    Feature(
        "amount_zscore",
        "ln(amount) in standard deviations from this user's mean (shrunk to the population's)",
        "{value:.1f} standard deviations above this user's amounts",
    ),
    Feature(
        "hour_share_user",
        "share of this user's transactions in this UTC hour and the two beside it",
        "an hour that holds {value:.1%} of this user's transactions",
    ),
    Feature(
        "hour_share_population",
        "share of everybody's transactions in this UTC hour",
        "an hour that holds {value:.1%} of everybody's transactions",
    ),
    Feature(
        "seconds_since_last",
        "seconds between this transaction and this user's latest",
        "{value:.0f} s from the last one",
    ),
    Feature("count_1m", "transactions in 1 minute, steps of 10 s", "{value:.0f} in one minute"),
    Feature("count_5m", "transactions in 5 minutes, steps of 1 min", "{value:.0f} in five minutes"),
    Feature("count_1h", "transactions in 1 hour, steps of 10 min", "{value:.0f} in one hour"),
    Feature("count_24h", "transactions in 24 hours, steps of 2 h", "{value:.0f} in 24 hours"),
    Feature("count_day", "transactions in this UTC day", "{value:.0f} today"),
    Feature("sum_1m", "amount in 1 minute, steps of 10 s", "{value:,.2f} spent in one minute"),
    Feature("sum_5m", "amount in 5 minutes, steps of 1 min", "{value:,.2f} spent in five minutes"),
    Feature("sum_1h", "amount in 1 hour, steps of 10 min", "{value:,.2f} spent in one hour"),
    Feature("sum_24h", "amount in 24 hours, steps of 2 h", "{value:,.2f} spent in 24 hours"),
    Feature("sum_day", "amount in this UTC day", "{value:,.2f} spent today"),
    Feature(
        "velocity_score",
        "transactions in 24 hours over this user's usual number a day (shrunk to the population's)",
        "{value:.1f} times as many transactions as usual in a day",
    ),
    Feature("new_device", "1 on a device not seen with this user", "a device never seen with this user"),
    Feature("new_country", "1 in a country not seen with this user", "a country never seen with this user"),
    Feature(
        "travel_speed_kmh",
        "km/h needed from the latest known country to this one, between their nearest inhabitants",
        "{value:,.0f} km/h since the last country",
    ),
    Feature(
        "new_category",
        "1 in a merchant category not seen with this user",
        "a kind of merchant new to this user",
    ),
    Feature(
        "small_amount_run",
        "small amounts in a row with this one, each within an hour of the one before",
        "{value:.0f} small amounts in a row",
    ),
    Feature("transactions_so_far", "this user's transactions so far", "{value:.0f} transactions so far"),
    Feature("alerts_so_far", "alerts on this user so far", "{value:.0f} alerts so far"),
    Feature("seconds_since_alert", "seconds since this user's last alert", "{value:.0f} s after an alert"),
    Feature("active_block", "1 while this user is blocked", "this user is blocked"),
)
N_FEATURES = len(FEATURES)
NAMES = tuple(feature.name for feature in FEATURES)
INDEX = {name: index for index, name in enumerate(NAMES)}

# Each feature's place in a row, for the kernel: a test holds these names to the list above.
(
    AMOUNT, AMOUNT_VS_AVG_RATIO, AMOUNT_ZSCORE,
    HOUR_SHARE_USER, HOUR_SHARE_POPULATION, SECONDS_SINCE_LAST,
    COUNT_1M, COUNT_5M, COUNT_1H, COUNT_24H, COUNT_DAY,
    SUM_1M, SUM_5M, SUM_1H, SUM_24H, SUM_DAY, VELOCITY_SCORE,
    NEW_DEVICE, NEW_COUNTRY, TRAVEL_SPEED_KMH, NEW_CATEGORY, SMALL_AMOUNT_RUN,
    TRANSACTIONS_SO_FAR, ALERTS_SO_FAR, SECONDS_SINCE_ALERT, ACTIVE_BLOCK,
) = range(N_FEATURES)  # fmt: skip

# A factor that looks into the record's own `features` map names it with this prefix.
RECORD_PREFIX = "features."

# What an alert says in one word each: the flag stands when one of these features added points.
FLAGS: dict[str, tuple[str, ...]] = {
    "is_high_amount": ("amount", "amount_vs_avg_ratio", "amount_zscore"),
    "is_unusual_hour": ("hour_share_user", "hour_share_population"),
    "is_rapid_fire": ("count_1m", "count_5m", "seconds_since_last"),
    "is_high_velocity": ("count_1h", "count_24h", "count_day", "velocity_score"),
    "is_high_spend": ("sum_1m", "sum_5m", "sum_1h", "sum_24h", "sum_day"),
    "is_new_device": ("new_device",),
    "is_new_country": ("new_country",),
    "is_impossible_travel": ("travel_speed_kmh",),
    "is_new_category": ("new_category",),
    "is_card_testing": ("small_amount_run",),
    "has_prior_alerts": ("alerts_so_far", "seconds_since_alert"),
    "is_blocked": ("active_block",),
}
