"""Transactions as columns: what the kernel reads.

Purpose: the shape that every source (Kafka, parquet, a test) brings transactions into.

Design: one array a field, strings already reduced to numbers. The hashes are CRC-32, because it is
in every standard library and a table of 256 numbers in the kernel; two devices of one user collide
once in 4e9, and then a new device goes unnoticed once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

TRANSACTION = np.dtype(
    [
        ("time", "<i8"),  # event time, microseconds since 1970 UTC
        ("amount", "<f8"),
        ("transaction", "<u4"),  # crc32 of transaction_id
        ("device", "<u4"),  # crc32 of device_id, 0 for none
        ("country", "<u2"),  # datasets.geography.country_code, 0 for none
        ("category", "<u2"),  # crc32 of merchant_category folded to 16 bits, 0 for none
    ]
)


@dataclass(frozen=True, slots=True)
class Columns:
    """``rows`` has shape (n,) and dtype TRANSACTION; ``extra`` has shape (n, k), float64: the
    record's own features that the scorecard names, in its order, NaN where a record has none."""

    rows: npt.NDArray[np.void]
    extra: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, start: int, stop: int) -> Self:
        return type(self)(self.rows[start:stop], self.extra[start:stop])
