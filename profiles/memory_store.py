"""Profiles in memory: for tests, replay and backtest.

The same contract as ``RedisStore``; both pass one suite of tests.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from profiles import layout
from profiles.contract import Blocks, Loaded, Save


@dataclass
class MemoryStore:
    """What Redis would hold for one topic."""

    offsets: dict[int, int] = field(default_factory=dict)
    rows: dict[tuple[int, str], bytes] = field(default_factory=dict)
    applied: dict[int, int] = field(default_factory=dict)
    changed: dict[int, Blocks] = field(default_factory=dict)

    def start(self, partition: int) -> tuple[int | None, int]:
        return self.offsets.get(partition), self.applied.get(partition, 0)

    def load(self, partition: int, users: list[str]) -> Loaded:
        rows = layout.from_bytes([self.rows.get((partition, user)) for user in users])
        return Loaded(self.offsets.get(partition), rows)

    def save(self, save: Save) -> bool:
        if self.offsets.get(save.partition) != save.begin:
            return False
        for user, row in zip(save.users, layout.to_bytes(save.rows), strict=True):
            self.rows[save.partition, user] = row
        self.offsets[save.partition] = save.end
        self.applied[save.partition] = save.blocks
        return True

    def blocks(self, partition: int, after: int) -> Blocks | None:
        found = self.changed.get(partition)
        return found if found and found.version > after else None
