"""Which partition a user's records are on.

Purpose: find a profile without asking every partition. Kafka's Java clients, and ours, put a record
on the partition murmur2(key) gives; Kafka itself never says which that is for a key.

Source: Austin Appleby's MurmurHash2 (public domain) with the seed and the sign treatment of Apache
Kafka's default partitioner.
"""

from __future__ import annotations

SEED = 0x9747B28C
_M = 0x5BD1E995
_32_BITS = 0xFFFFFFFF


def partition_of(user_id: str, partitions: int) -> int:
    """The partition of ``user_id`` on a topic of ``partitions``."""
    return positive(user_id) % partitions


def positive(user_id: str) -> int:
    """The hash that the partition is a remainder of, 31 bits."""
    return murmur2(user_id.encode()) & 0x7FFFFFFF


def murmur2(key: bytes) -> int:
    """MurmurHash2 of ``key``, 32 bits, unsigned."""
    h = SEED ^ len(key)
    whole = len(key) & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(key[at : at + 4], "little") * _M & _32_BITS
        h = h * _M & _32_BITS ^ (k ^ k >> 24) * _M & _32_BITS
    if whole < len(key):
        h = (h ^ int.from_bytes(key[whole:], "little")) * _M & _32_BITS
    h = (h ^ h >> 13) * _M & _32_BITS
    return h ^ h >> 15
