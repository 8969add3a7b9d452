"""Redis: does it answer, could it evict a profile, would it keep them through a restart."""

from __future__ import annotations

import time
from typing import Any

from profiles import connection
from sentinel_cli.checks.finding import Finding, clock, off_by
from sentinel_cli.config import Settings
from sentinel_cli.errors import RedisUnreachable

LATER = ("redis memory", "redis persistence", "redis clock")
# Of its memory limit: above this, writes will soon be refused.
FULL = 0.8


def check(settings: Settings) -> list[Finding]:
    try:
        client = connection.connect_to(settings.redis)
        connection.reachable(client)
        nodes = [(_facts(node), _snapshots(node)) for node in connection.nodes(client)]
        skew = _skew_ms(client)
        client.close()
    except RedisUnreachable as error:
        return [Finding("redis", "fail", str(error), unreachable=True), *_skipped("Redis does not answer")]
    except connection.ERRORS as error:
        return [
            Finding("redis", "fail", f"it refuses to describe itself: {error}"),
            *_skipped("no description"),
        ]
    return [
        _answers(settings, nodes[0][0], len(nodes)),
        worst([memory(facts) for facts, _ in nodes]),
        worst([persistence(facts, snapshots) for facts, snapshots in nodes]),
        clock("redis clock", skew),
    ]


def memory(facts: dict[str, Any]) -> Finding:
    """From INFO: the limit, what happens at it, and how near it is."""
    limit, policy = int(facts.get("maxmemory", 0)), str(facts.get("maxmemory_policy", "unknown"))
    if not limit:
        return Finding("redis memory", "ok", f"no limit of its own ({policy})")
    used = int(facts["used_memory"]) / limit
    words = f"{used:.0%} of {limit / 1e6:,.0f} MB used, {policy}"
    if policy.startswith("allkeys"):
        return Finding(
            "redis memory", "warn", f"{words}: profiles can be evicted; set maxmemory-policy noeviction"
        )
    if policy.startswith("volatile"):
        return Finding(
            "redis memory", "warn", f"{words}: blocks can be evicted; set maxmemory-policy noeviction"
        )
    if used > FULL:
        return Finding("redis memory", "warn", f"{words}: when it is full every save is refused")
    return Finding("redis memory", "ok", words)


def persistence(facts: dict[str, Any], snapshots: str | None) -> Finding:
    """From INFO and CONFIG GET save (None where that is refused)."""
    name = "redis persistence"
    if facts.get("aof_enabled"):
        if facts.get("aof_last_write_status", "ok") != "ok":
            return Finding(name, "fail", "the append-only file cannot be written: see its disk and its log")
        return Finding(name, "ok", "append-only file")
    if snapshots:
        words = f"snapshots only (save {snapshots}): after a crash workers repeat what came since the last"
        return Finding(name, "ok", words)
    if snapshots is None:
        return Finding(name, "warn", "no append-only file, and whether it takes snapshots may not be asked")
    return Finding(name, "warn", "none: a restart forgets every profile; set appendonly yes")


def _skipped(why: str) -> list[Finding]:
    return [Finding(name, "skip", why) for name in LATER]


def worst(findings: list[Finding]) -> Finding:
    """Of the same look at each node of a cluster: one of them can lose profiles too."""
    return max(findings, key=lambda finding: ("ok", "warn", "fail").index(finding.status))


def _facts(node: connection.Client) -> dict[str, Any]:
    facts: Any = node.info()
    return dict(facts)


def _answers(settings: Settings, facts: dict[str, Any], nodes: int) -> Finding:
    server = "Valkey" if "valkey_version" in facts else "Redis"
    version = facts.get("valkey_version", facts.get("redis_version"))
    role = ", a replica: nothing can be saved here" if facts.get("role") in {"slave", "replica"} else ""
    shards = f", a cluster of {nodes} shards" if settings.redis.cluster else ""
    where = f"{settings.redis.host}:{settings.redis.port}"
    return Finding("redis", "warn" if role else "ok", f"{server} {version} at {where}{role}{shards}")


def _skew_ms(client: connection.Client) -> float:
    start = time.time()
    seconds, microseconds = client.time()
    return off_by(float(seconds * 1000 + microseconds / 1000), start, time.time())


def _snapshots(client: connection.Client) -> str | None:
    try:
        return str(client.config_get("save").get("save", ""))
    except connection.ERRORS:  # managed servers refuse CONFIG
        return None
