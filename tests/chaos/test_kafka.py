"""Kafka that dies, forgets records, loses a topic or gives it more partitions."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from confluent_kafka import OFFSET_END, TopicPartition

from sentinel_cli.streaming import kafka, topics
from tests.chaos import reference
from tests.chaos.conftest import Size
from tests.chaos.scene import PARTITIONS, THRESHOLD, Scene, Traffic, until

pytestmark = [pytest.mark.real, pytest.mark.apache]

DELIVERIES = ["idempotent", "transactional"]
both = pytest.mark.parametrize("scene", DELIVERIES, indirect=True)


@both
def test_the_broker_is_killed(scene: Scene, size: Size, outcome: Callable[..., None]) -> None:
    scene.traffic.start()
    scene.start()
    scene.moves()
    scene.servers.kill("kafka")
    with pytest.raises(subprocess.TimeoutExpired):
        scene._running["one"].wait(size.outage)
    scene.servers.start_kafka()
    scene.recovery.append(scene.moves())
    outcome(f"broker killed for {size.outage:.0f} s", 1, scene.settle())


@both
def test_records_that_expired_unprocessed(scene: Scene, outcome: Callable[..., None]) -> None:
    """Named, exit 1, and the rest is exact when that is accepted."""
    scene.traffic.start()
    scene.start()
    until(lambda: all(scene.offsets()[:PARTITIONS]), "every partition being saved")
    scene.stop()
    scene.traffic.finish()
    saved, records = scene.offsets(), scene.records()
    name = scene.settings.topic(topics.TRANSACTIONS)
    ends = [TopicPartition(name, p, OFFSET_END) for p in range(PARTITIONS)]
    for future in kafka.admin(scene.settings).delete_records(ends).values():
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
    until(lambda: scene.position() >= scene.traffic.sent, "all being processed")
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
