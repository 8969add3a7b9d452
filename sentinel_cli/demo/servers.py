"""The servers that a demo or a benchmark runs on, and how it leaves them.

Purpose: what the settings name, or the local stack if it runs, or else a stack of the run's own,
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
# Seconds that a question to the broker may take.
ANSWER_WITHIN = 8.0


@contextmanager
def servers(
    flags: Mapping[str, object], report: Report, name: str = "demo", partitions: int = stack.PARTITIONS
) -> Iterator[Settings]:
    """Settings for servers that answer, with the topics of this run on them; ``name`` says in their
    prefix, and in the folder of a stack of its own, what kind of run it is. Raises StackError,
    KafkaUnreachable, RedisUnreachable, ConfigError."""
    base = config.load(flags)
    base = base.model_copy(
        update={"prefix": ".".join(filter(None, (base.prefix, f"{name}-{secrets.token_hex(4)}")))}
    )
    if _named(flags):
        with _guest(base, partitions) as settings:
            yield settings
    else:
        with _own(base.home / name, report) as running:
            settings = stack.settings(running, base)
            topics.ensure(settings, partitions=partitions)
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
    stack.erase(home)  # what a run that was killed left behind
    try:
        with stack.owned(home, report) as running:
            yield running
    finally:
        stack.erase(home)


@contextmanager
def _guest(settings: Settings, partitions: int) -> Iterator[Settings]:
    client = connection.connect_to(settings.redis)
    connection.reachable(client)
    kafka.reachable(settings, timeout=4.5)
    try:
        topics.ensure(settings, partitions=partitions)
        yield settings
    finally:
        try:
            _remove_topics(settings)
        finally:
            remove_keys(settings, client)
            client.close()


def _remove_topics(settings: Settings) -> None:
    cluster = kafka.reachable(settings)
    if kafka.is_mock(cluster):
        return  # it cannot; it forgets them when it ends
    admin = kafka.admin(settings)
    ours = [name for name in cluster.topics if name.startswith(f"{settings.prefix}.")]
    known = admin.list_consumer_groups(request_timeout=ANSWER_WITHIN).result().valid
    groups = [each.group_id for each in known if each.group_id.startswith(f"{settings.prefix}.")]
    futures = {
        **(admin.delete_topics(ours) if ours else {}),
        **(admin.delete_consumer_groups(groups) if groups else {}),
    }
    for name, future in futures.items():
        try:
            future.result()
        except KafkaException as error:
            if name not in groups:  # a group whose member was killed stays until Kafka misses that
                raise SentinelError(f"Kafka did not remove {name}: {error.args[0].str()}.") from error


def remove_keys(settings: Settings, client: connection.Client) -> None:
    """Everything under the prefix of ``settings``."""
    found: list[Any] = []
    for key in cast("Any", client).scan_iter(f"{settings.redis_prefix}:*", count=AT_ONCE):
        found.append(key)
        if len(found) == AT_ONCE:
            cast("Any", client).unlink(*found)
            found.clear()
    if found:
        cast("Any", client).unlink(*found)
