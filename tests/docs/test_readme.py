"""The README is true: its commands run, its links lead somewhere, its table is complete.

Purpose: every shell block of README.md is executed as it stands. Lines that call make are looked up
in the Makefile instead, because `make test` is what runs this file.

Design: a block runs in an empty folder, with its own state folder and prefix. The two example hosts
become the servers of this test run; the block that starts servers of its own is given none.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sentinel_cli.app import COMMANDS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.+?)^```", README, re.DOTALL | re.MULTILINE)
LINES = [line for block in BLOCKS for line in block.splitlines()]
SCRIPTS = [block for block in BLOCKS if "sentinel" in block]
LOCAL, COMPANY, SETTINGS = SCRIPTS


def run(script: str, folder: Path, **settings: str) -> None:
    """Run ``script`` in ``folder`` with no settings but these; a line that fails ends it."""
    chosen = {"KAFKA_SERVERS", "REDIS_HOST", "REDIS_PORT"}
    inherited = {k: v for k, v in os.environ.items() if k not in chosen and not k.startswith("SENTINEL_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = inherited | {"PATH": path, "SENTINEL_HOME": str(folder / "home")} | settings
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_line_is_a_command_that_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for line in LINES:
        program, name, *_ = line.split()
        if program == "make":
            assert re.search(rf"^{name}:", makefile, re.MULTILINE), line
        elif program == "sentinel":
            assert name in COMMANDS, line
        else:
            assert program == "export", line


def test_the_table_names_every_command() -> None:
    rows = re.findall(r"^\| `sentinel (.+?) \|", README, re.MULTILINE)
    assert set(re.findall(r"\w+", " ".join(rows))) == set(COMMANDS)


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^):]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_first_screen_is_the_two_commands() -> None:
    assert BLOCKS[0].split("\n") == ["make demo", "make test", ""]
    assert README.splitlines().index("make test") < 24


def test_settings(tmp_path: Path) -> None:
    run(SETTINGS, tmp_path)


@pytest.mark.real
def test_on_your_own_machine(tmp_path: Path) -> None:
    try:
        run(LOCAL, tmp_path)
    finally:
        run("sentinel down", tmp_path)


@pytest.mark.real
def test_on_the_companys_servers(tmp_path: Path, kafka_servers: str, redis_url: str) -> None:
    redis = urlsplit(redis_url)
    script = COMPANY.replace("kafka.example.com:9092", kafka_servers)
    script = script.replace("redis.example.com", str(redis.hostname))
    run(script, tmp_path, REDIS_PORT=str(redis.port), SENTINEL_PREFIX="readme")
