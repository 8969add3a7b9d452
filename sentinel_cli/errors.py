"""Every error a user can meet, and the exit code each one ends the command with.

    SentinelError                1  what the user asked for could not be done
    ├── ConfigError              2  a setting is wrong: names it, its origin, what is allowed
    ├── UsageError               2  the flags contradict each other
    ├── ScorecardError           1  a scorecard or policy file is wrong: file, line, what
    ├── InputError               1  a data file is missing, unreadable or of the wrong shape
    ├── StackError               1  the local Kafka or Valkey could not be started or stopped
    ├── LostRangeError           1  offsets that are needed are no longer in Kafka
    ├── LostStateError           1  Redis no longer has what it had: profiles and their offset
    ├── Unreachable              3  a dependency does not answer
    │   ├── KafkaUnreachable
    │   ├── RedisUnreachable
    │   └── RegistryUnreachable
    └── ThresholdBreached        4  the work was done and a limit the user set was broken

A message is one sentence (or two): what was wrong, where, and what to do about it. It is printed
on stderr without a traceback; ``--debug`` shows the traceback. Anything else that reaches the
error boundary is a bug and says so.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The whole vocabulary of exit codes; scripts may rely on it."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    THRESHOLD = 4
    INTERRUPTED = 130


class SentinelError(Exception):
    """Base of every error that is meant for the user's eyes."""

    exit_code = ExitCode.FAILED


class ConfigError(SentinelError):
    exit_code = ExitCode.USAGE


class UsageError(SentinelError):
    exit_code = ExitCode.USAGE


class ScorecardError(SentinelError):
    pass


class InputError(SentinelError):
    pass


class StackError(SentinelError):
    pass


class LostRangeError(SentinelError):
    pass


class LostStateError(SentinelError):
    pass


class Unreachable(SentinelError):
    exit_code = ExitCode.UNREACHABLE


class KafkaUnreachable(Unreachable):
    pass


class RedisUnreachable(Unreachable):
    pass


class RegistryUnreachable(Unreachable):
    pass


class ThresholdBreached(SentinelError):
    exit_code = ExitCode.THRESHOLD
