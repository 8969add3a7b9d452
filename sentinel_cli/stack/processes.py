"""Processes of the stack: started behind a gate, recognised for certain, ended without fail.

Purpose: the three things that can go wrong with a pid. A child that nobody knows of: it waits until
its starter has written the pid down, and goes away if the starter dies before that. A pid that the
system gave to another program: the start time stands beside it. A child that does not end: TERM,
then KILL.

Not here: which servers there are, and where their pids are written down (`state`).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Protocol

import psutil

# exec keeps the pid and the start time. `read` fails when the other end of the pipe is closed.
GATE = 'read -r go && exec "$@" </dev/null'
# The system's clock may be set while a server runs, and start times move with it: seconds.
SAME_START = 2.0
# A log is put aside at the next start once it is this long.
LOG_BYTES = 10_000_000
# Names in the environment by which a machine's own Java settings would reach our Java.
FOREIGN = ("JAVA_", "_JAVA_", "JDK_", "CLASSPATH", "KAFKA_", "LOG4J_")

# Our own children, so that the ones that have ended do not stay as zombies.
_children: dict[int, subprocess.Popen[bytes]] = {}


class Known(Protocol):
    """A process as it was written down: ``started`` in seconds since 1970."""

    @property
    def pid(self) -> int: ...
    @property
    def started(self) -> float: ...


class Gate:
    """A process that waits; ``open`` lets it become its command."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self.pid = child.pid
        self.started = started(child.pid)
        self._child = child

    def open(self) -> None:
        assert self._child.stdin is not None
        # A process that was ended at the gate is found missing by whoever waits for it.
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.write(b"go\n")
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.close()


def spawn(command: list[str], folder: Path, log: Path) -> Gate:
    """A process of its own session that will be ``command`` in ``folder`` once its gate opens."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        child = subprocess.Popen(
            ["/bin/sh", "-c", GATE, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment(),
            start_new_session=True,
        )
    _children[child.pid] = child
    return Gate(child)


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}


def started(pid: int) -> float:
    return psutil.Process(pid).create_time()


def alive(known: Known) -> bool:
    return _process(known) is not None


def end(known: Known, patience: float = 15.0) -> None:
    """TERM, up to ``patience`` seconds, KILL. A process that is not the one written down is left alone."""
    for ask in (psutil.Process.terminate, psutil.Process.kill):
        if process := _process(known):
            with contextlib.suppress(psutil.NoSuchProcess):
                ask(process)
        if _ended(known, patience):
            return


def _ended(known: Known, within: float) -> bool:
    """A zombie has ended, though psutil's wait goes on until its parent, perhaps init, has reaped it."""
    deadline = time.monotonic() + within
    while alive(known):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def result(pid: int) -> int:
    """Wait for a child of ours to end; its exit code."""
    return _children.pop(pid).wait()


def last_words(log: str) -> str:
    """The last line of a log that says what went wrong, and where the rest is."""
    lines = Path(log).read_text(encoding="utf-8", errors="replace").splitlines() or ["nothing"]
    telling = [line for line in lines if "ERROR" in line or "Exception" in line or "rror:" in line]
    return f"{(telling or lines)[-1].strip()} (the rest is in {log})"


@contextmanager
def locked(path: Path, say: Callable[[str], None], waiting: str) -> Iterator[None]:
    """Hold the lock on ``path``; the kernel drops it with its holder, however that ends.

    If somebody else has it, ``say(waiting)`` and wait.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            say(waiting)
            flock(file, LOCK_EX)
        yield


def _process(known: Known) -> psutil.Process | None:
    try:
        process = psutil.Process(known.pid)
        if abs(process.create_time() - known.started) > SAME_START:
            return None
        # The first thread of a process is a zombie until the last one has let go of the ports.
        if process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1:
            return process
    except psutil.NoSuchProcess:
        pass
    _reap(known.pid)
    return None


def _reap(pid: int) -> None:
    """A child of ours that has ended stays no zombie; what is nobody's child is left alone."""
    if child := _children.get(pid):
        child.poll()
