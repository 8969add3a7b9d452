"""numba's compiler, with a cache that knows when it is stale.

Purpose: ``jit``, the one way the engine compiles; where the compiled form is kept; whether it is
there already.

Design: numba checks only the file of the function that it loads, not of those it calls, so a
cached kernel can be older than a piece of it. The cache folder's name therefore holds a digest of
every source that is compiled, of the layout and of the versions of Python, numba and numpy.
NUMBA_CACHE_DIR, when set, is the folder that these folders are made in.
"""

from __future__ import annotations

import hashlib
import os
import sys
from importlib import resources
from pathlib import Path

import numba
import numpy as np
import platformdirs

# What the compiled code is made from: package and file.
_SOURCES = (
    ("sentinel_cli.engine", "kernel.py"),
    ("sentinel_cli.engine", "columns.py"),
    ("sentinel_cli.engine", "features.py"),
    ("sentinel_cli.engine", "jsonrows.py"),
    ("profiles", "layout.py"),
)


def _digest() -> str:
    versions = f"{sys.version_info[:3]} {numba.__version__} {np.__version__}"
    digest = hashlib.sha256(versions.encode())
    for package, name in _SOURCES:
        digest.update(resources.files(package).joinpath(name).read_bytes())
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Where this very kernel's compiled form is kept."""
    root = os.environ.get("NUMBA_CACHE_DIR") or platformdirs.user_cache_path("stream-sentinel") / "kernel"
    return Path(root) / _digest()


def is_cached() -> bool:
    """Whether a run of this program would find the kernel compiled."""
    return (cache_folder() / "complete").exists()


def mark_cached() -> None:
    """Say that everything this kernel needs has been compiled once."""
    (cache_folder() / "complete").touch()


numba.config.CACHE_DIR = str(cache_folder())
jit = numba.njit(cache=True, nogil=True, error_model="numpy")
