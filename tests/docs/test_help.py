"""Every command explains itself, loads little for that, and stands in the reference."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sentinel_cli.app import COMMANDS, main, root

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
HEAVY = ("pandas", "numba", "redis", "confluent_kafka", "pyarrow")
MOST_CHARACTERS = 66  # of what a group says of a command, on a terminal of 80 columns


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and subcommand by the words that call it."""

    def below(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
        yield words, command
        for name, each in getattr(command, "commands", {}).items():
            yield from below((*words, name), each)

    for name in COMMANDS:
        yield from below((name,), root().load(name))


EVERY = list(commands())
IDS = [" ".join(words) for words, _ in EVERY]


@pytest.mark.parametrize(("words", "command"), EVERY, ids=IDS)
def test_help_of_every_command(
    words: tuple[str, ...], command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--help"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"Usage: sentinel {' '.join(words)}")
    assert not printed.err


@pytest.mark.parametrize(("words", "command"), EVERY, ids=IDS)
def test_every_command_and_every_option_says_what_it_is(words: tuple[str, ...], command: Any) -> None:
    assert command.help, words
    # `sentinel --help` takes its lines from the table in `app`, a group's help from its commands.
    assert len(words) == 1 or not command.get_short_help_str(MOST_CHARACTERS).endswith("...")
    for param in command.params:
        assert param.help, (words, param.opts)


@pytest.mark.parametrize(("words", "command"), EVERY, ids=IDS)
def test_no_two_options_of_a_command_are_spelt_the_same(words: tuple[str, ...], command: Any) -> None:
    spellings = [spelling for param in command.params for spelling in (*param.opts, *param.secondary_opts)]
    assert len(spellings) == len(set(spellings))


def test_completion_of_any_command_loads_nothing_heavy() -> None:
    program = (
        f"import importlib, sys\nfor name in {list(COMMANDS)}:\n"
        f"    importlib.import_module('commands.' + name)\n"
        f"    for heavy in {HEAVY}:\n"
        f"        if sys.modules.pop(heavy, None): print(name, 'loads', heavy)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert not ran.stdout


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", REFERENCE / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["cli", "settings"])
def test_the_reference_is_what_the_code_says(page: str, generate: ModuleType) -> None:
    written = (REFERENCE / f"{page}.md").read_text(encoding="utf-8")
    assert written == getattr(generate, page)(), "run `make reference`"
