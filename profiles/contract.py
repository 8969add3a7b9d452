"""What a store of profiles promises; Redis and memory keep it alike.

Purpose: the shapes that cross between a worker and its store, and the store's methods.

Not here: when a worker loads or saves (``sentinel_cli.streaming.worker``).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from profiles.layout import Profiles


class StoreAway(Exception):
    """The store does not answer, or cannot write, now; the same call may succeed later."""


class Loaded(NamedTuple):
    """Profiles of the users asked for, shape (n,), zeros for a user never seen; ``offset`` is the
    partition's at the very moment they were read, None if it was never saved."""

    offset: int | None
    profiles: Profiles


class Save(NamedTuple):
    """One atomic write: if the partition's offset is still ``begin``, it becomes ``end`` and the
    profiles of ``users`` become ``rows``; ``blocks`` is the version of blocks they have taken in."""

    partition: int
    begin: int | None
    end: int
    users: list[str]
    rows: Profiles
    blocks: int


class Blocks(NamedTuple):
    """``until`` has, for each user whose block changed, the event time it ends at, in microseconds."""

    version: int
    until: dict[str, int]


class Store(Protocol):
    """Profiles and offsets of one topic, changing together. Every method may raise StoreAway."""

    def start(self, partition: int) -> tuple[int | None, int]:
        """The partition's next offset (None: never saved) and the version of blocks it has taken in."""

    def load(self, partition: int, users: list[str]) -> Loaded:
        """Raises layout.UnknownLayout for a profile that this program cannot read."""

    def save(self, save: Save) -> bool:
        """False, and nothing written, if the stored offset is not ``save.begin``."""

    def blocks(self, partition: int, after: int) -> Blocks | None:
        """Blocks changed since version ``after``, or None if there are none."""
