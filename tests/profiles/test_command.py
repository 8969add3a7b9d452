"""`sentinel profiles`, on the real servers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from profiles import blocks, connection, layout
from profiles.keys import Keys
from profiles.placement import partition_of
from sentinel_cli.app import main
from sentinel_cli.config import Settings
from sentinel_cli.streaming import topics

pytestmark = pytest.mark.real

PARTITIONS = 4
SECOND = 1_000_000
START = 1_693_123_200 * SECOND
Run = Callable[..., tuple[int, str, str]]


def flags(settings: Settings) -> list[str]:
    kafka, redis = settings.kafka, settings.redis
    return [
        f"--prefix={settings.prefix}",
        f"--kafka-servers={kafka.servers}",
        f"--redis-host={redis.host}",
        f"--redis-port={redis.port}",
    ]


@pytest.fixture
def run(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process: exit code, stdout, stderr."""
    topics.ensure(settings, partitions=PARTITIONS)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(["profiles", *arguments, *flags(settings)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def store(settings: Settings, users: dict[str, dict[str, Any]]) -> None:
    client = connection.connect_to(settings.redis)
    keys = Keys(settings.redis_prefix, settings.topic("transactions"))
    for user, fields in users.items():
        row = layout.empty(1)
        row["version"] = layout.VERSION
        for name, value in fields.items():
            row[name][0] = value
        client.set(keys.profile(partition_of(user, PARTITIONS), user), layout.to_bytes(row)[0])
    client.close()


def some(count: int) -> dict[str, dict[str, Any]]:
    return {
        f"user_{n:06d}": {
            "total_transactions": n + 1,
            "total_amount": 10.0 * (n + 1),
            "alerts": n % 3,
            "first_time": START,
            "last_time": START + n * SECOND,
        }
        for n in range(count)
    }


def test_get_as_json(settings: Settings, run: Run) -> None:
    store(settings, some(5))
    code, out, err = run("get", "user_000003", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["user_id"], found["total_transactions"], found["total_amount"]) == ("user_000003", 4, 40.0)
    assert (found["average_amount"], found["alerts"]) == (10.0, 0)
    assert (found["first_seen"], found["last_seen"]) == ("2023-08-27T08:00:00Z", "2023-08-27T08:00:03Z")
    assert found["partition"] == partition_of("user_000003", PARTITIONS)
    assert (found["blocked_until"], len(found["hours"])) == (None, 24)


def test_get_for_people(settings: Settings, run: Run) -> None:
    hours = [0] * 24
    hours[8], hours[20] = 4, 1
    store(settings, {"[red]user": {**some(4)["user_000003"], "hours": hours}})
    code, out, _ = run("get", "[red]user")
    assert code == 0
    lines = {line[:14].strip(): line[14:] for line in out.splitlines()}
    assert lines["User"].startswith("[red]user, partition ")
    assert lines["Amount"] == "40.00 in total, 10.00 on average"
    assert lines["Seen"] == "2023-08-27 08:00:00 to 2023-08-27 08:00:03"
    assert lines["Hours (UTC)"][8] == "█"
    assert lines["Hours (UTC)"][20] == "▂"
    assert lines["Block"] == "none"


def test_a_block_is_shown_before_and_after_it_is_applied(settings: Settings, run: Run) -> None:
    client = connection.connect_to(settings.redis)
    keys = Keys(settings.redis_prefix, settings.topic("transactions"))
    place = partition_of("user_1", PARTITIONS)
    store(settings, {"user_1": {"total_transactions": 1}})
    blocks.block(client, keys, place, "user_1", START, "alert_1")
    assert "until 2023-08-27 08:00:00, for alert_1; the next batch takes it in" in run("get", "user_1")[1]
    store(settings, {"user_1": {"total_transactions": 1, "blocked_until": START}})
    assert "until 2023-08-27 08:00:00, for alert_1\n" in run("get", "user_1")[1]
    blocks.unblock(client, keys, place, "user_1")
    assert "until 2023-08-27 08:00:00; lifted, which the next batch takes in" in run("get", "user_1")[1]
    store(settings, {"user_1": {"total_transactions": 1}})
    assert "none; it was lifted" in run("get", "user_1")[1]
    client.close()


def test_a_user_nobody_knows_is_one_sentence(run: Run) -> None:
    code, out, err = run("get", "nobody")
    assert (code, out) == (1, "")
    assert err == "sentinel: No profile of nobody: no transaction of this user has been scored.\n"


def test_list_everybody_as_json_lines(settings: Settings, run: Run) -> None:
    store(settings, some(1_500))
    code, out, _ = run("list", "--all", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert len({each["user_id"] for each in found}) == len(found) == 1_500
    assert sum(each["total_transactions"] for each in found) == 1_500 * 1_501 // 2
    assert {"user_id", "total_transactions", "total_amount", "alerts"} <= found[0].keys()


def test_list_shows_the_largest_first(settings: Settings, run: Run) -> None:
    store(settings, some(60))
    _, out, _ = run("list", "--json")
    assert [json.loads(line)["total_transactions"] for line in out.splitlines()] == list(range(60, 10, -1))
    _, out, _ = run("list", "--sort", "alerts", "--limit", "3")
    head, *lines = out.splitlines()
    assert head.split() == ["user", "transactions", "amount", "average", "alerts", "last", "seen"]
    assert [line.split()[4] for line in lines] == ["2", "2", "2"]


def test_list_of_one_partition(settings: Settings, run: Run) -> None:
    store(settings, some(40))
    _, out, _ = run("list", "--all", "--json", "--partition", "2")
    found = [json.loads(line) for line in out.splitlines()]
    assert found
    assert {each["partition"] for each in found} == {2}


def test_everybody_is_not_sorted(run: Run) -> None:
    code, out, err = run("list", "--all", "--sort", "amount")
    assert (code, out) == (2, "")
    assert "leave out --sort" in err


def test_nobody_yet_is_an_empty_list(run: Run) -> None:
    assert run("list", "--all", "--json") == (0, "", "")


@pytest.mark.parametrize("form", [["--json"], []])
def test_a_reader_that_has_seen_enough_ends_it_quietly(settings: Settings, run: Run, form: list[str]) -> None:
    store(settings, some(2_000))
    command = [sys.executable, "-m", "sentinel_cli", "profiles", "list", "--all", *form, *flags(settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert (process.stderr.read(), process.wait(timeout=30)) == (b"", 0)


@pytest.mark.apache
def test_a_namespace_is_taken_to_an_empty_redis(run: Run, settings: Settings, tmp_path: Path) -> None:
    topics.ensure(settings, partitions=PARTITIONS)
    client: Any = connection.connect_to(settings.redis)
    keys = Keys(settings.redis_prefix, settings.topic(topics.TRANSACTIONS))
    client.set(keys.offset(0), 7)
    blocks.block(client, keys, 0, "user_1", 2**60, "alert_1")
    file = str(tmp_path / "state.parquet")
    code, out, err = run("export", file, "--json")
    assert code == 0, err
    assert json.loads(out)["keys"] == 4
    code, _, err = run("import", file)
    assert code == 1
    assert "already" in err
    client.unlink(*client.scan_iter(f"{settings.redis_prefix}:*"))
    assert run("import", file)[0] == 0
    assert client.get(keys.offset(0)) == b"7"
    assert blocks.read(client, keys, 0, 0)[1] == {"user_1": 2**60}


def test_who_was_not_seen_for_long_expires(run: Run, settings: Settings) -> None:
    client: Any = connection.connect_to(settings.redis)
    keys = Keys(settings.redis_prefix, settings.topic(topics.TRANSACTIONS))
    for user, days in (("new", 0), ("old", 8)):
        row = layout.empty(1)
        row["version"], row["last_time"] = layout.VERSION, START - days * 86_400 * SECOND
        client.set(keys.profile(1, user), layout.to_bytes(row)[0])
    code, out, err = run("expire", "--dry-run", "--json")
    assert (code, json.loads(out)["removed"]) == (0, 1), err
    assert client.exists(keys.profile(1, "old"))
    code, out, err = run("expire", "--yes", "--json")
    assert (code, json.loads(out)["removed"]) == (0, 1), err
    assert client.exists(keys.profile(1, "new"))
    assert not client.exists(keys.profile(1, "old"))


def test_nothing_moves_where_nothing_grew(run: Run, settings: Settings) -> None:
    topics.ensure(settings, partitions=PARTITIONS)
    code, out, err = run("move", "--json")
    assert (code, json.loads(out)) == (0, {"from": None, "to": None, "moved": 0}), err
