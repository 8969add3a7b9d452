"""What the servers themselves spend on a transaction, since all of it shares the machine.

Purpose: Redis's CPU, bytes and memory by its own word, wherever it runs; the broker's CPU where it runs
here. `docs/scaling.md` reckons with them.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil

from profiles import connection
from sentinel_cli.benching.figures import rounded

if TYPE_CHECKING:
    from sentinel_cli.benching.trial import Trial


class Servers:
    """What they had used when this was made."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._redis = self._asked()
        self._broker = self._looked_at()

    def spent(self, records: int) -> dict[str, float]:
        """Of all of them, since then."""
        return {**self.redis(records), **self.broker(records)}

    def broker(self, records: int) -> dict[str, float]:
        """Microseconds of the broker's CPU since then, a record; nothing where it runs elsewhere."""
        if not self._broker:
            return {}
        return {"broker_cpu_us_per_tx": rounded((self._looked_at() - self._broker) / records * 1e6)}

    def redis(self, records: int) -> dict[str, float]:
        """Since then: microseconds of CPU and bytes received, a record; bytes of memory, a key."""
        now, then = self._asked(), self._redis
        used = {name: now[name] - then[name] for name in now}
        return {
            "redis_cpu_us_per_tx": rounded(used["cpu"] / records * 1e6),
            "redis_bytes_per_tx": rounded(used["bytes"] / records),
            "redis_bytes_per_profile": rounded(used["memory"] / max(used["keys"], 1)),
        }

    def _asked(self) -> dict[str, float]:
        """Sums over the nodes, if there are several."""
        nodes: list[Any] = [node.info() for node in connection.nodes(self._trial.client)]
        databases = [each for node in nodes for name, each in node.items() if name.startswith("db")]
        return {
            "cpu": sum(node["used_cpu_sys"] + node["used_cpu_user"] for node in nodes),
            "bytes": sum(node["total_net_input_bytes"] for node in nodes),
            "memory": sum(node["used_memory"] for node in nodes),
            "keys": sum(database["keys"] for database in databases),
        }

    def _looked_at(self) -> float:
        """Seconds of CPU; 0 where the broker is not the local stack's."""
        if self._trial.running is not None:
            with suppress(psutil.NoSuchProcess):
                times = psutil.Process(self._trial.running.server("kafka").pid).cpu_times()
                return float(times.user + times.system)
        return 0.0
