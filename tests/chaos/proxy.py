"""A wire to Redis that is slow: every answer comes ``delay`` seconds late.

What asks meanwhile waits its turn, as with a server that is slow; nothing is reordered. The kernel's
buffers are the queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Self

from sentinel_cli.stack.state import LOOPBACK

CHUNK = 65_536


class Proxy:
    """Listens at ``port`` for as long as the block runs; ``delay`` may be changed meanwhile."""

    def __init__(self, target: int, delay: float = 0.0) -> None:
        self.delay, self.port = delay, 0
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._done = asyncio.Event()
        server = await asyncio.start_server(self._connected, LOOPBACK, 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._done.wait()
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, questions = await asyncio.open_connection(LOOPBACK, self._target)
        except OSError:
            writer.close()
            return
        ways = [self._copy(reader, questions, late=False), self._copy(answers, writer, late=True)]
        await asyncio.gather(*ways)

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, late: bool) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(CHUNK):
                if late and self.delay:
                    await asyncio.sleep(self.delay)
                target.write(data)
                await target.drain()
        target.close()
