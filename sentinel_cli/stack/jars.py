"""Apache Kafka's jars: fetched once, each sum checked, kept in the user's cache folder.

Purpose: ``ensure`` gives the class path of a broker. jgo speaks to the Maven repository (Central, or
what `[repositories]` of the user's jgo.conf names), twelve jars at a time; a jar reaches the folder
only whole and right. SENTINEL_CACHE names another cache folder.

Not here: the list itself (`kafka_jars.txt`), and what happens when the jars cannot be had.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import platformdirs

from sentinel_cli.errors import StackError
from sentinel_cli.stack import processes
from sentinel_cli.stack.report import Advance, Report

if TYPE_CHECKING:
    from jgo.maven import MavenContext

KAFKA_VERSION = "4.1.1"
AT_A_TIME = 12
# Seconds until a repository that says nothing is taken for unreachable.
ANSWER_WITHIN = 5
TRIES = 3


class Jar(NamedTuple):
    group: str
    artifact: str
    version: str
    sha256: str
    size: int

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


class JarsUnavailable(Exception):
    """No repository gave a jar: the reason, for people."""


def listed() -> list[Jar]:
    text = resources.files(__package__).joinpath("kafka_jars.txt").read_text(encoding="utf-8")
    return [_jar(*line.split()) for line in text.splitlines() if not line.startswith("#")]


def _jar(coordinate: str, sha256: str, size: str) -> Jar:
    group, artifact, version = coordinate.split(":")
    return Jar(group, artifact, version, sha256, int(size))


def folder() -> Path:
    root = os.environ.get("SENTINEL_CACHE")
    return (
        Path(root) if root else platformdirs.user_cache_path("stream-sentinel")
    ) / f"kafka-{KAFKA_VERSION}"


def ensure(report: Report) -> list[Path]:
    """Every jar's path, fetched if need be.

    Raises JarsUnavailable when a repository cannot be reached or has no such jar, StackError when it
    hands out another file than the one that was tested.
    """
    jars, target = listed(), folder()
    with processes.locked(target / "fetch.lock", report.say, "Waiting for another fetch of Kafka's jars …"):
        missing = [jar for jar in jars if not _there(target / jar.file_name, jar)]
        if missing:
            _fetch(missing, target, report)
    return [target / jar.file_name for jar in jars]


def _there(path: Path, jar: Jar) -> bool:
    return path.exists() and path.stat().st_size == jar.size


def _fetch(jars: list[Jar], target: Path, report: Report) -> None:
    partial = target / "partial"
    shutil.rmtree(partial, ignore_errors=True)  # what a fetch that was killed left behind
    total = sum(jar.size for jar in jars)
    text = f"Fetching Apache Kafka {KAFKA_VERSION}, once"
    with report.fetching(text, total) as advance, ThreadPoolExecutor(AT_A_TIME) as pool:
        context = _context(partial, advance)
        jobs = [pool.submit(_fetch_one, context, jar, target / jar.file_name) for jar in jars]
        try:
            for job in as_completed(jobs):
                job.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    shutil.rmtree(partial)


def _context(partial: Path, advance: Advance) -> MavenContext:
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext, PythonResolver

    @contextmanager
    def progress(_file_name: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield advance

    context = MavenContext(
        PythonResolver(progress_callback=progress), repo_cache=partial, timeout=ANSWER_WITHIN
    )
    context.remote_repos.update(GlobalSettings.load().repositories)
    return context


def _fetch_one(context: MavenContext, jar: Jar, path: Path) -> None:
    found = _download(context, jar)
    if (sha256 := hashlib.sha256(found.read_bytes()).hexdigest()) != jar.sha256:
        raise StackError(
            f"the repository's {jar.file_name} is not the file that was tested (sha256 {sha256} instead of "
            f"{jar.sha256}): check the repositories that jgo.conf names."
        )
    found.replace(path)


def _download(context: MavenContext, jar: Jar) -> Path:
    import requests

    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    for left in reversed(range(TRIES)):
        try:
            return artifact.resolve()
        except RuntimeError as error:  # so jgo says that no repository has it
            raise JarsUnavailable(f"no repository has {jar.file_name}") from error
        except requests.RequestException as error:
            if artifact.cached_path:
                artifact.cached_path.unlink(missing_ok=True)  # half of it
            if not left:
                places = ", ".join(context.remote_repos.values())
                raise JarsUnavailable(f"{places}: {_reason(error)}") from error
    raise AssertionError("the last try returns or raises")


def _reason(error: Exception) -> str:
    """The innermost cause: requests wraps what happened three times over."""
    while inner := error.__cause__ or error.__context__:
        error = inner  # type: ignore[assignment]
    return str(error)
