"""`sentinel bench burst`: what happens to latency and lag while many times the traffic comes.

Purpose: as long before, during and after the burst; and how long until no more waits than before.

Design: lag is what was sent and is not in the saved profiles yet, looked at twenty times a second.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from profiles.keys import Keys
from sentinel_cli.benching import figures, flowing
from sentinel_cli.benching.draining import drain
from sentinel_cli.benching.flowing import Flow
from sentinel_cli.streaming import topics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sentinel_cli.benching.detecting import Way
    from sentinel_cli.benching.flowing import Floats
    from sentinel_cli.benching.trial import Trial

PHASES = ("before", "during", "after")
LOOK_EVERY_S = 0.05


class Lag:
    """Looks while it is ``watching``: at ``at``, in seconds since 1970, so many ``records`` waited."""

    def __init__(self, trial: Trial, flow: Flow) -> None:
        keys = Keys(trial.settings.redis_prefix, trial.topic(topics.TRANSACTIONS))
        partitions = topics.partitions(trial.settings, topics.TRANSACTIONS)
        self._offsets = [keys.offset(partition) for partition in range(partitions)]
        self._client, self._flow = trial.client, flow
        self._seen: list[tuple[float, int]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="lag")

    @contextmanager
    def watching(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            now, sent = time.time(), self._flow.sent
            with self._client.pipeline(transaction=False) as pipe:
                for key in self._offsets:
                    pipe.get(key)
                saved = sum(int(offset or 0) for offset in pipe.execute())
            self._seen.append((now, max(sent - saved, 0)))

    def most(self, since: float, until: float) -> int:
        """Records that waited at most, between these times."""
        return max((records for at, records in self._seen if since <= at < until), default=0)

    def falls_to(self, records: int, since: float) -> float | None:
        """Seconds from ``since`` until no more than ``records`` waited; None if it never came to that."""
        return next((at - since for at, waiting in self._seen if at >= since and waiting <= records), None)


def measure(trial: Trial, rate: float, times: float, seconds: float, users: int, way: Way) -> dict[str, Any]:
    """``rate``, then ``times`` the rate, then ``rate`` again, for ``seconds`` each. Raises SentinelError
    when alerts are missing."""
    way = way.found(trial.settings)
    flow = Flow(trial, [(rate, seconds), (rate * times, seconds), (rate, seconds)], users)
    lag = Lag(trial, flow)
    with flowing.detector(trial, way) as child, lag.watching():
        trial.say(f"Sending {len(flow):,} records, {rate:,.0f} a second and then {rate * times:,.0f} …")
        came = flowing.received(trial, flow, child)
        time.sleep(2 * LOOK_EVERY_S)  # the last alert is out before its profile is saved
    return {
        "bench": "burst",
        "rate": rate,
        "times": times,
        "seconds": seconds,
        **_phases(flow, came, lag),
        "users": users,
        **asdict(way),
        "raw_drain_tps": round(drain(trial.settings, trial.topic(topics.TRANSACTIONS)).tps),
        "broker": trial.broker,
        "redis": trial.store,
    }


def _phases(flow: Flow, came: Floats, lag: Lag) -> dict[str, Any]:
    """The figures of each phase under its name; "catch_up_s" is counted from the last of the burst."""
    bounds = flow.bounds()
    starts = [float(flow.at[first]) for first in bounds[:-1]] + [np.inf]
    found: dict[str, Any] = {
        name: {
            "achieved_rate": flowing.achieved(flow, bounds[n], bounds[n + 1]),
            **flowing.quantiles(flow, came, bounds[n], bounds[n + 1]),
            "most_lag": lag.most(starts[n], starts[n + 1]),
        }
        for n, name in enumerate(PHASES)
    }
    caught_up = lag.falls_to(found["before"]["most_lag"], starts[2])
    return {**found, "catch_up_s": None if caught_up is None else figures.rounded(caught_up)}
