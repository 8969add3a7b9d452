"""`sentinel detect` and `sentinel respond` on a Redis Cluster: what they leave there, bit for bit."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from confluent_kafka import Message

from profiles import blocks, connection, queries
from profiles.connection import Client
from profiles.keys import Keys
from sentinel_cli.config import Settings
from sentinel_cli.streaming import topics
from tests import cluster
from tests.chaos import reference
from tests.chaos.reference import Reference
from tests.chaos.scene import THRESHOLD, Traffic, until
from tests.topic import read

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

PARTITIONS, RECORDS, RATE = 6, 6_000, 3_000.0


class Clustered:
    """Commands whose profiles are on the cluster, and what is there."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self.settings, self.client = settings, client
        self.transactions = Keys(settings.redis_prefix, settings.topic(topics.TRANSACTIONS))
        self.alerts = Keys(settings.redis_prefix, settings.topic(topics.FRAUD_ALERTS))

    def start(self, *words: str) -> subprocess.Popen[str]:
        host, port = connection.address(self.client)
        environment = os.environ | {
            "KAFKA_SERVERS": self.settings.kafka.servers,
            "REDIS_HOST": host,
            "REDIS_PORT": str(port),
            "SENTINEL_REDIS_CLUSTER": "true",
            "SENTINEL_PREFIX": self.settings.prefix,
            "FRAUD_THRESHOLD": str(THRESHOLD),
            "SENTINEL_DETECT_BATCH_SIZE": "200",
            "SENTINEL_KAFKA_PROPERTIES": '{"group.instance.id": "here"}',  # the next need not wait
        }
        command = [sys.executable, "-m", "sentinel_cli", *words]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, *words: str) -> dict[str, Any]:
        process = self.start(*words, "--json")
        try:
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()
        assert process.returncode == 0, err
        return dict(json.loads(out))

    def position(self) -> int:
        """Records that are in the profiles; 0 while a shard does not answer."""
        redis: Any = self.client
        with suppress(*connection.ERRORS):
            return sum(int(redis.get(self.transactions.offset(p)) or 0) for p in range(PARTITIONS))
        return 0

    def shards(self) -> set[int]:
        """The ports of the nodes that hold a partition of the transactions."""
        redis: Any = self.client
        return {redis.get_node_from_key(self.transactions.offset(p)).port for p in range(PARTITIONS)}

    def rows(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for places, rows in queries.scan(self.client, self.transactions):
            found |= {user: row.tobytes() for (_, user), row in zip(places, rows, strict=True)}
        return found

    def blocked(self) -> set[str]:
        entries = (blocks.read(self.client, self.transactions, p, 0)[1] for p in range(PARTITIONS))
        return set(itertools.chain.from_iterable(entries))


@pytest.fixture
def clustered(settings: Settings, redis_cluster: Client) -> Clustered:
    """With a prefix whose partitions lie on all nodes."""
    made = (
        Clustered(settings.model_copy(update={"prefix": f"{settings.prefix}-{number}"}), redis_cluster)
        for number in itertools.count()
    )
    return next(each for each in made if len(each.shards()) == len(connection.nodes(redis_cluster)))


def expected(settings: Settings) -> Reference:
    runs = reference.partitions(read(settings, topics.TRANSACTIONS))
    return reference.compute(runs, settings.topic(topics.TRANSACTIONS), THRESHOLD)


def id_of(message: Message) -> str:
    headers: dict[str, Any] = dict(message.headers() or [])
    return str(headers["alert_id"], "utf-8")


def test_detectors_and_a_responder_on_three_shards(clustered: Clustered) -> None:
    """One detector is killed while it works; two others do what is left."""
    topics.ensure(clustered.settings, partitions=PARTITIONS)
    traffic = Traffic(clustered.settings, RECORDS, RATE, seed=3)
    traffic.start()
    killed = clustered.start("detect")
    until(clustered.position, "a save")
    killed.kill()
    killed.communicate()
    traffic.finish()
    clustered.run("detect", "--exit-at-end", "--workers", "2")

    must = expected(clustered.settings)
    assert clustered.rows() == must.rows
    said = read(clustered.settings, topics.FRAUD_ALERTS)
    assert {id_of(each): reference.digest(each.value()) for each in said} == must.alerts

    acted = clustered.run("respond", "--exit-at-end")
    assert (acted["acted"], acted["processed"]) == (len(must.alerts), len(said))
    assert len(clustered.blocked()) > 10
    assert clustered.run("respond", "--exit-at-end")["processed"] == 0


def crash(there: Clustered) -> None:
    cluster.crash(connection.nodes(there.client)[1], seconds=1.5)
    until(there.position, "its return")


def move(there: Clustered) -> None:
    for partition in range(PARTITIONS):
        cluster.move(there.client, there.transactions.offset(partition))


@pytest.mark.parametrize("happens", [crash, move])
def test_what_happens_to_shards(clustered: Clustered, happens: Callable[[Clustered], None]) -> None:
    """One crashes and comes back; every partition moves to another. The detector waits, and goes on by
    itself."""
    topics.ensure(clustered.settings, partitions=PARTITIONS)
    traffic = Traffic(clustered.settings, RECORDS, RATE, seed=4)
    traffic.start()
    detector = clustered.start("detect", "--json")
    until(clustered.position, "a save")
    happens(clustered)
    traffic.finish()
    until(lambda: clustered.position() == traffic.sent, "everything being saved")
    detector.terminate()
    out, err = detector.communicate(timeout=60)
    assert detector.returncode == 0, err
    assert ("paused: " in err) == ("going on after: " in err)
    assert "paused: " in err or happens is move  # which may go unnoticed

    must = expected(clustered.settings)
    assert json.loads(out)["processed"] == must.records
    assert clustered.rows() == must.rows
    said = {
        id_of(each): reference.digest(each.value()) for each in read(clustered.settings, topics.FRAUD_ALERTS)
    }
    assert said == must.alerts
