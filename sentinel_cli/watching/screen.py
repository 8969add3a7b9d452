"""Redrawing a frame on a terminal until somebody has seen enough.

Purpose: the loop of `sentinel top` and `sentinel demo`: draw, wait half a second, react to keys.

Design: the alternate screen, so that the terminal is as it was afterwards; keys are read one by one
without echo where stdin is a terminal.
"""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.live import Live

# Seconds between two frames.
REDRAW_EVERY_S = 0.5
QUIT = ("q", "Q")


def show(console: Console, draw: Callable[[int, int], RenderableType], turn: Callable[[str], bool]) -> None:
    """Draw with the terminal's width and height as long as ``turn`` says so.

    ``turn`` is called before each frame, with the key that was pressed since, or an empty string.
    """
    with keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
        key = ""
        while turn(key):
            live.update(draw(console.width, console.height), refresh=True)
            key = pressed(REDRAW_EVERY_S)


@contextmanager
def keys() -> Iterator[Callable[[float], str]]:
    """Yields a function that waits so many seconds for a key, and returns it or an empty string."""
    stdin = sys.stdin.fileno()
    if not os.isatty(stdin):
        yield _wait
        return
    before = termios.tcgetattr(stdin)
    tty.setcbreak(stdin)
    try:
        yield lambda seconds: os.read(stdin, 1).decode(errors="replace") if _ready(stdin, seconds) else ""
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)


def _ready(stdin: int, seconds: float) -> bool:
    return bool(select.select([stdin], [], [], seconds)[0])


def _wait(seconds: float) -> str:
    select.select([], [], [], seconds)
    return ""
