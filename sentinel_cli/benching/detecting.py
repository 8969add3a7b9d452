"""`sentinel bench detect`: transactions a second, exactly once, with everything already waiting.

Purpose: in each round the raw drain of the topic, then the detector over the same records from
nothing: no profile, a group of its own. Whether it did all of it is checked each time, and the alerts on
the topic are counted one by one: a figure that was reached by leaving something out is an error, not a
figure.

What is in a figure: ``tps`` counts from the group's assignment to the last save. Starting Python,
loading the compiled kernel and the broker's rebalance come before that and stand in ``start_s``.
``cpu_us_per_tx`` is all threads of the worker, user and system. The broker's and Redis's share, where
they run here, is told as well, since all of it shares the machine.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from sentinel_cli.benching import alerts, figures
from sentinel_cli.benching.draining import drain
from sentinel_cli.benching.serving import Servers
from sentinel_cli.benching.trial import Filled, Ran, Trial
from sentinel_cli.errors import SentinelError
from sentinel_cli.streaming import sources, topics

if TYPE_CHECKING:
    from sentinel_cli.config import Settings

Source = Literal["auto", "native", "plain"]
Delivery = Literal["idempotent", "transactional"]


@dataclass(frozen=True)
class Way:
    """How the detector runs: with ``cache`` profiles in memory, or 0 for as many as the settings say; "auto"
    becomes what that comes to here (``found``)."""

    source: Source = "auto"
    delivery: Delivery = "idempotent"
    workers: int = 1
    cache: int = 0

    def found(self, settings: Settings) -> Way:
        """Raises ConfigError when the source that is asked for cannot run."""
        kafka = settings.kafka.model_copy(update={"source": self.source})
        source = sources.choose(settings.model_copy(update={"kafka": kafka})).kind
        return replace(self, source=source, cache=self.cache or settings.detect.profile_cache)

    def environment(self, trial: Trial) -> dict[str, str]:
        cache = {"SENTINEL_DETECT_PROFILE_CACHE": str(self.cache)} if self.cache else {}
        return trial.environment(SENTINEL_KAFKA_SOURCE=self.source, SENTINEL_DELIVERY=self.delivery, **cache)

    def arguments(self) -> list[str]:
        return ["--exit-at-end", "--workers", str(self.workers)]


def measure(trial: Trial, filled: Filled, way: Way, rounds: int) -> dict[str, Any]:
    """``rounds`` rounds over what was ``filled``. Raises SentinelError when one left something out."""
    way = way.found(trial.settings)
    drain(trial.settings, trial.topic(topics.TRANSACTIONS))  # warms the broker, and counts for nothing
    return {
        "bench": "detect",
        **asdict(way),
        **figures.of_rounds(rounds, lambda: _round(trial, filled, way), trial.say, _sentence),
        **asdict(filled.shape),
        "alerts": len(filled.alerts),
        "partitions": len(trial.ends(topics.TRANSACTIONS)),
        "broker": trial.broker,
        "redis": trial.store,
    }


def profile(trial: Trial, way: Way) -> None:
    """One more run under a profiler, over what is there."""
    trial.forget()
    trial.profile("detect", way.arguments(), way.environment(trial), topics.TRANSACTIONS)


def _round(trial: Trial, filled: Filled, way: Way) -> dict[str, float]:
    trial.forget()
    raw = drain(trial.settings, trial.topic(topics.TRANSACTIONS))
    said, before = trial.ends(topics.FRAUD_ALERTS), Servers(trial)
    ran = trial.run("detect", way.arguments(), way.environment(trial), topics.TRANSACTIONS)
    spent = before.spent(filled.shape.records)
    _check(ran, filled)
    alerts.check(trial, said, filled.alerts)
    document = ran.document
    tps = document["processed"] / (document["elapsed_s"] - document["assigned_s"])
    return {
        "tps": round(tps),
        "raw_drain_tps": round(raw.tps),
        "ratio_to_raw": figures.rounded(tps / raw.tps),
        "cpu_us_per_tx": document["cpu_us_per_tx"],
        "raw_drain_cpu_us": figures.rounded(raw.cpu_us),
        "peak_rss_mb": round(ran.memory_mb),
        "others_cores": ran.others,
        "start_s": figures.rounded(ran.start_s),
        **spent,
    }


def _check(ran: Ran, filled: Filled) -> None:
    """By its own word everything was scored, once."""
    did = ran.document
    found = (did["processed"], did["alerts"], did["dead_letters"], did["duplicates"])
    if found != (filled.shape.records, len(filled.alerts), 0, 0):
        raise SentinelError(
            f"The detector did {found[0]:,} of {filled.shape.records:,} transactions and raised "
            f"{found[1]:,} of {len(filled.alerts):,} alerts, with {found[2]:,} dead letters and "
            f"{found[3]:,} duplicates: that is no figure but a bug, please report it."
        )


def _sentence(found: figures.Round) -> str:
    return f"{figures.a_second(found)}, {found['cpu_us_per_tx']:.2f} µs of CPU each"
