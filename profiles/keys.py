"""The Redis keys, in one place.

Every key of one partition carries that partition as its hash tag, so that its profiles, its offset
and its blocks sit on one shard of a Redis Cluster and can change in one atomic write.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys under ``prefix`` for the partitions of ``topic`` (its full name)."""

    prefix: str
    topic: str

    def _tag(self, partition: int) -> str:
        return f"{self.prefix}:{{{self.topic}-{partition}}}"

    def offset(self, partition: int) -> str:
        """The next offset to process: everything below it is in the profiles."""
        return f"{self._tag(partition)}:offset"

    def topic_id(self, partition: int) -> str:
        """Kafka's identity of the topic that the offset is of."""
        return f"{self._tag(partition)}:topic"

    def partitions(self) -> str:
        """The numbers of partitions that the topic has had, the latest last, as a JSON list: by the
        latest one the profiles are laid out."""
        return f"{self.prefix}:{self.topic}:partitions"

    def expired(self) -> str:
        """When the profiles of users who do not come any more were let go last, seconds since 1970."""
        return f"{self.prefix}:{self.topic}:expired"

    def profile(self, partition: int, user_id: str) -> str:
        return f"{self._tag(partition)}:profile:{user_id}"

    def profile_pattern(self, partition: int | None = None) -> str:
        """A SCAN pattern for every profile of the partition, or of all."""
        before, after = _literal(f"{self.prefix}:{{{self.topic}-"), "*" if partition is None else partition
        return f"{before}{after}}}:profile:*"

    def parse_profile(self, key: bytes) -> tuple[int, str] | None:
        """The partition and the user_id of a profile's key, or None for any other key."""
        before, middle = f"{self.prefix}:{{{self.topic}-".encode(), b"}:profile:"
        if not key.startswith(before):
            return None
        number, found, user_id = key[len(before) :].partition(middle)
        return (int(number), user_id.decode()) if found and number.isdigit() else None

    def blocks(self, partition: int) -> str:
        """A hash of user_id to block."""
        return f"{self._tag(partition)}:blocks"

    def blocks_version(self, partition: int) -> str:
        """Raised with every change of the blocks, so that the detector knows when to read them."""
        return f"{self._tag(partition)}:blocks:version"

    def blocks_order(self, partition: int) -> str:
        """A sorted set of user_id by the version of its block, so that only the news is read."""
        return f"{self._tag(partition)}:blocks:order"

    def blocks_applied(self, partition: int) -> str:
        """The version that the profiles have taken in; written with them and the offset."""
        return f"{self._tag(partition)}:blocks:applied"

    def done(self, partition: int) -> str:
        """A sorted set of the ids of alerts acted on, by when; written with the responder's offset."""
        return f"{self._tag(partition)}:done"

    def cases(self, partition: int) -> str:
        """A sorted set of every case's id by when it was opened, seconds since 1970."""
        return f"{self._tag(partition)}:cases"

    def open_cases(self, partition: int) -> str:
        """A hash of user_id to the id of that user's open case."""
        return f"{self._tag(partition)}:cases:open"

    def case(self, partition: int, case_id: str) -> str:
        """A hash: the case's fields."""
        return f"{self._tag(partition)}:case:{case_id}"

    def case_alerts(self, partition: int, case_id: str) -> str:
        """A list of the alerts that joined the case, in the order they did."""
        return f"{self._tag(partition)}:case:{case_id}:alerts"


def _literal(text: str) -> str:
    """``text`` in a SCAN pattern, standing for itself."""
    return "".join(f"\\{c}" if c in "*?[]\\^" else c for c in text)
