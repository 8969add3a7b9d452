"""The servers that a demo runs on, and how it leaves them.

Purpose: what the settings name, or the local stack if it runs, or else a stack of the demo's own,
in a folder of its own, which ends and is forgotten with it. Topics, groups and keys live under a
prefix that no other run has; on servers that stay they are removed at the end.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from confluent_kafka import KafkaException

from profiles import connection
from sentinel_cli import config, stack
from sentinel_cli.errors import SentinelError
from sentinel_cli.sources import LOCAL_STACK
from sentinel_cli.streaming import kafka, topics

if TYPE_CHECKING:
    from sentinel_cli.config import Settings
    from sentinel_cli.stack import Report

# Keys unlinked with one command.
AT_ONCE = 1_000


@contextmanager
def servers(flags: Mapping[str, object], report: Report) -> Iterator[Settings]:
    """Settings for servers that answer, with the topics of this run on them. Raises StackError,
    KafkaUnreachable, RedisUnreachable, ConfigError."""
    base = config.load(flags)
    base = base.model_copy(
        update={"prefix": ".".join(filter(None, (base.prefix, f"demo-{secrets.token_hex(4)}")))}
    )
    if _named(flags):
        with _guest(base) as settings:
            yield settings
    else:
        with _own(base.home / "demo", report) as running:
            settings = stack.settings(running, base)
            topics.ensure(settings, partitions=stack.PARTITIONS)
            yield settings


def _named(flags: Mapping[str, object]) -> bool:
    """Whether the settings, or a local stack that is up, name Kafka or Redis."""
    running = stack.status(config.load(flags).home)
    up = running is not None and running.ready and running.owner is None
    origins = {
        setting.origin
        for setting in config.explain(flags)
        if setting.name.startswith(("kafka.", "redis.")) and setting.name != "kafka.debug"
    }
    return up or bool(origins - {config.DEFAULT, LOCAL_STACK})


@contextmanager
def _own(home: Path, report: Report) -> Iterator[stack.Stack]:
    stack.stop(home)
    stack.erase(home)  # what a demo that was killed left behind
    try:
        with stack.owned(home, report) as running:
            yield running
    finally:
        stack.erase(home)


@contextmanager
def _guest(settings: Settings) -> Iterator[Settings]:
    client = connection.connect_to(settings.redis)
    connection.reachable(client)
    kafka.reachable(settings, timeout=4.5)
    try:
        topics.ensure(settings, partitions=stack.PARTITIONS)
        yield settings
    finally:
        try:
            _remove_topics(settings)
        finally:
            _remove_keys(settings, client)


def _remove_topics(settings: Settings) -> None:
    cluster = kafka.reachable(settings)
    if kafka.is_mock(cluster):
        return  # it cannot; it forgets them when it ends
    admin = kafka.admin(settings)
    ours = [name for name in cluster.topics if name.startswith(f"{settings.prefix}.")]
    groups = [kafka.group(settings, role) for role in ("", "respond")]
    futures = {**(admin.delete_topics(ours) if ours else {}), **admin.delete_consumer_groups(groups)}
    for name, future in futures.items():
        try:
            future.result()
        except KafkaException as error:
            if name not in groups:  # a group that never came about is not there to be deleted
                raise SentinelError(f"Kafka did not remove {name}: {error.args[0].str()}.") from error


def _remove_keys(settings: Settings, client: connection.Client) -> None:
    found: list[Any] = []
    for key in cast("Any", client).scan_iter(f"{settings.redis_prefix}:*", count=AT_ONCE):
        found.append(key)
        if len(found) == AT_ONCE:
            cast("Any", client).unlink(*found)
            found.clear()
    if found:
        cast("Any", client).unlink(*found)
    client.close()
