"""`sentinel bench latency`: from the producer's timestamp to the alert in a consumer's hands.

Purpose: at an even pace, with the detector running as it does in production (``flowing``).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sentinel_cli.benching import flowing
from sentinel_cli.benching.draining import drain
from sentinel_cli.benching.flowing import Flow
from sentinel_cli.streaming import topics

if TYPE_CHECKING:
    from sentinel_cli.benching.detecting import Way
    from sentinel_cli.benching.trial import Trial


def measure(trial: Trial, rate: float, seconds: float, users: int, way: Way) -> dict[str, Any]:
    """``seconds`` of paced traffic, and a warm-up before. Raises SentinelError when alerts are missing."""
    way, flow = way.found(trial.settings), Flow(trial, [(rate, seconds)], users)
    with flowing.detector(trial, way) as child:
        trial.say(f"Sending {len(flow):,} records at {rate:,.0f} a second …")
        came = flowing.received(trial, flow, child)
    return {
        "bench": "latency",
        "rate": rate,
        "achieved_rate": flowing.achieved(flow, 0, len(flow)),
        **flowing.quantiles(flow, came, flow.warm_up, len(flow)),
        "alerts": int((flow.alerts >= flow.warm_up).sum()),
        "seconds": seconds,
        "users": users,
        **asdict(way),
        "raw_drain_tps": round(drain(trial.settings, trial.topic(topics.TRANSACTIONS)).tps),
        "broker": trial.broker,
        "redis": trial.store,
    }
