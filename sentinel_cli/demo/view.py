"""A demo while it runs: the frame of `sentinel top` with its progress above, or lines of text."""

from __future__ import annotations

import time

from rich.console import RenderableType
from rich.text import Text

from sentinel_cli.demo.pipeline import Pipeline
from sentinel_cli.watching.frame import frame, milliseconds

BAR = 24


def draw(pipeline: Pipeline, status: str, width: int, height: int) -> RenderableType:
    """The whole terminal."""
    extra = [_progress(pipeline, status), _score(pipeline)]
    for line in extra:
        line.no_wrap, line.overflow = True, "ellipsis"
    seen = pipeline.observer.picture()
    return frame(seen, width, height, title="demo", extra=extra, hint="Ctrl-C ends it")


def line(pipeline: Pipeline, status: str) -> str:
    """One line, for logs."""
    seen, score = pipeline.observer.picture(), pipeline.reader.so_far()
    return (
        f"{elapsed(pipeline):3.0f} s  {status}: {seen.transactions or 0:,} produced, lag {seen.lag or 0:,}, "
        f"p50 {milliseconds(seen.latency_ms.p50)}, p99 {milliseconds(seen.latency_ms.p99)}, "
        f"{score.alerts:,} alerts, {score.blocked_users:,} users blocked, "
        f"{score.caught:,} of {score.episodes:,} fraud episodes caught"
    )


def elapsed(pipeline: Pipeline) -> float:
    return 0.0 if pipeline.began is None else time.monotonic() - pipeline.began


def _progress(pipeline: Pipeline, status: str) -> Text:
    passed, seconds = elapsed(pipeline), pipeline.traffic.seconds
    text = Text(f" {status} ", style="bold")
    if seconds is None:
        text.append(f" {passed:.0f} s", style="bright_black")
        return text
    full = round(min(passed / seconds, 1.0) * BAR) if seconds else BAR
    text.append(" " + "━" * full, style="green")
    text.append("━" * (BAR - full), style="bright_black")
    text.append(f" {min(passed, seconds):.0f} of {seconds:.0f} s", style="bright_black")
    return text


def _score(pipeline: Pipeline) -> Text:
    seen, score = pipeline.observer.picture(), pipeline.reader.so_far()
    text = Text(f" {seen.transactions or 0:,} produced · ")
    text.append(f"{score.caught:,} of {score.episodes:,} fraud episodes caught", style="bold green")
    text.append(f" · {score.blocked_users:,} users blocked")
    return text
