"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import confluent_kafka
import psutil

from profiles import connection
from sentinel_cli import __version__, stack
from sentinel_cli.streaming import kafka

if TYPE_CHECKING:
    from sentinel_cli.config import Settings


def describe() -> dict[str, object]:
    """The machine and what runs on it; ``load`` is the load average of the last minute, which other
    work than this benchmark may have made."""
    return {
        "cpu": _cpu(),
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "librdkafka": confluent_kafka.libversion()[0],
        "sentinel": __version__,
        "load": round(os.getloadavg()[0], 2),
    }


def busy() -> float:
    """Seconds that all cores together have worked since they started."""
    times = psutil.cpu_times()
    return float(
        sum(getattr(times, kind, 0.0) for kind in ("user", "nice", "system", "irq", "softirq", "steal"))
    )


def spent(processes: Iterable[psutil.Process]) -> float:
    """Seconds of CPU that these have used; what has ended counts for nothing."""
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def broker(settings: Settings, running: stack.Stack | None) -> str:
    """The Kafka that was used: the local one by its version, another by its address."""
    if running is not None:
        return f"Apache Kafka {running.server('kafka').version}, one node, on this machine"
    brokers = len(kafka.reachable(settings).brokers)
    return f"{settings.kafka.servers} ({brokers} {'broker' if brokers == 1 else 'brokers'})"


def store(client: connection.Client, running: stack.Stack | None) -> str:
    nodes = connection.nodes(client)
    told: Any = nodes[0].info("server")
    name, version = ("Valkey", told.get("valkey_version")) if "valkey_version" in told else ("Redis", None)
    shards = f", {len(nodes)} shards" if len(nodes) > 1 else ""
    return f"{name} {version or told['redis_version']}{shards}{', on this machine' if running else ''}"


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()
