"""What a start has to say while it takes its time.

Purpose: one interface, so that the stack itself knows nothing of terminals. ``say`` one line;
``fetching`` a number of bytes, handing over a function to call with each piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from rich.console import Console

Advance = Callable[[int], None]


class Report(Protocol):
    def say(self, text: str) -> None: ...
    def fetching(self, text: str, total: int) -> AbstractContextManager[Advance]: ...


class Silent:
    """For tests and scripts."""

    def say(self, text: str) -> None:
        pass

    @contextmanager
    def fetching(self, text: str, total: int) -> Iterator[Advance]:  # noqa: ARG002
        yield lambda _: None


class ConsoleReport:
    """On a terminal a progress bar that goes away; elsewhere one line."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def say(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def fetching(self, text: str, total: int) -> Iterator[Advance]:
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        if not self.console.is_terminal:
            self.say(f"{text}: {total / 1e6:.0f} MB …")
            yield lambda _: None
            return
        columns = (TextColumn(text), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self.console, transient=True) as bars:
            bar = bars.add_task(text, total=total)
            yield lambda size: bars.advance(bar, size)
