"""Workers as processes: one or several of a kind, stopped together, their summaries collected.

Purpose: `--workers N`. One worker runs in this very process; several are spawned and join the same
consumer group, which shares the partitions out among them.

Design: SIGINT and SIGTERM ask for a graceful end, a second one is answered by the default (the
process ends at once, and what was not saved is repeated). A child whose parent is gone ends itself
as if it had been asked to.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from sentinel_cli import logs
from sentinel_cli.errors import SentinelError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from sentinel_cli.config import Settings

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

Stop = Callable[[], None]


class Target(Protocol[T_co]):
    """What a worker process runs: it registers how it is stopped, and returns its summary."""

    def __call__(self, register_stop: Callable[[Stop], None]) -> T_co: ...


@dataclass(frozen=True)
class Told(Generic[T]):
    """A ``Target`` whose ``run`` (picklable) tells of itself: in Redis and, given a port, to Prometheus."""

    settings: Settings
    run: Callable[..., T]
    metrics_port: int | None
    metrics_host: str

    def __call__(self, register_stop: Callable[[Stop], None]) -> T:
        from sentinel_cli.telemetry.publishing import Publisher  # and with it redis, which not all need

        logs.configure(self.settings.log_level)
        with Publisher(self.settings, self.metrics_port, self.metrics_host) as publisher:
            return self.run(self.settings, register_stop=register_stop, tell=publisher)


def run_told(
    settings: Settings, runs: Sequence[Callable[..., T]], metrics_port: int | None, metrics_host: str
) -> list[T]:
    """``run_workers`` for workers that tell about themselves, each at a port of its own from
    ``metrics_port`` on."""
    return run_workers(
        [
            Told(settings, run, metrics_port + index if metrics_port else None, metrics_host)
            for index, run in enumerate(runs)
        ]
    )


def run_workers(targets: Sequence[Target[T]]) -> list[T]:
    """Run each of ``targets`` (picklable) in a process to its end and return their summaries.

    The first worker's error stops the others and is raised.
    """
    if len(targets) == 1:
        return [targets[0](_stop_on_signals)]
    context = multiprocessing.get_context("spawn")
    children: list[tuple[Any, Connection]] = []
    for target in targets:
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=_child, args=(target, theirs))
        child.start()
        theirs.close()
        children.append((child, ours))

    def stop_all() -> None:
        for child, _ in children:
            if child.is_alive():
                os.kill(child.pid, signal.SIGTERM)

    _stop_on_signals(stop_all)
    return _collect(children, stop_all)


def _collect(children: list[tuple[Any, Connection]], stop_all: Stop) -> list[Any]:
    waiting: dict[Any, Any] = {ours: child for child, ours in children}
    summaries: list[Any] = []
    failure: BaseException | None = None
    while waiting:
        ready: Any
        for ready in multiprocessing.connection.wait(list(waiting)):
            child = waiting.pop(ready)
            try:
                answer = ready.recv()
            except EOFError:
                child.join()
                answer = SentinelError(
                    f"A worker process ({child.pid}) ended without a word (exit code {child.exitcode}); "
                    "what it had not saved is repeated by the next one."
                )
            if isinstance(answer, BaseException):
                failure = failure or answer
                stop_all()
            else:
                summaries.append(answer)
            child.join()
    if failure is not None:
        raise failure
    return summaries


def _child(target: Target[Any], answer: Connection) -> None:
    try:
        answer.send(target(_stop_in_child))
    except Exception as error:  # noqa: BLE001 - it is the parent's to raise
        answer.send(
            error if isinstance(error, SentinelError) else SentinelError(f"A worker failed: {error!r}.")
        )


def _stop_in_child(stop: Stop) -> None:
    _stop_on_signals(stop)
    parent = multiprocessing.parent_process()
    assert parent is not None, "a child has a parent"

    def watch() -> None:
        parent.join()
        stop()

    threading.Thread(target=watch, name="watch-parent", daemon=True).start()


def _stop_on_signals(stop: Stop) -> None:
    """``stop`` runs in a thread: a handler comes in the middle of anything, a wait for the very event that is
    to be set among them, and would wait for a lock that the code it interrupted holds."""
    asked, ask = os.pipe()

    def handle(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        os.write(ask, b"1")

    def watch() -> None:
        os.read(asked, 1)
        stop()

    threading.Thread(target=watch, name="stop", daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
