"""The kernel's compiled form is kept, found again, and never older than its sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import psutil
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


@pytest.mark.parametrize("changed", ["kernel.py", "windows.py", "layout.py"])
def test_a_changed_source_has_a_folder_of_its_own(changed: str, tmp_path: Path) -> None:
    copies = [Path(shutil.copy2(source, tmp_path)) for source in compiled.SOURCES]
    before = compiled._digest(copies)
    assert compiled._digest(copies) == before
    with (tmp_path / changed).open("a") as source:
        source.write("\n")
    assert compiled._digest(copies) != before


def test_sources_of_another_time_or_place_have_a_folder_of_their_own(tmp_path: Path) -> None:
    copies = [Path(shutil.copy2(source, tmp_path)) for source in compiled.SOURCES]
    before = compiled._digest(copies)
    os.utime(copies[0], (1, 1))
    assert len({before, compiled._digest(copies), compiled._digest()}) == 3


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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what of a library is in memory")
def test_llvm_goes_when_it_has_done_its_work_and_comes_back() -> None:
    def held() -> int:
        maps = psutil.Process().memory_maps(grouped=False)
        return sum(part.rss - part.anonymous for part in maps if "llvmlite" in part.path)

    assert numba.njit(lambda x: x + 1)(1) == 2
    before = held()
    compiled.give_back()
    assert held() < before / 4
    assert numba.njit(lambda x: x + 2)(1) == 3
