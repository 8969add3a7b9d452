"""`sentinel bench respond`: alerts acted on a second, exactly once, with all of them already waiting.

Purpose: a topic of alerts that a real detector raised, of every severity, and the responder over it.
``tps`` counts alerts, from the start of its work to its last save.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sentinel_cli.benching import figures
from sentinel_cli.benching.detecting import Way
from sentinel_cli.benching.draining import drain
from sentinel_cli.benching.records import Shape
from sentinel_cli.errors import SentinelError
from sentinel_cli.streaming import topics

if TYPE_CHECKING:
    from sentinel_cli.benching.trial import Trial

ARGUMENTS = ["--exit-at-end"]
# Of the records: so that alerts need not be waited for, and users have several.
ALERTING = 0.5


def fill(trial: Trial, alerts: int, users: int) -> int:
    """Have a detector raise about so many alerts; returns how many."""
    filled = trial.fill(Shape(round(alerts / ALERTING), users, alerts=ALERTING))
    trial.say("Raising the alerts …")
    way = Way()
    trial.run("detect", way.arguments(), way.environment(trial), topics.TRANSACTIONS)
    return len(filled.alerts)


def measure(trial: Trial, alerts: int, users: int, rounds: int) -> dict[str, Any]:
    """``rounds`` rounds over the ``alerts`` on the topic. Raises SentinelError when one left some out."""
    drain(trial.settings, trial.topic(topics.FRAUD_ALERTS))  # warms the broker, and counts for nothing
    return {
        "bench": "respond",
        **figures.of_rounds(rounds, lambda: _round(trial, alerts), trial.say, figures.a_second),
        "alerts": alerts,
        "users": users,
        "broker": trial.broker,
        "redis": trial.store,
    }


def profile(trial: Trial) -> None:
    """One more run under a profiler, over what is there."""
    trial.forget()
    trial.profile("respond", ARGUMENTS, trial.environment(), topics.FRAUD_ALERTS)


def _round(trial: Trial, alerts: int) -> dict[str, float]:
    trial.forget()
    raw = drain(trial.settings, trial.topic(topics.FRAUD_ALERTS))
    ran = trial.run("respond", ARGUMENTS, trial.environment(), topics.FRAUD_ALERTS)
    if ran.document["acted"] != alerts:
        raise SentinelError(
            f"The responder acted on {ran.document['acted']:,} of {alerts:,} alerts: that is no figure but a "
            "bug, please report it."
        )
    tps = alerts / ran.document["elapsed_s"]
    return {
        "tps": round(tps),
        "raw_drain_tps": round(raw.tps),
        "ratio_to_raw": figures.rounded(tps / raw.tps),
        "peak_rss_mb": round(ran.memory_mb),
        "others_cores": ran.others,
        "start_s": figures.rounded(ran.start_s),
    }
