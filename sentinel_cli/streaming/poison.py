"""What becomes of a record that could not be read: a dead letter, and a line in the log now and then.

Purpose: a dead letter carries the source's bytes untouched; headers say why it is there and where it
came from. Nothing about a bad record may stop the worker or fill the disk with log lines.

Design: a value that the topic does not take (Kafka's limit counts the headers, too) stays where it
was: the letter then names its size and digest, and the source's offset is where to find it.

Not here: why a record is bad (``faults``), what people do with dead letters (``dead_letters``).
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter

from sentinel_cli.streaming import faults
from sentinel_cli.streaming.batches import Letter, Poison

# Bytes that a topic and a client take of which nobody said otherwise.
LARGEST_RECORD = 1_000_000
# Bytes that Kafka adds to a record, generously: its own batch, lengths, a time.
FRAME = 256
# Seconds between two lines that say how many there were, and after which a reason is told anew.
COUNT_EVERY, TELL_ANEW = 1.0, 60.0
# Reasons that are remembered as told; a storm of different ones is counted like any other.
REMEMBERED = 100

# Headers of a letter whose value was too large.
LEFT_BYTES, LEFT_SHA256 = "left.bytes", "left.sha256"


def letter(poison: Poison, source: str, partition: int, topic: str, largest: int) -> Letter:
    """The dead letter for ``topic``, which takes records of ``largest`` bytes, of a record from
    ``partition`` of ``source``."""
    headers = poison.headers(source, partition)
    key, value = poison.key or b"", poison.value or b""
    frame = FRAME + sum(len(name) + len(text) for name, text in headers.items())
    if frame + len(key) + len(value) <= largest:
        return Letter(poison.offset, topic, poison.key, poison.value, headers)
    headers |= {LEFT_BYTES: str(len(value)), LEFT_SHA256: hashlib.sha256(value).hexdigest()}
    fits = frame + FRAME + len(key) <= largest
    return Letter(poison.offset, topic, poison.key if fits else None, None, headers)


class PoisonLog:
    """Logs the first of each kind of reason, and then how many there are a second. ``now`` is in
    seconds, monotonic."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._told: dict[str, float] = {}
        self._untold: Counter[str] = Counter()
        self._next = 0.0

    def add(self, topic: str, partition: int, poison: Poison, now: float) -> None:
        kind = faults.kind(poison.reason)
        if now - self._told.get(kind, -TELL_ANEW) < TELL_ANEW or len(self._told) >= REMEMBERED:
            self._untold[kind] += 1
            return
        self._told[kind] = now
        self._log.warning("%s-%d offset %d: %s", topic, partition, poison.offset, poison.reason)

    def tell(self, now: float) -> None:
        """To be called often: logs what has been counted, once a second."""
        if now < self._next:
            return
        self._next = now + COUNT_EVERY
        self._told = {kind: at for kind, at in self._told.items() if now - at < TELL_ANEW}
        if not self._untold:
            return
        most, times = self._untold.most_common(1)[0]
        self._log.warning("%d more dead letters, %d of them: %s", self._untold.total(), times, most)
        self._untold.clear()
