"""`sentinel alerts` on what a real detector raised on a real Kafka."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sentinel_cli.app import main
from sentinel_cli.config import Settings
from sentinel_cli.streaming import detecting, producing, topics
from sentinel_cli.streaming.detecting import Job
from sentinel_cli.streaming.producing import Order
from tests.topic import read

pytestmark = pytest.mark.real

SCORECARD = Path(__file__).parents[1] / "scorecard.toml"


@pytest.fixture
def raised(settings: Settings) -> list[dict[str, Any]]:
    """The alerts on the topic, of both sources of records where both can be had."""
    for number in (1, 2):
        producing.run(settings, Order(count=3_000, users=300, seed=number), threading.Event())
        detecting.run(
            settings,
            Job(exit_at_end=True),
            register_stop=lambda _: None,
            tell=lambda _: None,
            report=lambda _: None,
        )
        settings = settings.model_copy(
            update={"kafka": settings.kafka.model_copy(update={"source": "plain"})}
        )
    return [json.loads(message.value() or b"") for message in read(settings, topics.FRAUD_ALERTS)]


def flags(settings: Settings) -> list[str]:
    return ["--prefix", settings.prefix, "--kafka-servers", settings.kafka.servers]


def test_list_show_explain(
    settings: Settings, raised: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main([*flags(settings), "alerts", *arguments]) == code
        return capsys.readouterr().out

    assert len(raised) > 40
    by_id = {each["alert_id"]: each for each in raised}
    listed = [json.loads(line) for line in run("list", "--json", "--limit", "10000").splitlines()]
    assert {each["alert_id"] for each in listed} == set(by_id)
    assert len(run("list", "--since", "1h", "--limit", "3").splitlines()) == 3
    assert run("list", "--since", "2100-01-01") == ""
    for each in listed[:: len(listed) // 20]:
        alert = by_id[each["alert_id"]]
        assert json.loads(run("show", alert["alert_id"], "--json")) == alert
        found = json.loads(run("explain", alert["alert_id"], "--json"))
        assert (found["score"], found["same"]) == (alert["fraud_score"], True)
        assert found["contributions"] == alert["contributions"]
    other = json.loads(run("explain", alert["alert_id"], "--json", "--scorecard", str(SCORECARD)))
    assert other["score"] != alert["fraud_score"]
    run("show", "alert_nobody_1", code=1)


def test_a_pipe_that_is_closed_early(settings: Settings, raised: list[dict[str, Any]]) -> None:
    command = [sys.executable, "-m", "sentinel_cli", *flags(settings), "alerts", "list", "--json"]
    program = '"$@" --limit 10000 | head -1; echo "${PIPESTATUS[0]}"'
    done = subprocess.run(
        ["bash", "-c", program, "bash", *command],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    first, code = done.stdout.splitlines()
    assert json.loads(first)["alert_id"] in {each["alert_id"] for each in raised}
    assert (code, done.stderr) == ("0", "")


def test_since_is_when_kafka_received_it(
    settings: Settings, raised: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    latest = max(message.timestamp()[1] for message in read(settings, topics.FRAUD_ALERTS))
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(latest / 1_000)) + f".{latest % 1_000:03}Z"
    ours = [m for m in read(settings, topics.FRAUD_ALERTS) if m.timestamp()[1] >= latest]
    assert main([*flags(settings), "alerts", "list", "--json", "--limit", "10000", "--since", at]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(ours)


def test_a_topic_that_is_not_there(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*flags(settings), "alerts", "list"]) == 1
    assert "sentinel topics create" in capsys.readouterr().err
    assert main(["--kafka-servers", "127.0.0.1:1", "alerts", "list"]) == 3
    assert "127.0.0.1:1" in capsys.readouterr().err
