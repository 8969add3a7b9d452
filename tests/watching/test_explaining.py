"""Every alert of a run is explained to the same number; what is no alert of ours is one sentence."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from profiles.memory_store import MemoryStore
from sentinel_cli.app import main
from sentinel_cli.engine import scorecard, severity
from sentinel_cli.errors import SentinelError
from sentinel_cli.records import rfc3339
from sentinel_cli.responding.incoming import time_of
from sentinel_cli.streaming import stored
from sentinel_cli.streaming.codec import Decoder
from sentinel_cli.streaming.worker import Plan, Worker
from sentinel_cli.watching import alerts, explaining
from tests.fakes import FakeClock, Log, MemorySink, MemorySource, Now

START = datetime(2025, 8, 24, tzinfo=UTC)
MANY = Path(__file__).parents[1] / "scorecard.toml"
OWN = """
[[factor]]
feature = "features.V258"
cuts = [2, 3]
points = [0, 0.1, 2.55]
missing = 0.37
reason = "V258 is {value:g}"
"""
CARD = scorecard.parse(MANY.read_text(encoding="utf-8") + OWN, "with a record's own feature")


def transaction(number: int, rng: random.Random) -> bytes:
    late = rng.choice([0.0, 0.0, 0.0, 40.7, 7_200.3])
    fields: dict[str, Any] = {
        "transaction_id": f"T-{number}-\u00e9",
        "user_id": f"user_{rng.randrange(12)}",
        "timestamp": (START + timedelta(seconds=number * 71.377 - late)).isoformat(),
        "amount": rng.choice([0, 1.5, 40.01, 900, 5_000.37]),
        "country": rng.choice(["US", "FR", "JP", ""]),
        "device_id": f"d{rng.randrange(9)}",
        "merchant_category": rng.choice(["5411", "fuel", "7995"]),
        "features": rng.choice([None, {}, {"V258": 2.5}, {"V258": 3, "V9": "x"}, {"V258": None}]),
    }
    return msgspec.json.encode(fields)


@pytest.fixture(scope="module")
def raised() -> list[bytes]:
    """The alerts of a detector, as they stand on their topic."""
    log, rng, clock, store = Log(), random.Random(5), FakeClock(), MemoryStore()
    for number in range(800):
        log.append("transactions", number % 3, transaction(number, rng))
    source = MemorySource(log, "transactions", clock)
    source.decoder = Decoder(CARD.record_features)
    plan = Plan("transactions", "fraud-alerts", "transactions.dlq", threshold=0.2, batch_size=50)
    worker = Worker(plan, source, MemorySink(log, clock), store, clock, Now(), CARD, severity.load())
    worker.run(until_end=True)
    return [value for value in log.values("fraud-alerts") if value]


def test_every_alert_of_a_run_is_explained_to_the_same_number(raised: list[bytes]) -> None:
    own = set()
    for value in raised:
        alert = explaining.parse(value)
        found = explaining.explain(alert, CARD)
        assert (found.score, found.same) == (alert.fraud_score, True)
        assert found.contributions == alert.contributions == found.recorded.contributions
        assert found.config_version == found.recorded.config_version
        assert found.score == 1.0 / (1.0 + math.exp(-found.log_odds))
        total = math.fsum([found.bias, *(each.points for each in found.contributions)])
        assert found.log_odds == pytest.approx(total, abs=1e-12)
        own |= {each.points for each in found.contributions if each.factor == "features.V258"}
    assert len(raised) > 100
    assert own == {0.1, 2.55, 0.37}


def test_another_scorecard_says_another_number(raised: list[bytes]) -> None:
    other = scorecard.parse(CARD.text.replace("bias = -5.0", "bias = -4.0"), "another")
    for value in raised[:20]:
        found = explaining.explain(explaining.parse(value), other)
        assert not found.same
        assert found.config_version == other.version != found.recorded.config_version
        assert found.contributions == found.recorded.contributions
        odds = math.log(found.recorded.fraud_score / (1 - found.recorded.fraud_score))
        assert found.log_odds - odds == pytest.approx(1.0, abs=1e-9)


def changed(value: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    alert = json.loads(value)
    change(alert)
    return json.dumps(alert).encode()


def test_the_last_bit_counts(raised: list[bytes]) -> None:
    def nudge(alert: dict[str, Any]) -> None:
        alert["fraud_score"] = math.nextafter(alert["fraud_score"], 1)

    assert not explaining.explain(explaining.parse(changed(raised[0], nudge)), CARD).same


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no score": (lambda alert: alert.pop("fraud_score"), "fraud_score"),
    "no amount": (lambda alert: alert["transaction_details"].pop("amount"), "amount"),
    "a field less": (lambda alert: alert["profile_before"].pop("alerts"), "version 1"),
    "a field more": (lambda alert: alert["profile_before"].update(more=1), "version 1"),
    "another layout": (lambda alert: alert["profile_before"].update(version=2), "version 1"),
    "too few hours": (lambda alert: alert["profile_before"].update(hours=[1, 2]), "is none"),
    "a text": (lambda alert: alert["profile_before"].update(total_amount="x"), "is none"),
    "a count below zero": (lambda alert: alert["profile_before"].update(alerts=-1), "is none"),
    "no country": (lambda alert: alert["profile_before"].update(last_country=40_000), "last_country"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_the_engine_must_not_see(raised: list[bytes], kind: str) -> None:
    change, sentence = BROKEN[kind]
    with pytest.raises(SentinelError, match=sentence):
        explaining.explain(explaining.parse(changed(raised[0], change)), CARD)


class Stands:
    """A message, of which only the value is asked for."""

    def __init__(self, value: bytes | None) -> None:
        self._value = value

    def value(self) -> bytes | None:
        return self._value


@pytest.fixture
def on_topic(raised: list[bytes], monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """A topic with those alerts, some of them twice, and with records that are none."""
    noise: list[bytes | None] = [
        None,
        b"",
        b"{",
        b'{"alert_id": "x"}',
        changed(raised[1], lambda a: a.update(timestamp="?")),
    ]
    runs: list[Sequence[bytes | None]] = [raised[::2], noise, raised[1::2], raised[:30]]
    messages = [[Stands(value) for value in run] for run in runs]
    monkeypatch.setattr(stored, "records", lambda *_: messages)
    return raised


def sentinel(*arguments: str) -> int:
    return main(["alerts", *arguments])


def listed(capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, Any]]:
    assert sentinel("list", "--json", *options) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_list_is_by_time_and_has_each_once(on_topic: list[bytes], capsys: pytest.CaptureFixture[str]) -> None:
    def when(alert: dict[str, Any]) -> datetime:
        return datetime.fromisoformat(alert["timestamp"])

    records = {each["alert_id"]: each for each in map(json.loads, on_topic)}
    found = listed(capsys, "--limit", "5000")
    assert sorted(each["alert_id"] for each in found) == sorted(records)
    assert [when(each) for each in found] == sorted(map(when, records.values()), reverse=True)
    assert listed(capsys, "--limit", "7") == found[:7]
    for each in found:
        record = records[each["alert_id"]]
        assert each["fraud_score"] == record["fraud_score"]
        assert each["amount"] == record["transaction_details"]["amount"]
        assert each["reason"] == next(c["reason"] for c in record["contributions"] if c["points"] > 0)


def test_list_takes_those_that_are_asked_for(
    on_topic: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    found = listed(capsys, "--limit", "5000")
    of_user = listed(capsys, "--limit", "5000", "--user", "user_3")
    assert of_user == [each for each in found if each["user_id"] == "user_3"]
    severe = listed(capsys, "--limit", "5000", "--severity", "high")
    assert severe == [each for each in found if each["severity"] in {"HIGH", "CRITICAL"}]
    assert 0 < len(severe) < len(found)
    assert sentinel("list", "--user", "nobody") == 0
    assert capsys.readouterr() == ("", "No alert of that kind is on fraud-alerts.\n")


def test_list_on_a_terminal_and_into_a_file(
    on_topic: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    from commands.alerts import _lines

    ids = {json.loads(value)["alert_id"] for value in on_topic}
    assert sentinel("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 20
    assert len({each for each in ids if any(each in line for line in lines)}) == 20
    found = [line for line in map(alerts.line, on_topic) if line]
    assert list(_lines(found, 400)) == list(_lines(found, None))
    assert len(list(_lines(found, 80))) == 2 * len(found)
    assert max(map(len, _lines(found, 80))) <= 80


def test_show(on_topic: list[bytes], capsys: pytest.CaptureFixture[str]) -> None:
    alert = json.loads(on_topic[40])
    assert sentinel("show", alert["alert_id"], "--json") == 0
    assert json.loads(capsys.readouterr().out) == alert
    assert sentinel("show", alert["alert_id"]) == 0
    shown = capsys.readouterr().out
    facts = [*alert["transaction_details"].values(), *(c["reason"] for c in alert["contributions"])]
    assert all(str(fact) in shown for fact in facts if isinstance(fact, (str, float)))
    assert [name for name in alert["profile_before"] if name not in shown] == []


def test_no_terminal_obeys_a_record(
    raised: list[bytes], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def evil(alert: dict[str, Any]) -> None:
        alert["user_id"] = alert["transaction_details"]["device_id"] = "\x1b[2J[red]"
        alert["transaction_details"]["device_id"] = "d1"
        alert["transaction_details"]["merchant_id"] = "\x9b2J\x07"
        alert["contributions"][0]["reason"] = "\x1b]0;"

    value = changed(raised[0], evil)
    alert_id = json.loads(value)["alert_id"]
    monkeypatch.setattr(stored, "records", lambda *_: [[Stands(value)]])
    monkeypatch.setenv("SENTINEL_DETECT_SCORECARD", str(MANY))
    for arguments in (["list"], ["show", alert_id], ["explain", alert_id, "--scorecard", str(MANY)]):
        assert sentinel(*arguments) == 0
        printed = capsys.readouterr().out
        assert not {"\x1b", "\x9b", "\x07"} & set(printed)
        assert "\\x1b[2J[red]" in printed


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The scorecard that the alerts were scored with, which is in force, and another."""
    theirs, other = tmp_path / "theirs.toml", tmp_path / "other.toml"
    theirs.write_text(CARD.text, encoding="utf-8")
    other.write_text(CARD.text.replace("bias = -5.0", "bias = -9.0"), encoding="utf-8")
    monkeypatch.setenv("SENTINEL_DETECT_SCORECARD", str(theirs))
    return theirs, other


def test_explain(on_topic: list[bytes], cards: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    for value in on_topic[:10]:
        alert = json.loads(value)
        assert sentinel("explain", alert["alert_id"], "--json") == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["score"], found["same"]) == (alert["fraud_score"], True)
        assert found["contributions"] == alert["contributions"]
    assert sentinel("explain", alert["alert_id"]) == 0
    shown = capsys.readouterr().out
    assert f"comes out as {alert['fraud_score']!r}: the same number" in shown
    assert all(each["factor"] in shown and each["reason"] in shown for each in alert["contributions"])
    assert "-5.00" in shown


def test_explain_by_another_scorecard(
    on_topic: list[bytes],
    cards: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theirs, other = cards
    alert = json.loads(on_topic[0])
    name = alert["alert_id"]
    versions = [scorecard.load(card).version[:12] for card in cards]
    assert sentinel("explain", name, "--scorecard", str(other)) == 0
    shown = capsys.readouterr().out
    assert f"said {alert['fraud_score']:.4f}" in shown
    assert "no alert, at a threshold" in shown
    assert all(version in shown for version in versions)
    monkeypatch.setenv("SENTINEL_DETECT_SCORECARD", str(other))
    assert sentinel("explain", name) == 1
    said = capsys.readouterr()
    assert not said.out
    assert all(version in said.err for version in versions)
    assert "--scorecard" in said.err
    assert sentinel("explain", name, "--scorecard", str(theirs)) == 0


def test_an_alert_that_was_changed(
    raised: list[bytes],
    cards: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    value = changed(raised[3], lambda alert: alert.update(fraud_score=0.99))
    monkeypatch.setattr(stored, "records", lambda *_: [[Stands(value)]])
    assert sentinel("explain", json.loads(value)["alert_id"]) == 1
    said = capsys.readouterr()
    assert "the alert says 0.99" in said.err
    assert "not the number" in said.out


def test_an_id_that_is_not_there(on_topic: list[bytes], capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["show", "alert_x"], ["explain", "alert_x"], ["show", "alert_x", "--json"]):
        assert sentinel(*arguments) == 1
        assert "No alert alert_x on fraud-alerts" in capsys.readouterr().err


def test_times_of_other_zones_are_ordered_as_times() -> None:
    assert time_of("2025-08-24T02:00:00+02:00") == time_of("2025-08-24T00:00:00")
    assert rfc3339(time_of("2025-08-24T02:00:00+02:00")) == "2025-08-24T00:00:00Z"
