"""The machine this runs on: are the packages ours, which source runs, has the local stack room."""

from __future__ import annotations

import shutil

from sentinel_cli import packages, stack
from sentinel_cli.checks.finding import Finding
from sentinel_cli.config import Settings
from sentinel_cli.errors import SentinelError
from sentinel_cli.streaming import sources

# Bytes. Kafka keeps a week of development traffic: a million transactions are some 300 MB.
ROOM = 1_000_000_000


def check(settings: Settings) -> list[Finding]:
    return [_packages(), _source(settings), _disk(settings)]


def _packages() -> Finding:
    try:
        packages.check()
    except SentinelError as error:
        return Finding("packages", "fail", str(error))
    return Finding("packages", "ok", f"{', '.join(packages.PLAIN_NAMES)} are Stream-Sentinel's")


def _source(settings: Settings) -> Finding:
    """Which source detectors would read from, and why."""
    try:
        choice = sources.choose(settings)
    except SentinelError as error:
        return Finding("source", "fail", str(error))
    fallen_back = choice.kind == "plain" and settings.kafka.source == "auto"
    slower = "; it takes more than twice the time to read a record" if fallen_back else ""
    return Finding("source", "warn" if fallen_back else "ok", f"{choice.kind}: {choice.why}{slower}")


def _disk(settings: Settings) -> Finding:
    if stack.status(settings.home) is None:
        return Finding("disk", "skip", "the local stack does not run")
    free = shutil.disk_usage(settings.home).free
    words = f"{free / 1e9:,.1f} GB free for the local stack in {settings.home}"
    if free < ROOM:
        return Finding("disk", "warn", f"{words}: Kafka stops when it is full")
    return Finding("disk", "ok", words)
