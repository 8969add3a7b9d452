"""`sentinel bench produce`: synthetic transactions made, sent and acknowledged a second.

Purpose: the generator live and unpaced, each transaction with its label, as `sentinel produce` sends
them; beside it the raw drain of what it wrote. ``tps`` counts transactions, from the first to the
broker's word on the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sentinel_cli.benching import figures
from sentinel_cli.benching.draining import drain
from sentinel_cli.benching.serving import Servers
from sentinel_cli.errors import SentinelError
from sentinel_cli.streaming import topics

if TYPE_CHECKING:
    from sentinel_cli.benching.trial import Trial


def measure(trial: Trial, records: int, users: int, rounds: int) -> dict[str, Any]:
    """``rounds`` rounds of ``records``. Raises SentinelError when Kafka did not take all."""
    return {
        "bench": "produce",
        **figures.of_rounds(rounds, lambda: _round(trial, records, users), trial.say, figures.a_second),
        "records": records,
        "users": users,
        "broker": trial.broker,
    }


def arguments(records: int, users: int) -> list[str]:
    return ["--count", str(records), "--users", str(users)]


def profile(trial: Trial, records: int, users: int) -> None:
    """One more run under a profiler."""
    trial.profile("produce", arguments(records, users), {}, "")


def _round(trial: Trial, records: int, users: int) -> dict[str, float]:
    before, servers = trial.ends(topics.TRANSACTIONS), Servers(trial)
    ran = trial.run("produce", arguments(records, users), {})
    if ran.document["produced"] != records:
        raise SentinelError(f"Kafka took {ran.document['produced']:,} of {records:,} transactions.")
    spent = servers.broker(records)
    raw = drain(trial.settings, trial.topic(topics.TRANSACTIONS), before)
    return {
        "tps": ran.document["tps"],
        "raw_drain_tps": round(raw.tps),
        "ratio_to_raw": figures.rounded(ran.document["tps"] / raw.tps),
        "peak_rss_mb": round(ran.memory_mb),
        "others_cores": ran.others,
        **spent,
    }
