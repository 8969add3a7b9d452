"""`sentinel bench backtest`: transactions judged a second, from a topic with its labels.

Purpose: the same engine as `detect` without Kafka groups or Redis, and the truth joined to it; beside it
the raw drain of the transactions. ``tps`` counts from the reading of the topic to the verdict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sentinel_cli.benching import figures, producing
from sentinel_cli.benching.draining import drain
from sentinel_cli.streaming import topics

if TYPE_CHECKING:
    from sentinel_cli.benching.trial import Trial

ARGUMENTS = [topics.TRANSACTIONS]


def measure(trial: Trial, records: int, users: int, rounds: int) -> dict[str, Any]:
    """``rounds`` rounds over ``records`` of `sentinel produce`. Raises SentinelError."""
    trial.say(f"Writing {records:,} records of {users:,} users, and their labels …")
    trial.run("produce", producing.arguments(records, users), {})
    drain(trial.settings, trial.topic(topics.TRANSACTIONS))  # warms the broker, and counts for nothing
    return {
        "bench": "backtest",
        **figures.of_rounds(rounds, lambda: _round(trial, records), trial.say, figures.a_second),
        "records": records,
        "users": users,
        "broker": trial.broker,
    }


def profile(trial: Trial) -> None:
    """One more run under a profiler, over what is there."""
    trial.profile("backtest", ARGUMENTS, {}, "")


def _round(trial: Trial, records: int) -> dict[str, float]:
    raw = drain(trial.settings, trial.topic(topics.TRANSACTIONS))
    ran = trial.run("backtest", ARGUMENTS, {})
    tps = records / ran.document["elapsed_s"]
    return {
        "tps": round(tps),
        "raw_drain_tps": round(raw.tps),
        "ratio_to_raw": figures.rounded(tps / raw.tps),
        "peak_rss_mb": round(ran.memory_mb),
        "others_cores": ran.others,
    }
