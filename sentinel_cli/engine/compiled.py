"""numba's compiler, with a cache that knows when it is stale.

Purpose: ``jit``, the one way the engine compiles; where the compiled form is kept; whether it is
there already.

Design: numba checks only the file of the function that it loads, not of those it calls, so a
cached kernel can be older than a piece of it. The cache folder's name therefore holds a digest of
the engine's sources, of the layout and of the versions of Python, numba and numpy.
NUMBA_CACHE_DIR, when set, is the folder that these folders are made in. Where it cannot be written
(a read-only container), the kernel is compiled in memory at each start.
"""

from __future__ import annotations

import ctypes
import hashlib
import mmap
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numba
import numpy as np
import platformdirs
import psutil

from profiles import layout

# What the compiled code is made from, and more of the engine than that: a list would be forgotten.
SOURCES = (*sorted(Path(__file__).parent.glob("*.py")), Path(layout.__file__))


def _digest(sources: Sequence[Path] = SOURCES) -> str:
    """What the compiled code depends on, in sixteen hex digits."""
    digest = hashlib.sha256(f"{sys.version_info[:3]} {numba.__version__} {np.__version__}".encode())
    for source in sources:  # numba itself looks at where they are, and from when
        digest.update(f"{source} {source.stat().st_mtime_ns}".encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _folder() -> Path:
    root = os.environ.get("NUMBA_CACHE_DIR") or platformdirs.user_cache_path("stream-sentinel") / "kernel"
    return Path(root).absolute() / _digest()


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


# Where this very kernel's compiled form is kept, and whether it can be.
FOLDER = _folder()
CACHED = _writable(FOLDER)
if CACHED:
    numba.config.CACHE_DIR = str(FOLDER)


def jit(function: Callable[..., Any]) -> Any:
    """``function``, compiled when it is first called, and into whoever calls it: each is called for
    every record, and calls alone would be a sixth of the time."""
    return numba.njit(cache=CACHED, nogil=True, error_model="numpy", forceinline=True)(function)


def is_cached() -> bool:
    """Whether a run of this program would find the kernel compiled."""
    return CACHED and (FOLDER / "complete").exists()


def mark_cached() -> None:
    """Say that everything this kernel needs has been compiled once."""
    if CACHED:
        (FOLDER / "complete").touch()


def give_back() -> None:
    """Let the system have what numba went through of LLVM while it started: some 75 MB, of which nothing is
    needed once everything is compiled. What is asked for all the same is read from its file again.

    Only what is in memory as it is in the file may go; where the system does not say, nothing does.
    """
    process = psutil.Process()
    if not hasattr(process, "memory_maps") or not hasattr(mmap, "MADV_DONTNEED"):
        return
    try:
        parts = process.memory_maps(grouped=False)
    except (psutil.Error, OSError):  # a container may keep it to itself
        return
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for part in parts:
        if "llvmlite" in part.path and "w" not in part.perms and part.anonymous == 0:
            start, end = (int(place, 16) for place in part.addr.split("-"))
            madvise(start, end - start, mmap.MADV_DONTNEED)
