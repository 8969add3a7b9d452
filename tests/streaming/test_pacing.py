from __future__ import annotations

import itertools

import pytest

from sentinel_cli.streaming.pacing import CATCH_UP, SLICE_S, Pacer

LATE_S = 0.0003  # how much later than asked for a sleeping process wakes up


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def sending(tps: float, seconds: float, stalls: dict[float, float] | None = None) -> list[tuple[float, int]]:
    """When how many were sent by a loop that does nothing but send; ``stalls`` by their beginning."""
    clock, waiting = Clock(), sorted((stalls or {}).items())
    start = clock.now
    pacer = Pacer(tps, start, clock)
    sent, slices = 0, []
    while clock.now < start + seconds:
        if waiting and clock.now - start >= waiting[0][0]:
            clock.now += waiting.pop(0)[1]
        if n := pacer.due(sent):
            slices.append((clock.now - start, n))
            sent += n
        clock.now += pacer.pause(sent) + LATE_S
    return slices


@pytest.mark.parametrize("tps", [0.25, 1.0, 3.0, 50.0, 700.0, 10_000.0, 100_000.0])
def test_no_record_is_early_and_none_is_much_late(tps: float) -> None:
    slices = sending(tps, max(4.0, 20 / tps))
    totals = itertools.accumulate(n for _, n in slices)
    for (at, n), total in zip(slices, totals, strict=True):
        first_due, last_due = (total - n) / tps, (total - 1) / tps
        assert last_due <= at + 1e-9
        assert at <= first_due + SLICE_S + 2 * LATE_S + 1e-9


def test_one_a_second_is_one_each_second() -> None:
    slices = sending(1.0, 10)
    assert [n for _, n in slices] == [1] * 10
    assert [at for at, _ in slices] == pytest.approx(range(10), abs=0.001)


def test_a_hundred_thousand_a_second_come_without_a_burst() -> None:
    slices = sending(100_000.0, 2)
    assert sum(n for _, n in slices) == pytest.approx(200_000, rel=0.005)
    assert max(n for _, n in slices) <= 100_000 * (SLICE_S + LATE_S) * 1.5


def test_after_a_stall_it_catches_up_at_no_more_than_twice_the_pace() -> None:
    slices = sending(10_000.0, 4, stalls={1.0: 0.5})
    assert sum(n for _, n in slices) == pytest.approx(40_000, rel=0.005)  # nothing was given up
    for window in range(400):
        in_window = sum(n for at, n in slices if window / 100 <= at < (window + 1) / 100)
        assert in_window <= CATCH_UP * 10_000 * 0.02 + 1
    assert sum(n for at, n in slices if 1.5 <= at < 1.7) <= CATCH_UP * 10_000 * 0.22


def test_nothing_is_due_before_the_start() -> None:
    clock = Clock()
    pacer = Pacer(100.0, clock.now + 5, clock)
    assert pacer.due(0) == 0
    assert pacer.pause(0) == pytest.approx(5)
    clock.now += 5
    assert pacer.due(0) == 1
