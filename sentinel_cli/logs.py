"""Logging: what the workers have to say, on stderr.

Purpose: every module logs through ``logging.getLogger("sentinel.<part>")``, with numbers in
``extra={...}``; this sets the one handler up. A terminal gets short coloured lines. Anything else
(a container, a file) gets one JSON object a line, which is what log collectors read:

    {"timestamp": "2025-08-26T14:32:34.123Z", "level": "info", "logger": "sentinel.detect",
     "event": "partition assigned", "partition": 3}
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import msgspec

# Everything a LogRecord has by itself; what a record has beyond that came in ``extra``.
_BUILT_IN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "timestamp": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= _extra(record)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


class Text(logging.Formatter):
    """``partition assigned  partition=3``: the level and the time are the handler's columns."""

    def format(self, record: logging.LogRecord) -> str:
        extra = " ".join(f"{name}={value}" for name, value in _extra(record).items())
        return f"{record.getMessage()}  {extra}".rstrip()


def configure(level: str) -> None:
    """Send the loggers below "sentinel" to stderr at ``level``. May be called again."""
    log = logging.getLogger("sentinel")
    log.handlers = [_terminal() if sys.stderr.isatty() else _stream()]
    log.setLevel(level)


def _terminal() -> logging.Handler:
    from rich.console import Console
    from rich.logging import RichHandler

    handler = RichHandler(
        console=Console(stderr=True), show_path=False, highlighter=None, log_time_format="%H:%M:%S"
    )
    handler.setFormatter(Text())
    return handler


def _stream() -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    return handler


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _BUILT_IN}
