from __future__ import annotations

import pytest

from profiles.cases import Case
from sentinel_cli.errors import KafkaUnreachable, RedisUnreachable, SentinelError
from sentinel_cli.records import Action
from sentinel_cli.responding.responder import Responder
from sentinel_cli.streaming.batches import Listener
from tests.responding.fakes import Crash, Fuse, Kafka, Redis, World, alert, away

LOOK = 2  # the operation of Redis that follows the offsets of two partitions
UNTIL_5 = 1_693_123_505_000_000 - 300_000_000 + 86_400_000_000  # alert 5's second, and the policy's 24 hours


@pytest.fixture
def world() -> World:
    """Two partitions: every severity, several alerts a user, repeats near and far, poison."""
    first = [alert(1), alert(2, score=0.95), alert(1), None, alert(3, "user_2", 0.75), alert(2, score=0.95)]
    second = [alert(4, "user_3", 0.92), b"{", alert(5, "user_3", 0.99), alert(6, "user_4", 0.85)]
    return World(Kafka({0: [*first], 1: [*second]}))


def run(world: World, fuse: Fuse | None = None, limit: int = 100) -> Responder:
    """One responder to its end; ``fuse`` counts every operation of Kafka and Redis."""
    responder = world.responder(fuse, fuse, limit)
    responder.run(until_end=True)
    return responder


def state(world: World) -> object:
    """Everything that is durable, but for times of acting and repeats of a response."""
    redis = world.redis
    cases = {
        key: (
            case.user_id,
            case.status,
            case.severity,
            case.alerts,
            [a.alert_id for a in redis.case_alerts[key]],
        )
        for key, case in redis.cases.items()
    }
    responses = {r.response_id: (r.alert_id, r.severity, len(r.actions)) for r in world.kafka.responses()}
    letters = {
        headers["source.offset"] + headers["source.partition"] for _, _, headers in world.kafka.dead_letters()
    }
    return redis.offsets, dict(redis.done), redis.blocks, redis.open_cases, cases, responses, letters


def test_each_alert_is_answered_by_its_severity(world: World) -> None:
    counts = run(world).counts
    answers = {r.alert_id: [(a.action, a.status) for a in r.actions] for r in world.kafka.responses()}
    assert answers == {
        "alert_T1_1": [("severity", "CRITICAL"), ("block", "done"), ("case", "opened")],
        "alert_T2_2": [("severity", "HIGH"), ("case", "joined")],
        "alert_T3_3": [("severity", "LOW")],
        "alert_T4_4": [("severity", "HIGH"), ("case", "opened")],
        "alert_T5_5": [("severity", "CRITICAL"), ("block", "done"), ("case", "joined")],
        "alert_T6_6": [("severity", "MEDIUM")],
    }
    assert (counts.processed, counts.acted, counts.duplicates) == (10, 6, 2)
    assert (counts.blocked, counts.cases, counts.dead_letters) == (2, 2, 2)
    assert counts.severities == {"CRITICAL": 2, "HIGH": 2, "MEDIUM": 1, "LOW": 1}


def test_a_case_has_the_highest_severity_and_every_alert_of_its_user(world: World) -> None:
    run(world)
    case, joined = world.redis.cases["case_T4_4"], world.redis.case_alerts["case_T4_4"]
    assert (case.user_id, case.status, case.severity, case.alerts) == ("user_3", "open", "CRITICAL", 2)
    assert [(a.alert_id, a.amount, a.currency) for a in joined] == [
        ("alert_T4_4", 12.5, "USD"),
        ("alert_T5_5", 12.5, "USD"),
    ]


def test_a_block_ends_in_event_time_on_the_partition_of_the_transaction(world: World) -> None:
    run(world)
    assert world.redis.blocks[3, "user_3"] == UNTIL_5


def test_every_step_has_its_time_and_the_response_its_age(world: World) -> None:
    run(world)
    response = world.kafka.responses()[0]
    assert response.source.topic == "fraud-alerts"
    assert (response.source.partition, response.source.offset) == (0, 0)
    assert all(isinstance(action, Action) and action.took_ms > 0 for action in response.actions)
    assert response.total_ms >= sum(action.took_ms for action in response.actions)
    assert response.alert_age_ms > 1_000


def test_poison_keeps_its_bytes_and_says_why(world: World) -> None:
    run(world)
    no_value, half = sorted(world.kafka.dead_letters(), key=lambda letter: letter[1] or b"")
    assert no_value[:2] == (b"k", None)
    assert half[:2] == (b"k", b"{")
    assert half[2]["source.topic"] == "fraud-alerts"
    assert (half[2]["source.partition"], half[2]["source.offset"]) == ("1", "1")
    assert "truncated" in half[2]["error"]


@pytest.mark.parametrize(
    "broken",
    [
        alert(1, alert_id=""),
        alert(1, user_id="a\0b"),
        alert(1, timestamp="yesterday"),
        alert(1).replace(b'"user_1"', b'"\\ud800"'),
        alert(1).replace(b'"amount"', b'"amount": "much", "x"'),
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_what_is_no_alert_never_stops_the_responder(broken: bytes) -> None:
    world = World(Kafka({0: [broken, alert(2)]}))
    counts = run(world).counts
    assert (counts.dead_letters, counts.acted) == (1, 1)
    assert world.kafka.dead_letters()[0][1] == broken


def test_how_the_stream_is_cut_changes_nothing(world: World) -> None:
    run(world)
    for limit in (1, 2, 3):
        other = world.again()
        run(other, limit=limit)
        assert state(other) == state(world)


def test_a_crash_between_any_two_steps_changes_nothing(world: World) -> None:
    fuse = Fuse()
    run(world, fuse, limit=2)
    assert fuse.passed > 40
    for at in range(fuse.passed):
        other = world.again()
        with pytest.raises(Crash):
            run(other, Fuse(at), limit=2)
        run(other)
        assert state(other) == state(world), f"after a crash at operation {at}"


def test_transactional_answers_each_alert_once_on_the_topic(world: World) -> None:
    world.transactional = True
    fuse = Fuse()
    run(world, fuse, limit=2)
    for at in range(fuse.passed):
        other = world.again()
        with pytest.raises(Crash):
            run(other, Fuse(at), limit=2)
        run(other)
        assert state(other) == state(world), f"after a crash at operation {at}"
        ids = [response.response_id for response in other.kafka.responses()]
        assert len(ids) == len(set(ids)), f"said twice after a crash at operation {at}"
        assert len(other.kafka.dead_letters()) == len(world.kafka.dead_letters())


def test_a_store_that_is_away_for_a_moment_changes_nothing(world: World) -> None:
    """Before the operation, or after it with the answer lost: both are asked again."""
    fuse = Fuse()
    expected = world.responder(redis_fuse=fuse, limit=2)
    expected.run(until_end=True)
    for at in range(fuse.passed):
        other = world.again()
        responder = other.responder(redis_fuse=Fuse(at, away), limit=2)
        responder.run(until_end=True)
        assert state(other) == state(world), f"away at operation {at}"
        assert responder.counts.acted == expected.counts.acted
        assert responder.counts.cases == expected.counts.cases
        assert not responder.paused


def test_kafka_that_acknowledges_late_is_waited_for_in_the_group(world: World) -> None:
    responder = world.responder()
    world.sink.silent = True
    said = []

    def back(_: Listener) -> None:
        said.append(responder.paused)
        world.sink.silent = False

    world.source.at_serve = back
    responder.run(until_end=True)
    assert said == ["Kafka does not acknowledge 4 records"]
    assert world.redis.offsets == {0: 6, 1: 4}
    assert not responder.paused


def test_a_stop_while_kafka_is_away_leaves_the_batch_to_be_repeated(world: World) -> None:
    responder = world.responder()
    world.sink.silent = True
    world.source.at_serve = lambda _: responder.stop()
    with pytest.raises(KafkaUnreachable, match="will be repeated"):
        responder.run()
    assert world.redis.offsets == {}
    run(world)
    clean = world.again()
    run(clean)
    assert state(world) == state(clean)


def test_a_partition_that_another_worker_moved_is_taken_up_where_that_one_stands(world: World) -> None:
    responder = world.responder(limit=2)
    world.source.open(responder)
    responder.turn()
    world.redis.offsets[0] = 4  # another worker thinks it owns this
    while world.redis.offsets != {0: 6, 1: 4}:
        responder.turn()
    assert responder.counts.conflicts == 1
    assert "alert_T3_3" in world.redis.done[0]


def test_another_owner_that_does_everything_between_any_two_steps_changes_nothing(world: World) -> None:
    fuse = Fuse()
    world.responder(redis_fuse=fuse, limit=2).run(until_end=True)
    for at in range(fuse.passed):
        other = world.again()

        def intrude(other: World = other) -> Exception:
            run(other)
            return away()

        other.responder(redis_fuse=Fuse(at, intrude), limit=2).run(until_end=True)
        assert state(other) == state(world), f"after an intrusion at operation {at}"


def test_a_partition_that_goes_while_the_store_is_away_is_left_to_its_next_owner(world: World) -> None:
    def take_away(listener: Listener) -> None:
        listener.revoked([0])

    responder = world.responder(redis_fuse=Fuse(LOOK, away))
    world.source.at_serve = take_away
    world.source.open(responder)
    responder.turn()
    assert responder.partitions() == [1]
    assert world.redis.offsets == {1: 4}
    assert not any(r.source.partition == 0 for r in world.kafka.responses())
    run(world)
    clean = world.again()
    run(clean)
    assert state(world) == state(clean)


def test_a_closed_case_is_followed_by_a_new_one() -> None:
    world = World(Kafka({0: [alert(1), alert(2)]}))
    responder = world.responder(limit=1)
    world.source.open(responder)
    responder.turn()
    del world.redis.open_cases[0, "user_1"]
    responder.turn()
    assert [case.alerts for case in world.redis.cases.values()] == [1, 1]


def test_a_case_closed_between_look_up_and_save_takes_no_more_alerts() -> None:
    world = World(Kafka({0: [alert(1), alert(2)]}))
    run(world, limit=1)
    world.kafka.partitions[0].append(alert(3))

    def close() -> Exception:
        world.redis.open_cases.clear()
        return away()

    # the offset, the look-up, the block before and after, and then the save
    world.responder(redis_fuse=Fuse(4, close)).run(until_end=True)
    assert [case.alerts for case in world.redis.cases.values()] == [2, 1]
    assert set(world.redis.cases) == {"case_T1_1", "case_T3_3"}


def test_a_refused_response_saves_nothing(world: World) -> None:
    responder = world.responder()
    world.sink.refusal = "too large"
    with pytest.raises(SentinelError, match=r"fraud-alerts-0 \(too large\).*will be repeated"):
        responder.run(until_end=True)
    assert world.redis.offsets == {}


def test_a_stop_ends_after_the_turn(world: World) -> None:
    responder = world.responder(limit=1)
    responder.run(each_turn=responder.stop)
    assert world.redis.offsets == {0: 1, 1: 1}


def test_a_stop_while_the_store_is_away_says_so(world: World) -> None:
    responder = world.responder(redis_fuse=Fuse(LOOK, away))
    responder.stop()
    world.source.open(responder)
    with pytest.raises(RedisUnreachable, match="will be repeated"):
        responder.turn()


def test_a_second_run_has_nothing_to_do(world: World) -> None:
    run(world)
    before = state(world)
    assert run(world).counts.processed == 0
    assert state(world) == before


def test_a_loss_that_is_accepted_is_left_behind(world: World) -> None:
    responder = world.responder()
    world.source.open(responder)
    responder.moved(0, 4)
    world.source.restart(0, 4)
    responder.turn()
    assert world.redis.offsets == {0: 6, 1: 4}
    assert world.redis.done[0] == {"alert_T3_3", "alert_T2_2"}


def test_a_topic_made_anew_is_no_end_that_was_reached(world: World) -> None:
    world.redis.offsets = {0: 500, 1: 4}
    responder = world.responder()
    turns = iter(range(3))

    def turn() -> None:
        if next(turns, None) is None:
            responder.stop()

    responder.run(until_end=True, each_turn=turn)
    assert next(turns, None) is None


def test_a_redis_that_lost_its_record_is_said_and_everything_is_acted_on_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    run(world)
    assert "no record" not in caplog.text
    world.redis = Redis()
    assert run(world).counts.acted == 6
    assert "Kafka knows that it reached offset 6" in caplog.text


def test_lag_counts_what_is_not_saved(world: World) -> None:
    responder = world.responder(limit=1)
    world.source.open(responder)
    responder.turn()
    assert responder.lag() == 8


def test_the_case_shape_is_what_json_shows() -> None:
    assert Case.__struct_fields__ == (
        "case_id", "user_id", "status", "severity", "opened_at", "updated_at", "alerts"
    )  # fmt: skip
