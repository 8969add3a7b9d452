"""The local stack: Apache Kafka and Valkey on a laptop, from wheels and jars alone.

Purpose: ``start``, ``stop`` and ``status`` of one stack per home folder, for `sentinel up`, `down`
and `status`; ``owned`` for a stack that lives no longer than its caller (`sentinel demo`, tests).

Design: `<home>/stack.json` is the one truth about what runs. A server's process waits at a gate
until its pid stands there, so nothing that was started is ever unknown; a lock that the kernel
drops with its holder makes simultaneous starts and stops take turns.

Not here: topics and records on them, and who uses the stack.
"""

from __future__ import annotations

from sentinel_cli.stack.lifecycle import PARTITIONS, data, erase, owned, settings, start, status, stop
from sentinel_cli.stack.report import ConsoleReport, Report, Silent
from sentinel_cli.stack.state import Server, Stack

__all__ = [
    "PARTITIONS",
    "ConsoleReport",
    "Report",
    "Server",
    "Silent",
    "Stack",
    "data",
    "erase",
    "owned",
    "settings",
    "start",
    "status",
    "stop",
]
