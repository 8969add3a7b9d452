"""Detectors that die, stand still, come and go, while traffic goes on."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from tests.chaos.conftest import Size
from tests.chaos.scene import SESSION_MS, Scene, until

pytestmark = [pytest.mark.real, pytest.mark.apache]

DELIVERIES = ["idempotent", "transactional"]
both = pytest.mark.parametrize("scene", DELIVERIES, indirect=True)
# The second one only in the full suite.
either = pytest.mark.parametrize(
    "scene", ["idempotent", pytest.param("transactional", marks=pytest.mark.full)], indirect=True
)


def after_a_moment(scene: Scene, name: str = "one") -> None:
    """Somewhere: as often while it starts or between two saves as right after one."""
    if scene.rng.random() < 0.5:
        scene.moves(name)
        return
    scene.lasts(scene.rng.uniform(0.2, 3.0), name)


@both
def test_a_detector_that_is_killed(scene: Scene, size: Size, outcome: Callable[..., None]) -> None:
    scene.traffic.start()
    scene.start()
    scene.moves()
    for _ in range(size.kills):
        scene.kill()
        begun = time.monotonic()
        scene.start()
        scene.moves()
        scene.recovery.append(time.monotonic() - begun)
        after_a_moment(scene)
    # From the start of its successor, imports and all.
    outcome("detector killed", size.kills, scene.settle(), within=5.0)


@either
def test_both_detectors_of_two_killed(scene: Scene, size: Size, outcome: Callable[..., None]) -> None:
    scene.traffic.start()
    for _ in range(size.kills):
        scene.start("one")
        scene.start("two")
        scene.moves()
        after_a_moment(scene)
        for name in scene.rng.sample(["one", "two"], 2):
            scene.kill(name)
    scene.start("two")  # a static member that stays away keeps its partitions for its session
    outcome("both detectors of two killed", size.kills, scene.settle())


@both
def test_a_detector_that_stood_still(scene: Scene, outcome: Callable[..., None]) -> None:
    """It wakes up with a full cache and unsaved batches, and its partitions are another's."""
    scene.traffic.start()
    zombie = scene.start("zombie", static=False)
    scene.moves("zombie")
    zombie.send_signal(signal.SIGSTOP)
    held = scene.offsets()
    begun = time.monotonic()
    scene.start("heir", static=False)
    until(lambda: all(a > b for a, b in zip(scene.offsets()[:4], held[:4], strict=True)), "an heir at work")
    scene.recovery.append(time.monotonic() - begun - SESSION_MS / 1_000)
    zombie.send_signal(signal.SIGCONT)
    scene.moves("zombie")
    outcome("stopped past its session, then continued", 1, scene.settle(), "(beyond the session's time)")


@either
def test_detectors_that_come_and_go(scene: Scene, size: Size, outcome: Callable[..., None]) -> None:
    scene.traffic.start()
    scene.start("0", static=False)
    scene.moves("0")
    for number in range(1, size.kills + 1):
        scene.start(str(number), static=False)
        scene.moves(str(number))
        scene.lasts(scene.rng.uniform(1.0, 4.0), str(number))
        scene.stop(str(number - 1))
    outcome("detectors added and removed", size.kills, scene.settle())
