"""``python -m sentinel_cli.engine``: compile the kernel ahead of the first transaction."""

from __future__ import annotations

import sys

from sentinel_cli.engine.scoring import warm

warm(lambda text: print(text, file=sys.stderr))  # noqa: T201 (make calls this, before there is an interface)
