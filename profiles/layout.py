"""The profile: one fixed row of numbers a user, in memory and in Redis the same bytes.

Purpose: the layout, its version, and the way from a row to bytes, to a dictionary and back.

Design: a numpy structured dtype, little-endian and packed, so that a million profiles are one
array, the kernel addresses them by slot, and storing one is a copy of its bytes. A row of zeros is
the profile of a user never seen; nothing has to be initialised.

Not here: what the numbers mean for a score (``sentinel_cli.engine``), and where they are stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

VERSION = 1

# Each window is a ring of equal steps, written at step index modulo its length. A window of W
# seconds in k steps therefore covers at least W - W/k and at most W seconds before now.
MINUTE_STEPS, MINUTE_STEP_S = 6, 10
FIVE_MINUTES_STEPS, FIVE_MINUTES_STEP_S = 5, 60
HOUR_STEPS, HOUR_STEP_S = 6, 600
DAY_STEPS, DAY_STEP_S = 12, 7200

# Most recently used first; the least recent one falls off the end.
DEVICES = 8
COUNTRIES = 6
CATEGORIES = 12
# Transaction n stands at n modulo this.
RECENT = 8

# Stored with every row in Redis, so at most 384 bytes (DESIGN.md): full. The version stands first in
# every layout there will ever be; the order of the rest keeps each field at a multiple of its size.
PROFILE = np.dtype(
    [
        ("version", "<u2"),
        ("small_amount_run", "<u2"),
        ("total_transactions", "<u4"),
        ("total_amount", "<f8"),
        ("log_mean", "<f8"),  # Welford's running mean and sum of squares of ln(amount)
        ("log_m2", "<f8"),
        ("first_time", "<i8"),  # microseconds since 1970, event time, of the first that arrived
        ("last_time", "<i8"),  # the latest event time seen: late events do not move it back
        ("last_alert_time", "<i8"),
        ("blocked_until", "<i8"),
        ("day_amount", "<f8"),  # in the UTC day of last_time
        ("day_count", "<u4"),
        ("alerts", "<u4"),
        ("country_time", "<u4"),  # event time of last_country, in seconds since 1970
        ("devices", "<u4", (DEVICES,)),
        ("recent", "<u4", (RECENT,)),  # hashes of the latest transaction ids, to know one that comes again
        ("minute_amount", "<f4", (MINUTE_STEPS,)),
        ("five_minutes_amount", "<f4", (FIVE_MINUTES_STEPS,)),
        ("hour_amount", "<f4", (HOUR_STEPS,)),
        ("day_ring_amount", "<f4", (DAY_STEPS,)),
        ("last_country", "<u2"),
        ("countries", "<u2", (COUNTRIES,)),
        ("categories", "<u2", (CATEGORIES,)),
        ("minute_count", "<u2", (MINUTE_STEPS,)),
        ("five_minutes_count", "<u2", (FIVE_MINUTES_STEPS,)),
        ("hour_count", "<u2", (HOUR_STEPS,)),
        ("day_ring_count", "<u2", (DAY_STEPS,)),
        ("hours", "u1", (24,)),  # transactions by UTC hour, all halved when one reaches 255
    ]
)
ROW_BYTES = PROFILE.itemsize

Profiles = npt.NDArray[np.void]
"""An array of ``PROFILE`` rows, shape (slots,)."""


class UnknownLayout(ValueError):
    """Bytes that are no profile of a version this program reads."""


def empty(slots: int) -> Profiles:
    """Rows of users never seen, shape (slots,)."""
    return np.zeros(slots, PROFILE)


def whole(rows: Profiles) -> npt.NDArray[np.void]:
    """The same rows without their fields: so numpy copies each at once, a quarter of the time or less."""
    return rows.view(f"V{ROW_BYTES}")


def to_bytes(rows: Profiles) -> list[bytes]:
    """The stored form of each row, in order."""
    packed: list[bytes] = whole(np.ascontiguousarray(rows)).tolist()
    return packed


def from_bytes(stored: Sequence[bytes | None]) -> Profiles:
    """Rows from their stored form, shape (len(stored),); None, a user never seen, gives zeros.

    Raises UnknownLayout when one of them has another size or version.
    """
    known = [value for value in stored if value is not None]
    if any(len(value) != ROW_BYTES for value in known):
        size = next(len(value) for value in known if len(value) != ROW_BYTES)
        raise UnknownLayout(f"a stored profile has {size} bytes, version {VERSION} has {ROW_BYTES}")
    found = np.frombuffer(bytearray(b"".join(known)), PROFILE)
    if (found["version"] != VERSION).any():
        versions = sorted(set(found["version"].tolist()) - {VERSION})
        raise UnknownLayout(f"a stored profile has version {versions[0]}, this program reads {VERSION}")
    if len(known) == len(stored):
        return found
    rows = empty(len(stored))
    rows[[i for i, value in enumerate(stored) if value is not None]] = found
    return rows


def to_dict(row: np.void) -> dict[str, Any]:
    """A row as plain Python numbers and lists, exact: ``from_dict`` gives the same bytes back."""
    return {name: row[name].tolist() for name in PROFILE.names or ()}


def to_dicts(rows: Profiles) -> Iterator[dict[str, Any]]:
    """``to_dict`` of each row, in a fraction of the time."""
    names = PROFILE.names or ()
    columns = [rows[name].tolist() for name in names]
    return (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))


def from_dict(fields: dict[str, Any]) -> Profiles:
    """The row that ``to_dict`` described, shape (1,)."""
    rows = empty(1)
    for name, value in fields.items():
        rows[name][0] = value
    return rows
