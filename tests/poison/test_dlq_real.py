"""Bad records on the real servers: into the dead letters, seen there, and back again, each once."""

from __future__ import annotations

import ctypes
import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Message, Producer
from confluent_kafka.admin import NewTopic

from profiles import connection
from profiles.keys import Keys
from sentinel_cli.app import main
from sentinel_cli.config import Settings
from sentinel_cli.errors import SentinelError
from sentinel_cli.streaming import dead_letters, detecting, kafka, retrying, stored, topics, transactor
from sentinel_cli.streaming.dead_letters import wanted
from sentinel_cli.streaming.detecting import DetectSummary, Job
from tests.poison.kinds import BAD, but
from tests.poison.test_poison import SCORECARD, TRAFFIC
from tests.poison.test_poison import run as in_memory
from tests.topic import read

pytestmark = pytest.mark.real

PARTITIONS = 4
DLQ = topics.TRANSACTIONS_DLQ
# Its time is two days ahead of a moment that has passed.
TIMELESS = {name: kind for name, kind in BAD.items() if name != "two days ahead"}
ALL = wanted(None)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    detect = settings.detect.model_copy(update={"scorecard": SCORECARD})
    return settings.model_copy(update={"fraud_threshold": 0.2, "detect": detect})


def detect(settings: Settings) -> DetectSummary:
    return detecting.run(
        settings,
        Job(exit_at_end=True),
        register_stop=lambda _: None,
        tell=lambda _: None,
        report=lambda _: None,
    )


def produce(settings: Settings, values: list[bytes | None]) -> None:
    topics.ensure(settings, partitions=PARTITIONS)
    producer = kafka.producer(settings)
    for value in values:
        user = json.loads(value)["user_id"] if value in TRAFFIC and value else "user_1"
        producer.produce(settings.topic(topics.TRANSACTIONS), value, user)
    assert producer.flush(30) == 0


def bury(settings: Settings, count: int) -> list[bytes]:
    """Letters whose cause is gone: they hold transactions that are good."""
    topics.ensure(settings, partitions=PARTITIONS)
    producer = kafka.producer(settings)
    values = [but(transaction_id=f"T{number}", user_id=f"user_{number % 7}") for number in range(count)]
    for number, value in enumerate(values):
        reason = f"`amount` is {'negative' if number % 3 else 'missing'} (byte {number})"
        headers = {
            "error": reason,
            "source.topic": "t",
            "source.partition": "2",
            "source.offset": str(number),
        }
        pairs: Any = list(headers.items())
        producer.produce(
            settings.topic(DLQ), value, f"user_{number % 7}", partition=number % PARTITIONS, headers=pairs
        )
    assert producer.flush(30) == 0
    return values


def back(settings: Settings) -> list[bytes]:
    return [message.value() or b"" for message in read(settings, topics.TRANSACTIONS)]


def retry(settings: Settings, where: str | None = None) -> retrying.Retried:
    return retrying.retry(settings, DLQ, wanted(where), lambda _: None)


@pytest.mark.parametrize("delivery", ["idempotent", pytest.param("transactional", marks=pytest.mark.apache)])
def test_every_kind_becomes_a_dead_letter(settings: Settings, delivery: str) -> None:
    settings = settings.model_copy(update={"delivery": delivery})
    kinds = [value for value, _ in TIMELESS.values()]
    values: list[bytes | None] = []
    for number, each in enumerate(TRAFFIC):
        values += [each, *kinds[number :: len(TRAFFIC)]]
    produce(settings, values)
    summary = detect(settings)
    assert (summary.processed, summary.dead_letters) == (len(TRAFFIC), len(kinds))
    letters = read(settings, DLQ)
    assert Counter(letter.value() for letter in letters) == Counter(kinds)
    assert {letter.key() for letter in letters} == {b"user_1"}
    assert profiles(settings) == {user: row for (_, user), row in in_memory(TRAFFIC)[1].rows.items()}


def profiles(settings: Settings) -> dict[str, bytes]:
    client: Any = connection.connect_to(settings.redis)
    keys = Keys(settings.redis_prefix, settings.topic(topics.TRANSACTIONS))
    found = {}
    for key in client.scan_iter(keys.profile_pattern(), count=1_000):
        parsed = keys.parse_profile(key)
        assert parsed
        found[parsed[1]] = client.get(key)
    return found


@pytest.mark.apache
@pytest.mark.parametrize("delivery", ["idempotent", "transactional"])
def test_a_value_that_the_topic_does_not_take_stays_where_it_was(settings: Settings, delivery: str) -> None:
    settings = settings.model_copy(update={"delivery": delivery})
    small = NewTopic(settings.topic(DLQ), 1, config={"max.message.bytes": "20000"})
    admin = kafka.admin(settings)
    admin.create_topics([small])[settings.topic(DLQ)].result()
    large, little = BAD["a user id of a megabyte"][0], BAD["no user"][0]
    produce(settings, [*TRAFFIC, large, little])
    assert detect(settings).dead_letters == 2
    found = {letter.offset: letter for letter in dead_letters.overview(settings, DLQ, 10, ALL).newest}
    assert (found[0].value, found[0].left, found[0].key) == (None, len(large or b""), b"user_1")
    assert (found[1].value, found[1].left) == (little, None)
    assert retry(settings) == retrying.Retried(put_back=1, left=1)


def cli(settings: Settings, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    redis = ("--redis-host", settings.redis.host, "--redis-port", str(settings.redis.port))
    capsys.readouterr()
    assert (
        main(["--prefix", settings.prefix, "--kafka-servers", settings.kafka.servers, *redis, *arguments])
        == 0
    )
    return capsys.readouterr().out


def test_list_and_show(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    bury(settings, 30)
    listed = json.loads(cli(settings, capsys, "dlq", "list", "--json", "--limit", "4"))
    assert (listed["waiting"], listed["retried"], len(listed["letters"])) == (30, 0, 4)
    assert listed["reasons"] == {"`amount` is negative (byte …)": 20, "`amount` is missing (byte …)": 10}
    times = [letter["time"] for letter in listed["letters"]]
    assert times == sorted(times, reverse=True)
    newest = listed["letters"][0]
    assert newest["source"] == {
        "topic": "t",
        "partition": 2,
        "offset": int(newest["reason"][:-1].split()[-1]),
    }
    text = cli(settings, capsys, "dlq", "list", "--limit", "4")
    assert f"{newest['partition']}:{newest['offset']}" in text.splitlines()[0]
    assert "30  wait in all" in text
    one = cli(settings, capsys, "dlq", "list", "--where", "key~USER_3", "--json")
    assert json.loads(one)["waiting"] == 4
    shown = json.loads(cli(settings, capsys, "dlq", "show", "1", "--json"))
    assert shown | {"value": ""} == newest | {"value": ""}
    assert json.loads(shown["value"])["user_id"] == shown["key"]
    again = cli(settings, capsys, "dlq", "show", f"{newest['partition']}:{newest['offset']}")
    assert newest["reason"] in again
    assert shown["value"] in again


def test_a_value_is_shown_so_that_no_terminal_obeys_it(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    produce(settings, [*TRAFFIC, b"\x1b[2J[red]\x07", bytes(range(40)) + b"\xff"])
    detect(settings)
    text = cli(settings, capsys, "dlq", "show", "2") + cli(settings, capsys, "dlq", "show", "1")
    assert "\x1b" not in text
    assert "\\x1b[2J[red]\\x07" in text
    assert "00000020  20 21 22 23 24 25 26 27 ff" in text


@pytest.mark.parametrize("place", ["9:0", "0:99", "7"])
def test_a_letter_that_is_not_there(
    settings: Settings, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    bury(settings, 3)
    assert (
        main(["--prefix", settings.prefix, "--kafka-servers", settings.kafka.servers, "dlq", "show", place])
        == 1
    )
    assert "dead letter" in capsys.readouterr().err


@pytest.mark.apache
def test_retry_puts_each_back_once(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    values = bury(settings, 30)
    assert "30 dead letters would be put back" in cli(settings, capsys, "dlq", "retry", "--dry-run")
    assert back(settings) == []
    some = json.loads(cli(settings, capsys, "dlq", "retry", "--where", "reason~missing", "--yes", "--json"))
    assert (some["put_back"], some["left"]) == (10, 0)
    assert sorted(back(settings)) == sorted(values[::3])
    assert retry(settings).put_back == 20
    assert sorted(back(settings)) == sorted(values)
    assert "Put 0 dead letters back" in cli(settings, capsys, "dlq", "retry", "--yes")
    assert json.loads(cli(settings, capsys, "dlq", "list", "--json"))["retried"] == 30
    summary = detect(settings)
    assert (summary.processed, summary.dead_letters) == (30, 0)


@pytest.mark.apache
def test_what_is_refused_again_is_a_letter_again(settings: Settings) -> None:
    produce(settings, [*TRAFFIC, BAD["no user"][0], None])
    assert detect(settings).dead_letters == 2
    assert retry(settings).put_back == 2
    assert detect(settings).dead_letters == 2
    found = dead_letters.overview(settings, DLQ, 10, ALL)
    assert (found.waiting, found.retried) == (2, 2)
    assert {letter.value for letter in found.newest} == {BAD["no user"][0], None}


class Died(Exception):
    """The process ended here."""


def never_destroyed(made: Producer) -> Producer:
    """A process that dies destroys nothing; and to destroy a producer in the middle of a transaction has been
    seen to end in librdkafka's `abort`."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(made))
    return made


@pytest.mark.apache
@pytest.mark.parametrize("portion", [0, 1, 3])
@pytest.mark.parametrize("committed", [False, True])
def test_a_retry_that_dies_loses_and_doubles_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, portion: int, *, committed: bool
) -> None:
    values = bury(settings, 30)
    monkeypatch.setattr(retrying, "AT_ONCE", 8)
    original = transactor.insist
    commits = 0

    def dying(call: Callable[[], object], within: float | None = None) -> None:
        nonlocal commits
        if within is not None:  # the producer's own beginning
            original(call, within)
            return
        commits += 1
        if commits > portion and not committed:
            raise Died
        call()
        if commits > portion:
            raise Died

    named = transactor.named_producer
    with monkeypatch.context() as patch:
        patch.setattr(transactor, "insist", dying)
        patch.setattr(transactor, "named_producer", lambda *given: never_destroyed(named(*given)))
        with pytest.raises(Died):
            retry(settings)
    retry(settings)
    assert sorted(back(settings)) == sorted(values)


@pytest.mark.apache
def test_of_two_retries_at_once_the_later_takes_over(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = bury(settings, 30)
    monkeypatch.setattr(retrying, "AT_ONCE", 8)
    original = transactor.insist

    def another_comes(call: Callable[[], object], within: float | None = None) -> None:
        if within is not None:  # the producer's own beginning
            original(call, within)
            return
        monkeypatch.setattr(transactor, "insist", original)
        retry(settings)
        call()

    monkeypatch.setattr(transactor, "insist", another_comes)
    with pytest.raises(SentinelError, match="taken over"):
        retry(settings)
    assert sorted(back(settings)) == sorted(values)


@pytest.mark.apache
def test_a_marker_behind_an_open_transaction_is_seen(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader of committed records stands still before it, and must not take that for the end."""
    bury(settings, 4)
    slow = transactor.named_producer(settings, f"{settings.prefix}-slow")
    slow.begin_transaction()
    slow.produce(settings.topic(DLQ), b"?", partition=0)
    assert slow.flush(10) == 0
    stands = threading.Event()
    original = stored._some

    def watched(*arguments: Any) -> list[Message]:
        messages = original(*arguments)
        if any(message.partition() == 0 and message.error() is not None for message in messages):
            stands.set()
        return messages

    marker: Any = [(dead_letters.RETRIED, "0")]
    other = kafka.producer(settings)
    other.produce(settings.topic(DLQ), None, None, partition=0, headers=marker)
    assert other.flush(10) == 0
    monkeypatch.setattr(stored, "_some", watched)
    found: list[dead_letters.Places] = []
    reader = threading.Thread(target=lambda: found.append(dead_letters.places(settings, DLQ, ALL)))
    reader.start()
    assert stands.wait(20)
    assert not found
    slow.abort_transaction(10)
    reader.join(20)
    assert (len(found[0]), found[0].retried) == (3, 1)


def test_the_mock_cluster_cannot(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    bury(settings, 1)
    monkeypatch.setattr(kafka, "is_mock", lambda _: True)
    with pytest.raises(SentinelError, match="Apache Kafka"):
        retry(settings)
