"""Every error ends in one sentence on stderr and the exit code that the table in `errors` gives it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import redis.exceptions
from confluent_kafka import KafkaError, KafkaException

from sentinel_cli import boundary, errors
from sentinel_cli.context import Context
from sentinel_cli.errors import SentinelError


def raising(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


def subclasses(kind: type[SentinelError]) -> Iterator[type[SentinelError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from subclasses(below)


CODES = {
    "SentinelError": 1, "ConfigError": 2, "UsageError": 2, "ScorecardError": 1, "InputError": 1,
    "StackError": 1, "LostRangeError": 1, "LostStateError": 1, "Unreachable": 3, "KafkaUnreachable": 3,
    "RedisUnreachable": 3, "RegistryUnreachable": 3, "ThresholdBreached": 4,
}  # fmt: skip


@pytest.mark.parametrize(
    "kind", [each for each in subclasses(SentinelError) if each.__module__ == errors.__name__]
)
def test_our_own_errors(kind: type[SentinelError], capsys: pytest.CaptureFixture[str]) -> None:
    assert boundary.run(raising(kind("the [red]reason[/red].")), Context()) == CODES[kind.__name__]
    printed = capsys.readouterr()
    assert printed.err == "sentinel: the [red]reason[/red].\n"
    assert not printed.out


OTHERS: list[tuple[Exception, int, str]] = [
    (redis.exceptions.ConnectionError("refused"), 3, "redis.example:7"),
    (redis.exceptions.TimeoutError("slow"), 3, "redis.example:7"),
    (redis.exceptions.RedisClusterException("no node"), 3, "redis.example:7"),
    (redis.exceptions.AuthenticationError("wrong"), 3, "refused the login"),
    (KafkaException(KafkaError(KafkaError._TRANSPORT)), 3, "kafka.example:9"),
    (KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN)), 3, "kafka.example:9"),
    (KafkaException(KafkaError(KafkaError._TIMED_OUT)), 3, "kafka.example:9"),
    (KafkaException(KafkaError(KafkaError._RESOLVE)), 3, "kafka.example:9"),
    (FileNotFoundError(2, "No such file or directory", "a.parquet"), 1, "a.parquet: No such file"),
    (OSError(28, "No space left on device"), 1, "sentinel: No space left on device."),
    (KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)), 1, "this is a bug"),
    (KafkaException("no KafkaError inside"), 1, "this is a bug"),
    (redis.exceptions.ResponseError("WRONGTYPE"), 1, "this is a bug"),
    (
        ZeroDivisionError("division by zero"),
        1,
        "this is a bug, please report it (ZeroDivisionError: division",
    ),
]


@pytest.mark.parametrize(("error", "code", "said"), OTHERS, ids=lambda each: type(each).__name__)
def test_errors_of_other_libraries(
    error: Exception, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    context = Context({"redis.host": "redis.example", "redis.port": 7, "kafka.servers": "kafka.example:9"})
    assert boundary.run(raising(error), context) == code
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize("debug", [False, True])
def test_a_traceback_is_shown_only_on_demand(debug: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert boundary.run(raising(ZeroDivisionError()), Context(debug=debug)) == 1
    assert ("Traceback" in capsys.readouterr().err) is debug


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 130),
        (SystemExit(3), 3),
        (SystemExit(None), 0),
        (SystemExit(0), 0),
    ],
)
def test_ends_that_are_no_errors(error: BaseException, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert boundary.run(raising(error), Context()) == code
    assert capsys.readouterr() == ("", "")


def test_libraries_that_nothing_loaded_stay_unloaded() -> None:
    program = (
        "import sys\nfrom sentinel_cli import boundary\nfrom sentinel_cli.context import Context\n"
        "def command(): raise ZeroDivisionError\n"
        "code = boundary.run(command, Context())\n"
        "sys.exit(code + 10 * ('redis' in sys.modules or 'confluent_kafka' in sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert ran.returncode == 1


def without_a_reader(command: str) -> tuple[int, str]:
    """Exit code and stderr of a program whose ``command`` runs once nobody reads its stdout any more."""
    program = f"""
import sys, typer
from sentinel_cli import boundary
from sentinel_cli.context import Context
from sentinel_cli.errors import StackError
app = typer.Typer()
@app.command()
def many() -> None:
    for _ in range(1000): print("x" * 1000, flush=True)
def fails() -> None:
    print("x")
    raise StackError("it broke.")
sys.stdin.readline()
sys.exit(boundary.run(lambda: {command}, Context()))
"""
    pipe, buffered = subprocess.PIPE, {**os.environ, "PYTHONUNBUFFERED": ""}
    ran = subprocess.Popen(
        [sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=buffered
    )
    assert ran.stdout is not None
    ran.stdout.close()
    ran.stdout = None
    _, stderr = ran.communicate("go\n", timeout=30)
    return ran.returncode, stderr


@pytest.mark.parametrize(
    "command", ["print('x' * 1_000_000)", "print('x')", "Context().out.print('x')", "app()"]
)
def test_a_reader_that_goes_away_ends_the_command_quietly(command: str) -> None:
    assert without_a_reader(command) == (0, "")


def test_an_error_is_an_error_even_if_nobody_reads_the_output() -> None:
    assert without_a_reader("fails()") == (1, "sentinel: it broke.\n")


def test_confirmation_needs_somebody_to_ask() -> None:
    from sentinel_cli.output import confirm

    with pytest.raises(errors.UsageError, match="add --yes"):
        confirm("Erase everything?", yes=False)
    confirm("Erase everything?", yes=True)
