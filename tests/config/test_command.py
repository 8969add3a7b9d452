"""`sentinel config` from end to end, in this process."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from commands.config import template
from sentinel_cli import config
from sentinel_cli.app import main


def test_show_prints_value_and_origin(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "--redis-port", "7000"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("redis.port"))
    assert line.split() == ["redis.port", "7000", "flag", "--redis-port"]


def test_show_json_is_one_document_with_secrets_masked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTINEL_REDIS_PASSWORD", "sesame")
    assert main(["config", "show", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["redis.password"] == {"value": "********", "origin": "environment SENTINEL_REDIS_PASSWORD"}
    assert shown["fraud_threshold"] == {"value": 0.3, "origin": "default"}


def test_check_names_what_it_read(capsys: pytest.CaptureFixture[str]) -> None:
    Path("sentinel.toml").write_text('prefix = "a"\n[profiles.p]\nprefix = "b"\n')
    assert main(["config", "check", "--json"]) == 0
    checked = json.loads(capsys.readouterr().out)
    assert (checked["file"], checked["profiles"], checked["policy"]) == ("sentinel.toml", "p", "packaged")
    assert checked["scorecard"].startswith("packaged, version ")


@pytest.mark.parametrize(
    ("written", "code", "said"),
    [
        ("prefix = 3", 2, "prefix must be"),
        ("[profiles.p]\nprefix = 3", 2, "profile p in sentinel.toml, line 2"),
        ('[kafka]\nserver = "a"', 2, 'No such configuration property: "server"'),
        ('[detect]\nscorecard = "no.toml"', 1, "no.toml"),
        ('[respond]\npolicy = "sentinel.toml"', 1, "sentinel.toml, line"),
    ],
)
def test_check_finds_what_is_wrong(
    written: str, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("sentinel.toml").write_text(written)
    assert main(["config", "check"]) == code
    printed = capsys.readouterr()
    assert printed.err.startswith("sentinel: ")
    assert said in printed.err
    assert not printed.out


def test_check_notices_a_misspelt_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTINEL_REDIS_PASWORD", "x")
    monkeypatch.setenv("SENTINEL_SERVICE_HOST", "10.0.0.1")
    assert main(["config", "check"]) == 0
    warnings = capsys.readouterr().err
    assert "did you mean SENTINEL_REDIS_PASSWORD?" in warnings
    assert "SERVICE_HOST" not in warnings


def test_init_writes_a_file_that_changes_nothing() -> None:
    before = config.load()
    assert main(["config", "init"]) == 0
    assert config.load() == before


def test_everything_in_the_written_file_is_a_setting_at_its_default() -> None:
    text = "\n".join(
        line[1:] if line.startswith("#") and not line.startswith("# ") else line
        for line in template().splitlines()
    )
    assert tomllib.loads(text)["profiles"]["staging"]["prefix"] == "staging"
    Path("sentinel.toml").write_text(text)
    written = {each.name: each for each in config.explain()}
    Path("sentinel.toml").unlink()
    for name, value, _ in config.explain():
        if name in {"home", "config", "profile"}:
            continue
        assert written[name].origin.startswith("sentinel.toml, line ")
        assert value is None or written[name].value == value


def test_init_never_overwrites_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.toml").write_text("mine")
    assert main(["config", "init", "mine.toml"]) == 2
    assert "add --yes" in capsys.readouterr().err
    assert Path("mine.toml").read_text() == "mine"
    assert main(["config", "init", "mine.toml", "--yes"]) == 0
    assert Path("mine.toml").read_text() == template()


def test_init_leaves_nothing_half_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "replace", full)
    assert main(["config", "init"]) == 1
    assert [path.name for path in folder.iterdir()] == ["home"]
