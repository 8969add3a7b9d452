"""A Redis in memory, with the commands that our stores send it, over a wire that delays and forgets.

Purpose: the real stores (``profiles.redis_store``, ``streaming.footing``, ``streaming.moving``) run in the
simulation as they are, so that whatever may come between two of their commands does.

Not here: when something goes wrong (``world``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

import hiredis
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import TimeoutError as NoAnswer
from redis.exceptions import WatchError

from profiles import layout
from profiles.wire import Piece

if TYPE_CHECKING:
    from tests.simulation.process import Process

T = TypeVar("T")


@dataclass
class Server:
    """What Redis holds. ``stamps`` say at which write each key got its value, for WATCH; ``furthest`` has
    the highest that each number ever was, whatever a fail-over forgot of it; ``told`` hears of each key that
    is written; ``fallen`` counts fail-overs, each of which ends every connection."""

    told: Callable[[str], None]
    values: dict[str, bytes] = field(default_factory=dict)
    stamps: dict[str, int] = field(default_factory=dict)
    furthest: dict[str, int] = field(default_factory=dict)
    writes: int = 0
    fallen: int = 0

    def put(self, key: str, value: object) -> None:
        self.writes += 1
        text = value if isinstance(value, bytes) else str(value).encode()
        self.values[key], self.stamps[key] = text, self.writes
        if text.isdigit():
            self.furthest[key] = max(int(text), self.furthest.get(key, 0))
        self.told(key)

    def number(self, key: str) -> int | None:
        value = self.values.get(key)
        return None if value is None else int(value)

    def copy(self) -> tuple[dict[str, bytes], dict[str, int]]:
        return dict(self.values), dict(self.stamps)

    def become(self, copy: tuple[dict[str, bytes], dict[str, int]]) -> None:
        """A fail-over to ``copy``."""
        self.fallen += 1
        self.values, self.stamps = dict(copy[0]), dict(copy[1])


class Connection:
    """A process's client, as far as our stores use one."""

    def __init__(self, process: Process) -> None:
        self._process, self._world = process, process.world

    def ask(self, answer: Callable[[Server], T], *, late: Callable[[Server], object] | None = None) -> T:
        """What the server says; the process may die, and the answer be lost, before and after. A write that
        may land long after its time-out comes as ``late``, too."""
        world = self._world
        world.anything(self._process)
        if world.now < world.redis_back or world.chance(world.odds.away):
            raise Unreachable("away")
        if late is not None and world.chance(world.odds.lands_late):
            world.note(f"a write of {self._process}'s is under way for long")
            world.late.append((self._process.name, lambda: late(world.redis)))
            raise NoAnswer("it will land")
        found = answer(world.redis)
        if late is not None:
            world.anything(self._process)
        if world.chance(world.odds.answer_lost):
            raise NoAnswer("it has landed")
        return found

    def get(self, key: str) -> bytes | None:
        return self.ask(lambda server: server.values.get(key))

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        return self.ask(lambda server: [server.values.get(key) for key in keys])

    def hget(self, key: str, _field: str) -> bytes | None:
        return self.get(key)  # nobody is blocked here

    def set(self, key: str, value: bytes, *, nx: bool = False) -> None:
        def write(server: Server) -> None:
            if not (nx and key in server.values):
                server.put(key, value)

        self.ask(write, late=write)

    def unlink(self, key: str) -> None:
        def remove(server: Server) -> None:
            server.values.pop(key, None)

        self.ask(remove, late=remove)

    def scan_iter(self, match: str, count: int) -> Iterator[bytes]:  # noqa: ARG002 - all is one page
        yield from self.ask(lambda server: [key.encode() for key in server.values if fnmatchcase(key, match)])

    @property
    def connection_pool(self) -> Self:
        return self

    def get_connection(self) -> Wire:
        return Wire(self)

    def release(self, _connection: Wire) -> None:
        return

    def pipeline(self, *, transaction: bool) -> Pipeline:  # noqa: ARG002 - each is served as one here
        return Pipeline(self)


class Pipeline:
    """Commands for later, and WATCH."""

    def __init__(self, connection: Connection) -> None:
        self._ask = connection.ask
        self._watched: dict[str, int | None] = {}
        self._fallen = 0
        self._queued: list[tuple[Any, ...]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def watch(self, key: str) -> None:
        self._watched[key], self._fallen = self._ask(lambda server: (server.stamps.get(key), server.fallen))

    def get(self, key: str) -> bytes | None:
        return self._ask(lambda server: server.values.get(key))

    def multi(self) -> None:
        return

    def set(self, key: str, value: bytes) -> None:
        self._queued.append(("MSET", key, value))

    def execute_command(self, *command: Any) -> None:
        self._queued.append(command)

    def execute(self) -> list[Any]:
        writes = any(command[0] != "MGET" for command in self._queued)
        return self._ask(self._run, late=self._too_late if writes else None)

    def _run(self, server: Server) -> list[Any]:
        if self._watched and self._fallen != server.fallen:
            raise WatchError("a connection error occurred while watching")
        if any(server.stamps.get(key) != stamp for key, stamp in self._watched.items()):
            raise WatchError
        return [COMMANDS[name](server, *arguments) for name, *arguments in self._queued]

    def _too_late(self, server: Server) -> None:
        """Nobody hears whether the watched keys had changed."""
        try:
            self._run(server)
        except WatchError:
            return


class Wire:
    """A connection of one's own, over which commands go as bytes."""

    def __init__(self, connection: Connection) -> None:
        self._ask = connection.ask
        self._watched: dict[str, int | None] = {}
        self._fallen = 0
        self._answers: list[Any] = []

    def send_packed_command(self, pieces: Sequence[Piece]) -> None:
        reader = hiredis.Reader()
        reader.feed(b"".join(bytes(piece) for piece in pieces))
        commands = list(iter(reader.gets, False))
        self._answers = self._ask(
            lambda server: self._run(server, commands),
            late=partial(self._too_late, commands=commands) if [b"EXEC"] in commands else None,
        )

    def _too_late(self, server: Server, commands: list[list[bytes]]) -> None:
        """A connection that fell over meanwhile carries nothing there."""
        with suppress(Unreachable):
            self._run(server, commands)

    def read_response(self) -> Any:
        return self._answers.pop(0)

    def disconnect(self) -> None:
        return

    def _run(self, server: Server, commands: list[list[bytes]]) -> list[Any]:
        if self._watched and self._fallen != server.fallen:
            raise Unreachable("it fell over")
        queue: list[list[Any]] | None = None
        answers: list[Any] = []
        for command in commands:
            name, arguments = command[0].decode(), [_text(each) for each in command[1:]]
            if name == "MULTI":
                queue = []
                answers.append(b"OK")
            elif name == "EXEC":
                assert queue is not None
                stale = any(server.stamps.get(key) != stamp for key, stamp in self._watched.items())
                answers.append(None if stale else [COMMANDS[each](server, *rest) for each, *rest in queue])
                self._watched, queue = {}, None
            elif queue is not None:
                queue.append([name, *arguments])
                answers.append(b"QUEUED")
            elif name == "WATCH":
                self._fallen = server.fallen
                self._watched |= {str(key): server.stamps.get(str(key)) for key in arguments}
                answers.append(b"OK")
            elif name == "UNWATCH":
                self._watched = {}
                answers.append(b"OK")
            else:
                answers.append(COMMANDS[name](server, *arguments))
        return answers


def _text(argument: bytes) -> str | bytes:
    """A key is text, and so is a number; a row is not."""
    return argument if len(argument) == layout.ROW_BYTES else argument.decode()


def _mset(server: Server, *pairs: Any) -> None:
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        server.put(key, value)


def _get(server: Server, key: str) -> bytes | None:
    return server.values.get(key)


def _mget(server: Server, *keys: str) -> list[bytes | None]:
    return [server.values.get(key) for key in keys]


COMMANDS: dict[str, Callable[..., Any]] = {"MSET": _mset, "MGET": _mget, "GET": _get}
