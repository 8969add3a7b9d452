"""The error boundary: any exception becomes one sentence on stderr and an exit code.

Purpose: the only place that prints errors and the only one that maps other libraries' exceptions.
A library is looked at only if something has imported it already.

Not here: which errors there are and their exit codes (`errors`).
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from sentinel_cli.context import Context
from sentinel_cli.errors import ExitCode, KafkaUnreachable, RedisUnreachable, SentinelError


def run(command: Callable[[], object], context: Context) -> int:
    """Call ``command``, which ends with SystemExit as typer's commands do, and return the code."""
    try:
        try:
            command()
        finally:
            sys.stdout.flush()
        return ExitCode.DONE
    except SystemExit as end:
        return _reader_gone() if _broken_pipe(end) else _code(end)
    except BrokenPipeError:
        return _reader_gone()
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Exception as error:
        return _report(error, context)


def translated(error: Exception, context: Context) -> SentinelError | None:
    """The error in our own words, or None if it is a bug."""
    if isinstance(error, SentinelError):
        return error
    if _is(error, "redis.exceptions", "ConnectionError", "TimeoutError"):
        where = f"{context.settings.redis.host}:{context.settings.redis.port}"
        return RedisUnreachable(f"Redis does not answer at {where}: {error}.")
    if _is(error, "confluent_kafka", "KafkaException") and _transport(error):
        return KafkaUnreachable(f"Kafka does not answer at {context.settings.kafka.servers}: {_text(error)}.")
    if isinstance(error, OSError) and error.filename:
        return SentinelError(f"{error.filename}: {error.strerror}.")
    return None


def _report(error: Exception, context: Context) -> int:
    if context.debug:
        traceback.print_exception(error)
    known = translated(error, context)
    if known is None:
        known = SentinelError(
            f"this is a bug ({type(error).__name__}: {error}); --debug shows where, please report it."
        )
    context.err.print(f"[red]sentinel:[/red] ", end="")
    context.err.print(str(known), markup=False, soft_wrap=True)
    return known.exit_code


def _is(error: Exception, module: str, *names: str) -> bool:
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(error, tuple(getattr(loaded, name) for name in names))


def _transport(error: Exception) -> bool:
    """Whether librdkafka says that no broker can be reached, rather than that one said no."""
    kafka: Any = sys.modules["confluent_kafka"].KafkaError
    codes = (kafka._TRANSPORT, kafka._ALL_BROKERS_DOWN, kafka._TIMED_OUT, kafka._RESOLVE)
    return bool(error.args) and isinstance(error.args[0], kafka) and error.args[0].code() in codes


def _text(error: Exception) -> str:
    return str(error.args[0].str())


def _code(end: SystemExit) -> int:
    return end.code if isinstance(end.code, int) else ExitCode.DONE


def _broken_pipe(end: SystemExit) -> bool:
    """typer turns a reader that went away into SystemExit(1); the cause stays in the context."""
    return isinstance(end.__context__, BrokenPipeError)


def _reader_gone() -> int:
    """`| head -1` has read enough: that is no failure. What is still buffered goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.DONE
