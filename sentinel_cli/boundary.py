"""The error boundary: any exception becomes one sentence on stderr and an exit code.

Purpose: the only place that prints errors, and the only one that maps other libraries' exceptions.
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
from sentinel_cli.errors import ExitCode, KafkaUnreachable, SentinelError


def run(command: Callable[[], object], context: Context) -> int:
    """Call ``command``, which may end with SystemExit as typer's commands do; return the exit code."""
    code = _attempt(command, context)
    return _attempt(sys.stdout.flush, context) or code


def _attempt(command: Callable[[], object], context: Context) -> int:
    try:
        command()
    except BrokenPipeError:
        return _reader_gone()
    except SystemExit as end:
        # typer makes SystemExit(1) of a reader that went away; the cause is kept as the context.
        return _reader_gone() if isinstance(end.__context__, BrokenPipeError) else _code(end)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - this is the boundary
        return _report(error, context)
    return ExitCode.DONE


def translated(error: Any, context: Context) -> SentinelError | None:
    """``error`` as one of ours, or None if it is a bug."""
    if isinstance(error, SentinelError):
        return error
    if _is(error, "redis.exceptions", "ConnectionError", "TimeoutError", "RedisClusterException"):
        from profiles.connection import unreachable

        return unreachable(context.settings.redis.host, context.settings.redis.port, error)
    if _is(error, "confluent_kafka", "KafkaException") and _no_broker(error):
        from sentinel_cli.streaming.kafka import unreachable_sentence

        return KafkaUnreachable(unreachable_sentence(context.settings))
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return SentinelError(f"{where}{error.strerror}.")
    return None


def _report(error: Exception, context: Context) -> int:
    if context.debug:
        traceback.print_exception(error)
    known = translated(error, context) or SentinelError(
        f"this is a bug, please report it ({type(error).__name__}: {error}); --debug shows where it happened."
    )
    from rich.markup import escape

    # One line for a log or a pipe, whole words for a reader.
    whole = not context.err.is_terminal
    context.err.print(f"[red]sentinel:[/red] {escape(str(known))}", soft_wrap=whole)
    return known.exit_code


def _is(error: Any, module: str, *names: str) -> bool:
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(error, tuple(getattr(loaded, name) for name in names))


def _no_broker(error: Exception) -> bool:
    """Whether librdkafka says that no broker can be reached, rather than that one said no."""
    kafka: Any = sys.modules["confluent_kafka"].KafkaError
    codes = (kafka._TRANSPORT, kafka._ALL_BROKERS_DOWN, kafka._TIMED_OUT, kafka._RESOLVE)
    return bool(error.args) and isinstance(error.args[0], kafka) and error.args[0].code() in codes


def _code(end: SystemExit) -> int:
    return end.code if isinstance(end.code, int) else ExitCode.DONE


def _reader_gone() -> int:
    """`| head -1` has read enough, which is no failure; what is still buffered goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.DONE
