"""Columns in the manner of IEEE-CIS's identity file: who or what is behind a transaction online.

Purpose: id_01 to id_38, DeviceType and DeviceInfo for synthetic files. What belongs to a device
(its model, system, browser, screen) follows from the device, so that a new one shows.

Source: which values there are, and how many of the identities have each column, is widely published.

Not here: which transactions have an identity (`synthesis`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datasets.masked import Bools, Named, texts, whole
from datasets.traffic.calibration import counts
from datasets.traffic.chance import Choice, Hashes, mix, share

# The share of identities that have each column; those that are not named, all of them.
SHARES = {
    2: 0.977, 3: 0.46, 4: 0.46, 5: 0.949, 6: 0.949, 7: 0.036, 8: 0.036, 9: 0.519, 10: 0.519, 11: 0.977,
    13: 0.883, 14: 0.555, 15: 0.977, 16: 0.897, 17: 0.966, 18: 0.313, 19: 0.966, 20: 0.966, 21: 0.036,
    22: 0.036, 23: 0.036, 24: 0.033, 25: 0.036, 26: 0.036, 27: 0.036, 28: 0.977, 29: 0.977, 30: 0.538,
    31: 0.973, 32: 0.538, 33: 0.508, 34: 0.539, 35: 0.977, 36: 0.977, 37: 0.977, 38: 0.977,
}  # fmt: skip

# Whole numbers: low, high, and the power that crowds them towards the low end (negative: the high end).
NUMBERS = {
    1: (-100, 0, -2), 3: (0, 10, 9), 4: (-28, 0, -9), 5: (-72, 52, 1), 6: (-100, 0, -3), 7: (-46, 61, 1),
    8: (-100, 0, -2), 9: (0, 25, 9), 10: (-36, 0, -9), 13: (10, 64, -2), 14: (-660, 720, 1),
    17: (100, 229, 1), 18: (10, 29, 1), 19: (100, 671, 1), 20: (100, 661, 1), 21: (100, 854, 2),
    22: (10, 44, 1), 24: (11, 26, 1), 25: (100, 548, 1), 26: (100, 216, 1), 32: (0, 32, -3),
}  # fmt: skip
STEPS = {1: 5, 14: 60, 32: 8}

Table = tuple[tuple[str, ...], tuple[float, ...]]
TEXTS: dict[int, Table] = {
    12: (("NotFound", "Found"), (0.85, 0.15)),
    15: (("Found", "New", "Unknown"), (0.48, 0.435, 0.085)),
    16: (("Found", "NotFound"), (0.51, 0.49)),
    23: (("IP_PROXY:TRANSPARENT", "IP_PROXY:ANONYMOUS", "IP_PROXY:HIDDEN"), (0.68, 0.21, 0.11)),
    27: (("Found", "NotFound"), (0.997, 0.003)),
    28: (("Found", "New"), (0.54, 0.46)),
    29: (("Found", "NotFound"), (0.53, 0.47)),
    34: (("match_status:2", "match_status:1", "match_status:0"), (0.77, 0.225, 0.005)),
    35: (("T", "F"), (0.55, 0.45)),
    36: (("F", "T"), (0.95, 0.05)),
    37: (("T", "F"), (0.78, 0.22)),
    38: (("F", "T"), (0.53, 0.47)),
}

# By device type, desktop then mobile: what a device is, with weights.
SYSTEMS: tuple[Table, Table] = (
    (
        ("Windows 10", "Windows 7", "Windows 8.1", "Mac OS X 10_12_6", "Mac OS X 10_13_2", "Linux"),
        (40, 25, 7, 9, 6, 2),
    ),
    (
        ("iOS 11.2.1", "iOS 11.1.2", "iOS 10.3.3", "Android 7.0", "Android 6.0.1", "Android 8.0.0"),
        (20, 18, 10, 13, 7, 5),
    ),
)
BROWSERS: tuple[Table, Table] = (
    (("chrome 63.0", "chrome 62.0", "ie 11.0 for desktop", "firefox 57.0", "edge 16.0", "safari generic"),
     (35, 20, 15, 10, 7, 6)),
    (("mobile safari 11.0", "mobile safari generic", "chrome 63.0 for android", "chrome 62.0 for android",
      "samsung browser 6.2"), (28, 24, 22, 14, 3)),
)  # fmt: skip
SCREENS: tuple[Table, Table] = (
    (("1920x1080", "1366x768", "1600x900", "1440x900", "1280x800", "2560x1440"), (35, 30, 9, 8, 7, 3)),
    (("1334x750", "2208x1242", "2436x1125", "2220x1080", "1136x640"), (28, 20, 8, 5, 5)),
)
MODELS: tuple[Table, Table] = (
    (("Windows", "MacOS", "Trident/7.0", "rv:57.0", "rv:11.0", "Linux x86_64"), (60, 16, 10, 3, 3, 1)),
    (("iOS Device", "SAMSUNG SM-G930V Build/NRD90M", "samsung SM-G892A Build/NRD90M", "SM-J700M Build/MMB29K",
      "Moto G (4) Build/NPJ25.93-14.7", "ALE-L23 Build/HuaweiALE-L23", "hi6210sft Build/MRA58K", "LG-K120",
      "Redmi Note 4 Build/MMB29M", "Pixel 2 XL Build/OPD1.170816.004"), (55, 6, 6, 8, 5, 5, 4, 4, 3, 2)),
)  # fmt: skip
MODEL_SHARE = 0.823
_OF_DEVICE = {30: SYSTEMS, 31: BROWSERS, 33: SCREENS}
_DEVICE_INFO = 99


def columns(device: Hashes, kind: npt.NDArray[np.int8], there: Bools, rng: np.random.Generator) -> Named:
    """id_01 to DeviceInfo for rows of shape (n,), null where there is no identity.

    ``kind`` is the device's type.
    """
    types = counts("device_type")[0]
    for number in range(1, 39):
        own = there & (rng.random(len(there)) < SHARES.get(number, 1.0))
        yield f"id_{number:02d}", _identity(number, device, kind, own, rng)
    yield "DeviceType", texts(tuple(types), kind, there & (rng.random(len(there)) < 0.976))
    yield (
        "DeviceInfo",
        _of_device(_DEVICE_INFO, MODELS, device, kind, there & (rng.random(len(there)) < MODEL_SHARE)),
    )


def _identity(
    number: int, device: Hashes, kind: npt.NDArray[np.int8], own: Bools, rng: np.random.Generator
) -> pa.Array:
    chance = rng.random(len(own))
    if number in _OF_DEVICE:
        return _of_device(number, _OF_DEVICE[number], device, kind, own)
    if number in TEXTS:
        table, weights = TEXTS[number]
        return texts(table, Choice(weights).choose(chance), own)
    if number == 2:
        return whole(
            np.floor(np.exp(11.4 + 1.1 * rng.standard_normal(len(own)))).clip(1, 999_595), own, pa.int32()
        )
    if number == 11:
        return pa.array(
            np.where(chance < 0.95, 100.0, 90 + 10 * rng.random(len(own))).astype(np.float32), mask=~own
        )
    return whole(_number(number, chance), own, pa.int16())


def _number(number: int, chance: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    low, high, power = NUMBERS[number]
    at = chance**power if power > 0 else 1 - chance**-power
    step = STEPS.get(number, 1)
    return np.rint((low + (high - low) * at) / step) * step


def _of_device(
    salt: int, tables: tuple[Table, Table], device: Hashes, kind: npt.NDArray[np.int8], own: Bools
) -> pa.Array:
    (desktop, desktop_weights), (mobile, mobile_weights) = tables
    weights = (*desktop_weights, *mobile_weights)
    group = np.repeat([0, 1], [len(desktop), len(mobile)])
    codes = Choice(weights, group).choose(share(mix(device, salt)), kind.astype(np.int64))
    return texts((*desktop, *mobile), codes, own)
