"""What pyproject.toml, constraints.txt and the layers promise about the whole tree."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONSTRAINTS = (ROOT / "constraints.txt").read_text()
PACKAGES = ("sentinel_cli", "commands", "profiles", "datasets")


def entries() -> list[tuple[Requirement, int]]:
    """Each pinned requirement, with the number of hashes it carries."""
    joined = re.sub(r"\\\n\s*", "", CONSTRAINTS)
    lines = [line for line in joined.splitlines() if not line.startswith("#")]
    return [(Requirement(line.split("--hash")[0]), line.count("--hash=sha256:")) for line in lines]


def declared() -> list[Requirement]:
    project = PROJECT["project"]
    texts = [*project["dependencies"], *project["optional-dependencies"]["local"]]
    return [Requirement(text) for text in [*texts, *PROJECT["dependency-groups"]["dev"]]]


def test_every_pin_is_exact_and_hashed() -> None:
    for requirement, hashes in entries():
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), requirement
        assert hashes > 0, requirement


def test_constraints_name_no_index() -> None:
    assert "://" not in CONSTRAINTS
    assert "--index" not in CONSTRAINTS


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize(
    ("system", "machine"),
    [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "x86_64"), ("darwin", "arm64")],
)
def test_every_platform_gets_one_version_of_everything(python: str, system: str, machine: str) -> None:
    there = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": system}
    there |= {"platform_machine": machine, "platform_python_implementation": "CPython"}
    pinned = {}
    for pin, _ in entries():
        if pin.marker is None or pin.marker.evaluate(there):
            assert pin.name not in pinned
            pinned[pin.name] = str(pin.specifier).removeprefix("==")
    for requirement in declared():
        assert requirement.specifier.contains(pinned[requirement.name], prereleases=True), requirement


def test_the_wheel_holds_every_file_of_the_packages(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file())
    kept = {str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts}
    assert kept - packed == set()


def test_every_part_of_the_application_has_a_layer() -> None:
    (layers,) = (c for c in PROJECT["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    named = set(re.findall(r"[\w.]+", " ".join(layers["layers"])))
    parts = (ROOT / "sentinel_cli").iterdir()
    found = {f"sentinel_cli.{path.stem}" for path in parts if path.suffix == ".py" or path.is_dir()}
    assert found - named - {"sentinel_cli.__init__", "sentinel_cli.__pycache__"} == set()
