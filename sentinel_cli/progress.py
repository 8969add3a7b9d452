"""A progress bar on stderr for what takes longer than a second; nothing where there is no terminal.

    with bar(context.err, "Importing", total=files.size) as advance:
        importing.run(files, out, advance)

Not here: live views (`watching`), what the stack says while it starts (`stack.report`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


@contextmanager
def bar(console: Console, text: str, total: float | None = None) -> Iterator[Callable[[int], None]]:
    """Hands over the function to call with each piece of ``total`` that is done; None if nobody knows."""
    from rich import progress

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(
        *columns, console=console, disable=not console.is_terminal, transient=True
    ) as bars:
        task = bars.add_task(text, total=total)
        yield lambda done: bars.advance(task, done)
