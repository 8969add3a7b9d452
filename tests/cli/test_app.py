"""The command line itself: what it lists, what it loads for that, and the options all commands take."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from sentinel_cli import app as application
from sentinel_cli import packages
from sentinel_cli.app import COMMANDS, main, root
from sentinel_cli.context import Context
from sentinel_cli.errors import SentinelError

HEAVY = {"pandas", "numba", "redis", "confluent_kafka", "pyarrow", "numpy"}
MOST_CHARACTERS = 80 - len("  ") - len("profiles") - len("  ")  # of a line of help on a narrow terminal


def python(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, check=False
    )


def loaded(importtime: str) -> set[str]:
    """The top-level packages that `python -X importtime` tells of."""
    return {line.rsplit("|", 1)[1].strip().split(".")[0] for line in importtime.splitlines() if "|" in line}


def test_help_lists_every_command_and_loads_nothing_heavy() -> None:
    ran = python("-X", "importtime", "-m", "sentinel_cli", "--help")
    assert ran.returncode == 0
    for name, entry in COMMANDS.items():
        assert f"  {name} " in ran.stdout
        assert entry.help in ran.stdout
    assert not loaded(ran.stderr) & (HEAVY | {"pydantic", "rich"})


def test_completion_loads_nothing_heavy() -> None:
    ran = python(
        "-X", "importtime", "-m", "sentinel_cli",
        _SENTINEL_COMPLETE="complete_bash", COMP_WORDS="sentinel de", COMP_CWORD="1",
    )  # fmt: skip
    assert ran.stdout.split() == ["demo", "detect"]
    assert not loaded(ran.stderr) & HEAVY


def test_help_costs_little_more_than_importing_typer() -> None:
    def fastest(*arguments: str) -> float:
        def once() -> float:
            start = time.perf_counter()
            assert python(*arguments).returncode == 0
            return time.perf_counter() - start

        return min(once() for _ in range(5))

    assert fastest("-m", "sentinel_cli", "--help") < 2 * fastest("-c", "import typer")


def test_a_line_of_help_fits_a_terminal() -> None:
    assert all(len(entry.help) <= MOST_CHARACTERS for entry in COMMANDS.values())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("sentinel ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["detct"], "Did you mean 'detect'?"),
        (["--nonsense"], "No such option"),
        (["config", "show", "--nonsense"], "No such option"),
        (["--redis-port", "abc", "config", "show"], "--redis-port"),
        (["config", "shw"], "Did you mean 'show'?"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert not printed.out


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Context]:
    """A command "look" that keeps the context it was called with."""
    contexts: list[Context] = []

    def command(ctx: typer.Context) -> None:
        contexts.append(ctx.obj)

    module = type(sys)("commands.look")
    module.command = command  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "commands.look", module)
    monkeypatch.setitem(application.COMMANDS, "look", application.Entry("Look.", application.SEE))
    return contexts


@pytest.mark.parametrize("after", [False, True], ids=["before the command", "after the command"])
def test_global_options_stand_on_either_side(after: bool, seen: list[Context]) -> None:
    options = ["--config", "a.toml", "--profile", "p", "--prefix", "x", "--kafka-servers", "k:1",
               "--redis-host", "r", "--redis-port", "7", "--log-level", "debug", "--debug"]  # fmt: skip
    assert main(["look", *options] if after else [*options, "look"]) == 0
    assert seen[0].flags == {
        "config": Path("a.toml"), "profile": "p", "prefix": "x", "kafka.servers": "k:1",
        "redis.host": "r", "redis.port": 7, "log_level": "debug",
    }  # fmt: skip
    assert seen[0].debug


def test_what_was_not_given_is_no_flag(seen: list[Context]) -> None:
    assert main(["look"]) == 0
    assert (seen[0].flags, seen[0].debug) == ({}, False)


def test_no_secret_is_a_flag() -> None:
    spellings = {spelling for param in root().params for spelling in param.opts}
    assert not [spelling for spelling in spellings if "password" in spelling or "secret" in spelling]


def test_a_package_that_hides_ours_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages.check()
    theirs = tmp_path / "datasets" / "__init__.py"
    theirs.parent.mkdir()
    theirs.write_text("'''Another library.'''")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "datasets", raising=False)
    with pytest.raises(SentinelError, match=r"another package called 'datasets' \(.*__init__.py\) hides"):
        packages.check()


def test_a_package_installed_over_ours_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in packages.PLAIN_NAMES:
        init = tmp_path / name / "__init__.py"
        init.parent.mkdir()
        init.write_text("" if name == "profiles" else packages.MARK)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(packages, "ROOT", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(SentinelError, match="another package called 'profiles'"):
        packages.check()
