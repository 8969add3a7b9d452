"""Kafka that dies, forgets records, loses a topic or gives it more partitions."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from confluent_kafka import OFFSET_END, TopicPartition
from confluent_kafka.admin import NewPartitions

from profiles.placement import partition_of
from sentinel_cli.streaming import kafka, topics
from tests.chaos import reference
from tests.chaos.conftest import Size
from tests.chaos.scene import PARTITIONS, THRESHOLD, Scene, Traffic, until

pytestmark = [pytest.mark.real, pytest.mark.apache]

DELIVERIES = ["idempotent", "transactional"]
both = pytest.mark.parametrize("scene", DELIVERIES, indirect=True)
# The second one only in the full suite.
either = pytest.mark.parametrize(
    "scene", ["idempotent", pytest.param("transactional", marks=pytest.mark.full)], indirect=True
)


@both
def test_the_broker_is_killed(scene: Scene, size: Size, outcome: Callable[..., None]) -> None:
    scene.traffic.start()
    scene.start()
    scene.moves()
    scene.servers.kill("kafka")
    scene.lasts(size.outage)
    scene.servers.start_kafka()
    scene.recovery.append(scene.moves())
    outcome(f"broker killed for {size.outage:.0f} s", 1, scene.settle())


@either
def test_records_that_expired_unprocessed(scene: Scene, outcome: Callable[..., None]) -> None:
    """Named, exit 1, and the rest is exact when that is accepted."""
    scene.traffic.start()
    scene.start()
    scene.begins()
    scene.stop()
    missed = scene.traffic.sent + 200
    until(lambda: scene.traffic.sent > missed, "records for nobody")
    scene.traffic.finish()
    saved, records = scene.offsets(), scene.records()
    name = scene.settings.topic(topics.TRANSACTIONS)
    ends = [TopicPartition(name, p, OFFSET_END) for p in range(PARTITIONS)]
    admin = kafka.admin(scene.settings)
    for future in admin.delete_records(ends).values():
        future.result(30)
    more = Traffic(scene.settings, 500, 10_000, seed=99)
    more.start()
    more.finish()
    scene.start("one", "--exit-at-end")
    assert scene.ended() == 1
    assert "were deleted before they were processed" in scene.said()
    scene.start("one", "--exit-at-end", "--accept-loss")
    assert scene.ended() == 0, scene.said()
    known = [m for m in records if (m.offset() or 0) < saved[m.partition() or 0]]
    runs = reference.partitions([*known, *scene.records()])
    must = reference.compute(runs, name, THRESHOLD)
    outcome("records expired under a stopped worker", 1, scene.settle(expected=must))


def test_a_topic_that_is_made_again(scene: Scene, outcome: Callable[..., None]) -> None:
    """It has another identity, even where it has grown beyond what the profiles know."""
    scene.traffic.start()
    scene.start()
    scene.moves()
    scene.traffic.finish()
    scene.reaches(scene.traffic.sent)
    scene.stop()
    old = scene.records()
    name, admin = scene.settings.topic(topics.TRANSACTIONS), kafka.admin(scene.settings)
    admin.delete_topics([name])[name].result(30)
    until(lambda: name not in admin.list_topics(timeout=10).topics, "the topic's end")
    topics.ensure(scene.settings, partitions=PARTITIONS)
    more = Traffic(scene.settings, scene.traffic.sent + 500, 50_000, seed=99)
    more.start()
    more.finish()
    scene.start("one", "--exit-at-end")
    assert scene.ended() == 1
    assert "made anew" in scene.said()
    scene.start("one", "--exit-at-end", "--accept-loss")
    assert scene.ended() == 0, scene.said()
    runs = reference.partitions([*old, *scene.records()])
    must = reference.compute(runs, name, THRESHOLD)
    outcome("topic deleted and made again", 1, scene.settle(expected=must))


def test_a_topic_that_grows_takes_its_users_profiles_along(
    scene: Scene, outcome: Callable[..., None]
) -> None:
    """From 4 to 8 partitions while a detector runs: it stops, `profiles move`, and every user goes on."""
    scene.traffic.start()
    scene.start()
    scene.begins()
    name, admin = scene.settings.topic(topics.TRANSACTIONS), kafka.admin(scene.settings)
    scene.traffic.finish()  # a producer of before, whose last records are not all processed yet
    admin.create_partitions([NewPartitions(name, 2 * PARTITIONS)])[name].result(30)
    more = Traffic(scene.settings, 2_000, 10_000, seed=99)
    until(lambda: len(admin.list_topics(timeout=10).topics[name].partitions) == 2 * PARTITIONS, "growth")
    more.start()
    more.finish()
    scene.kill()
    scene.start("one", "--exit-at-end")
    assert scene.ended() == 1
    assert "`sentinel profiles move`" in scene.said()
    scene.stays_away()
    scene.start("mover", "move", "--yes", command="profiles")
    assert scene.ended("mover") == 0, scene.said("mover")
    before = {p: end for p, end in enumerate(scene.offsets()) if end}
    late = kafka.producer(scene.settings)
    stray = next(
        u for u in map("user_{:04d}".format, range(700)) if partition_of(u, 8) == partition_of(u, 4) + 4
    )
    late.produce(name, late_record(stray), stray, partition=partition_of(stray, 4))
    assert late.flush(30) == 0
    records = scene.records()
    strays = {(m.partition() or 0, m.offset() or 0) for m in records if m.value() == late_record(stray)}
    runs = reference.partitions(m for m in records if (m.partition(), m.offset()) not in strays)
    must = reference.compute(runs, name, THRESHOLD)
    must.dead |= strays
    assert len(before) == PARTITIONS
    outcome("partitions grown from 4 to 8, `profiles move`", 1, scene.settle(expected=must))


def late_record(user: str) -> bytes:
    return msgspec.json.encode(
        {"transaction_id": "late", "user_id": user, "timestamp": "2025-09-01T00:00:00Z", "amount": 1.0}
    )
