"""JSON on stdout and log lines on stderr, as machines read them."""

from __future__ import annotations

import json
import logging
import math
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from sentinel_cli.errors import ExitCode
from sentinel_cli.logs import JsonLines, Text, configure
from sentinel_cli.output import emit_json, emit_line
from sentinel_cli.records import Source


def test_a_document_takes_what_commands_have(capsys: pytest.CaptureFixture[str]) -> None:
    emit_json({
        "path": Path("a/b"), "when": datetime(2025, 8, 26, 14, 32, 34, tzinfo=UTC), "code": ExitCode.USAGE,
        "single": np.float32(0.5), "count": np.int64(3), "struct": Source("t", 1, 2),
        "nan": math.nan, "text": "é",
    })  # fmt: skip
    assert json.loads(capsys.readouterr().out) == {
        "path": "a/b", "when": "2025-08-26T14:32:34Z", "code": 2, "single": 0.5, "count": 3,
        "struct": {"topic": "t", "partition": 1, "offset": 2}, "nan": None, "text": "é",
    }  # fmt: skip


def test_a_stream_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    emit_line({"a": 1})
    emit_line({"a": "two\nlines"})
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"a": 1},
        {"a": "two\nlines"},
    ]


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="object has no JSON form"):
        emit_json({"a": object()})


def record(**extra: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": "sentinel.detect", "levelno": 30, "levelname": "WARNING", **extra})
    made.msg, made.args, made.created = "partition %d assigned", (3,), 1.5
    return made


def test_a_log_line_for_collectors() -> None:
    assert json.loads(JsonLines().format(record(partition=3, path=Path("x")))) == {
        "timestamp": "1970-01-01T00:00:01.500Z", "level": "warning", "logger": "sentinel.detect",
        "event": "partition 3 assigned", "partition": 3, "path": "x",
    }  # fmt: skip


def test_a_log_line_carries_its_exception() -> None:
    error = ZeroDivisionError("by zero")
    line = json.loads(JsonLines().format(record(exc_info=(type(error), error, None))))
    assert line["exception"] == "ZeroDivisionError: by zero"


def test_a_log_line_for_people() -> None:
    assert Text().format(record(partition=3)) == "partition 3 assigned  partition=3"


def test_logs_go_to_stderr_from_their_level_on(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("sentinel")
    before = (log.handlers, log.level)
    try:
        configure("WARNING")
        configure("WARNING")
        logging.getLogger("sentinel.part").info("not this")
        logging.getLogger("sentinel.part").warning("this", extra={"n": 1})
        printed = capsys.readouterr()
    finally:
        log.handlers, log.level = before
    assert not printed.out
    assert [json.loads(line)["event"] for line in printed.err.splitlines()] == ["this"]


def test_text_without_a_terminal_is_never_cut_or_coloured() -> None:
    program = (
        "from rich.table import Table\nfrom sentinel_cli.context import Context\n"
        "table = Table('name', box=None)\ntable.add_row('[red]' + 'x' * 150)\nContext().out.print(table)\n"
    )
    # An explicit environment, since readline, which pytest loads, exports COLUMNS behind Python's back.
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert ran.stdout.splitlines()[1].strip() == "x" * 150
