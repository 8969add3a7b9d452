"""The kernel's compiled form is kept, found again, and never older than its sources."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from sentinel_cli.engine import compiled, kernel, scoring

ROOT = Path(__file__).parents[2]


def python(program: str, **environment: str) -> str:
    known = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(
        [sys.executable, "-c", program], env=known, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.mark.skipif(not compiled.CACHED, reason="the cache folder cannot be written here")
def test_a_second_start_compiles_nothing() -> None:
    scoring.warm(lambda _: None)
    program = (
        "from sentinel_cli.engine import scoring, kernel, strings, jsonrows\n"
        "scoring.warm(print)\n"
        "for each in (kernel.score_batch, strings._times, strings._hash, jsonrows._write):\n"
        "    assert sum(each.stats.cache_hits.values()) == 1, each\n"
        "    assert not each.stats.cache_misses, each\n"
    )
    assert not python(program), "a compilation was announced"


@pytest.mark.skipif(not compiled.CACHED, reason="the cache folder cannot be written here")
def test_only_the_folder_of_these_very_sources_is_used() -> None:
    scoring.warm(lambda _: None)
    assert Path(kernel.score_batch.stats.cache_path).is_relative_to(compiled.FOLDER)
    assert compiled.FOLDER.name == compiled._digest()


def copied(folder: Path) -> dict[str, Path]:
    """The sources that the digest is of, in ``folder``."""
    for package in ("sentinel_cli.engine", "profiles"):
        (folder / package).mkdir()
        for source in resources.files(package).iterdir():
            if source.name.endswith(".py"):
                (folder / package / source.name).write_bytes(source.read_bytes())
    return {package: folder / package for package in ("sentinel_cli.engine", "profiles")}


@pytest.mark.parametrize(
    "changed", ["sentinel_cli.engine/kernel.py", "sentinel_cli.engine/windows.py", "profiles/layout.py"]
)
def test_a_changed_source_has_a_folder_of_its_own(
    changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: dict[str, Any] = copied(tmp_path)
    monkeypatch.setattr(resources, "files", places.__getitem__)
    assert compiled._digest() == compiled.FOLDER.name
    with (tmp_path / changed).open("a") as source:
        source.write("\n")
    assert compiled._digest() != compiled.FOLDER.name


@pytest.mark.parametrize("library", ["numba", "np"])
def test_another_compiler_has_a_folder_of_its_own(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getattr(compiled, library), "__version__", "0.0")
    assert compiled._digest() != compiled.FOLDER.name


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    program = (
        "from sentinel_cli.engine import compiled\n"
        "double = compiled.jit(lambda x: 2 * x)\n"
        "compiled.mark_cached()\n"
        "print(double(21), compiled.CACHED, compiled.is_cached())\n"
    )
    assert python(program, NUMBA_CACHE_DIR=str(tmp_path / "file")) == "42 False False"


def test_warming_says_why_it_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(compiled, "CACHED", False)
    scoring.warm(said.append)
    assert len(said) == 1
    assert said[0].startswith(f"Compiling the scoring kernel, at each start: {compiled.FOLDER} cannot be")
    assert "NUMBA_CACHE_DIR" in said[0]


def test_the_module_warms(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sentinel_cli.engine"]
    assert not subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout
