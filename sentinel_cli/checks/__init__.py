"""What `sentinel doctor` looks at, one function a subject.

Purpose: ``run`` asks Kafka, Redis, the Schema Registry and this machine at the same time, and gives
one list of findings in a fixed order. A finding is a value; nothing here raises for what is ill.

Not here: how findings are shown, and which exit code they end in (`commands/doctor.py`).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sentinel_cli.checks import kafka, machine, redis, registry
from sentinel_cli.checks.finding import Finding
from sentinel_cli.config import Settings

__all__ = ["Finding", "run"]

SUBJECTS = (kafka.check, registry.check, redis.check, machine.check)


def run(settings: Settings) -> list[Finding]:
    """All findings; within ten seconds also when nothing answers."""
    with ThreadPoolExecutor(len(SUBJECTS)) as pool:
        return [finding for found in pool.map(lambda check: check(settings), SUBJECTS) for finding in found]
