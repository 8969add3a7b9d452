"""Whether the packages that are imported by plain names are really ours.

Purpose: `commands`, `datasets` and `profiles` are names that others use too. Where another package
of that name comes first, or was installed over ours, that is said in one sentence instead of an
ImportError from somewhere deep.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from sentinel_cli.errors import SentinelError

PLAIN_NAMES = ("commands", "datasets", "profiles")
# Ours lie beside sentinel_cli, and their __init__.py, which another package installed into the same
# folder overwrites, names the project.
ROOT = Path(__file__).resolve().parent.parent
MARK = "Stream-Sentinel"


def check() -> None:
    """Raise SentinelError if one of the packages is another's."""
    for name in PLAIN_NAMES:
        origin = _origin(name)
        if origin is None or origin.parent.parent != ROOT or MARK not in origin.read_text(encoding="utf-8"):
            raise SentinelError(
                f"another package called {name!r} ({origin or 'without a file'}) hides Stream-Sentinel's "
                "own: install Stream-Sentinel alone into an environment, and keep the other off PYTHONPATH."
            )


def _origin(name: str) -> Path | None:
    spec = find_spec(name)
    return Path(spec.origin).resolve() if spec and spec.origin else None
