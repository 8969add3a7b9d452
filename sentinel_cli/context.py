"""What one invocation carries from the command line to the code that does the work.

Purpose: `app` makes one Context and typer hands it to every command as ``ctx.obj``. The settings
and the two consoles are made on first use, so that `sentinel --help` loads neither.

Not here: what a setting is (`config`), how data is printed (`output`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from sentinel_cli.config import Settings

# Columns of a table that goes into a file or a pipe: wide enough that no cell is cut.
UNBOUNDED_WIDTH = 200


@dataclass
class Context:
    """``flags`` holds the settings given as flags, by their dotted path: {"kafka.servers": "…"}."""

    flags: dict[str, object] = field(default_factory=dict)
    debug: bool = False

    @cached_property
    def settings(self) -> Settings:
        """All settings, validated. Raises ConfigError. Sets logging up at their log level."""
        from sentinel_cli import config, logs

        settings = config.load(self.flags)
        logs.configure(settings.log_level)
        return settings

    @cached_property
    def out(self) -> Console:
        """For people, on stdout. Data for machines goes through `output` instead."""
        return _console(stderr=False)

    @cached_property
    def err(self) -> Console:
        """Progress, warnings, questions: everything that is not the data that was asked for."""
        return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = UNBOUNDED_WIDTH
    return console
