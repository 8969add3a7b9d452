"""Responders that die while alerts go on: each alert is acted on once.

What must be is computed from `fraud-alerts` alone: who was acted on, until when each user is blocked, and
which alerts each user's one case holds, in their order.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
import pytest
from confluent_kafka import Message

from profiles import blocks, cases
from profiles.keys import Keys
from sentinel_cli.engine import severity
from sentinel_cli.engine.severity import Severity
from sentinel_cli.records import Alert, Response
from sentinel_cli.responding.actions import HOUR_US
from sentinel_cli.streaming import topics
from tests import topic
from tests.chaos import reference
from tests.chaos.conftest import Size
from tests.chaos.scene import PARTITIONS, Scene, Traffic, Verdict
from tests.responding import fakes

pytestmark = [pytest.mark.real, pytest.mark.apache]

# Where the alerts' transactions stood, as ``fakes.alert`` has it.
SOURCE = 3


class Alerts(Traffic):
    """One in ten is the one before it again, as a detector that died leaves it."""

    topic = topics.FRAUD_ALERTS

    def record(self, number: int) -> tuple[str, bytes]:
        number -= number % 10 == 1
        user, score = f"user_{number * 7 % 90}", (0.75, 0.85, 0.95, 0.99)[number % 4]
        return user, fakes.alert(number, user, score)


@dataclass
class Acts:
    """What was done: ids acted on, each user's block, and the alerts of each user's cases."""

    done: set[str] = field(default_factory=set)
    blocked: dict[str, int] = field(default_factory=dict)
    cases: dict[str, list[list[str]]] = field(default_factory=lambda: defaultdict(list))


def expected(records: list[Message]) -> Acts:
    acts, policy = Acts(), severity.load()
    hours = int(policy.actions.block_hours * HOUR_US)
    for message in [m for run in reference.partitions(records) for m in run]:
        alert = msgspec.json.decode(message.value() or b"", type=Alert)
        if alert.alert_id in acts.done:
            continue
        acts.done.add(alert.alert_id)
        found = policy.severity(alert.fraud_score, alert.risk_factors)
        if found >= Severity[policy.actions.block]:
            until = int(datetime.fromisoformat(alert.timestamp).timestamp()) * 1_000_000 + hours
            acts.blocked[alert.user_id] = max(until, acts.blocked.get(alert.user_id, 0))
        if found >= Severity[policy.actions.case]:
            if not acts.cases[alert.user_id]:
                acts.cases[alert.user_id].append([])
            acts.cases[alert.user_id][0].append(alert.alert_id)
    return acts


def stored(scene: Scene) -> Acts:
    prefix, acts = scene.settings.redis_prefix, Acts()
    keys = Keys(prefix, scene.settings.topic(topics.FRAUD_ALERTS))
    for partition in range(PARTITIONS):
        acts.done |= {each.decode() for each in scene.redis.zrange(keys.done(partition), 0, -1)}
        for name in scene.redis.zrange(keys.cases(partition), 0, -1):
            case = cases.get(scene.redis, keys, partition, name.decode())
            assert case is not None
            joined = cases.alerts(scene.redis, keys, partition, case.case_id)
            acts.cases[case.user_id].append([each.alert_id for each in joined])
    transactions = Keys(prefix, scene.settings.topic(topics.TRANSACTIONS))
    acts.blocked = blocks.read(scene.redis, transactions, SOURCE, 0)[1]
    return acts


def judged(scene: Scene) -> Verdict:
    must, have = expected(topic.read(scene.settings, topics.FRAUD_ALERTS)), stored(scene)
    said = Counter(
        msgspec.json.decode(m.value() or b"", type=Response).alert_id
        for m in topic.read(scene.settings, topics.ALERT_RESPONSES)
    )
    repeated = said.total() - len(said)
    extra = repeated if scene.delivery == "transactional" else 0
    lost = len(must.done - have.done) + len(must.done - said.keys())
    doubled = len(have.done - must.done) + extra + sum(len(each) - 1 for each in have.cases.values())
    different = [user for user in must.blocked if must.blocked[user] != have.blocked.get(user)]
    different += [user for user in must.cases if must.cases[user] != have.cases.get(user)]
    return Verdict(lost, doubled, different, repeated, len(must.done))


@pytest.mark.parametrize("scene", ["idempotent", "transactional"], indirect=True)
def test_a_responder_that_is_killed(scene: Scene, size: Size, outcome: Callable[..., None]) -> None:
    scene.traffic = Alerts(scene.settings, size.records // 4, size.rate / 4, seed=1)
    scene.follow(topics.FRAUD_ALERTS)
    scene.traffic.start()
    scene.start(command="respond")
    scene.moves()
    for _ in range(size.kills):
        scene.kill()
        begun = time.monotonic()
        scene.start(command="respond")
        scene.moves()
        scene.recovery.append(time.monotonic() - begun)
        if scene.rng.random() < 0.5:
            scene.lasts(scene.rng.uniform(0.0, 1.0))
    scene.traffic.finish()
    scene.finish("respond")
    outcome("responder killed", size.kills, judged(scene))
