"""One finding, and the words that several subjects share."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

# Milliseconds. Scores take the event's time, so skew between machines harms only what people read:
# latencies and ages; above this those are nonsense.
SKEW_MS = 1_000.0


class Finding(Struct, frozen=True):
    """``status``: "skip" was not looked at, "warn" works and may hurt later, "fail" does not work."""

    name: str
    status: Literal["ok", "warn", "fail", "skip"]
    detail: str
    unreachable: bool = False


def off_by(stamp_ms: float, start: float, end: float) -> float:
    """By how many milliseconds another clock is certainly off that said ``stamp_ms`` at some moment
    between ``start`` and ``end``, seconds on this machine's; positive when that one is ahead."""
    if stamp_ms > end * 1000:
        return stamp_ms - end * 1000
    return min(0.0, stamp_ms - start * 1000)


def clock(name: str, skew_ms: float) -> Finding:
    """Another machine's clock against this one's."""
    words = f"{abs(skew_ms):.0f} ms {'ahead of' if skew_ms > 0 else 'behind'} this machine's"
    if abs(skew_ms) > SKEW_MS:
        return Finding(name, "warn", f"{words}: ages and latencies will be wrong; set both by NTP")
    return Finding(name, "ok", words if abs(skew_ms) >= 1 else "agrees with this machine's")
