"""What traffic to make: everything the records depend on, and nothing else.

Purpose: one value. The same plan gives the same records, byte for byte, however many are taken at
once and however fast they are sent (with the same version of numpy, whose generators may change).

Not here: how the records are made (`stream`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from datasets.traffic.day import DAY, SECOND
from datasets.traffic.scenarios import NAMES
from sentinel_cli.errors import UsageError

USERS = 20_000
FRAUD_RATE = 0.035  # of the file's transactions
TRANSACTIONS_PER_DAY = 0.5  # of a mean user, in natural time


@dataclass(frozen=True)
class Plan:
    """``start`` is in microseconds since 1970 UTC. ``rate`` is None for natural time, else the
    transactions a second of event time. Raises UsageError for values that make no traffic."""

    seed: int
    start: int
    users: int = USERS
    fraud_rate: float = FRAUD_RATE
    scenarios: tuple[str, ...] = NAMES
    rate: float | None = None

    def __post_init__(self) -> None:
        for name in self.scenarios:
            if name not in NAMES:
                raise UsageError(f"There is no scenario {name!r}: choose from {', '.join(NAMES)}.")
        if not self.scenarios or self.users < 1 or not 0 <= self.fraud_rate <= 1:
            raise UsageError("Traffic needs a scenario, at least 1 user and a fraud rate between 0 and 1.")
        if self.seed < 0 or (self.rate is not None and self.rate <= 0):
            raise UsageError("Traffic needs a seed of at least 0 and a rate above 0.")

    @property
    def tag(self) -> str:
        """Eight hex digits of this very plan: part of its ids, so that no two plans share one."""
        return hashlib.blake2b(repr(self).encode(), digest_size=4).hexdigest()

    @property
    def mean_rate(self) -> float:
        """Transactions a second of event time, over a whole day."""
        return self.rate or self.users * TRANSACTIONS_PER_DAY * SECOND / DAY
