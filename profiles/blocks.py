"""Blocks: which users are to be declined, until when, and for which alert.

Purpose: the one way by which a decision reaches the profiles. The responder writes here; the
detector reads what is new and sets ``blocked_until`` in the profile, in the same atomic write as
its offset, so that a batch that is repeated sees the same blocks.

Design: a hash of user_id to a JSON entry, a counter that every change raises, and a sorted set of
user_id by the counter's value at its last change: a reader that knows version V fetches only the
entries above V. Each change is one script, so that no reader sees half of it. Times are event
time, in microseconds since 1970.

An entry remembers the last alerts that were counted into it. The same alert again changes nothing,
also when an analyst has lifted the block in between.

Not here: who decides on a block (``sentinel_cli.responding``), the profiles themselves.
"""

from __future__ import annotations

from typing import Any

import msgspec

from profiles.connection import Client
from profiles.keys import Keys

# Alerts remembered in a user's entry. A repeat comes from a batch that was not saved, at once;
# later ones are known to the responder's own record.
REMEMBERED = 16

# KEYS: blocks, blocks_version, blocks_order. ARGV: user_id, until_us, alert_id, REMEMBERED.
# Returns 1 when the block is new or longer than before, else 0.
BLOCK = """
local stored = redis.call('HGET', KEYS[1], ARGV[1])
local entry = stored and cjson.decode(stored) or {until_us = 0, version = 0, alerts = {}}
for _, alert_id in ipairs(entry.alerts) do
    if alert_id == ARGV[3] then return 0 end
end
table.insert(entry.alerts, ARGV[3])
if #entry.alerts > tonumber(ARGV[4]) then table.remove(entry.alerts, 1) end
local longer = tonumber(ARGV[2]) > entry.until_us
if longer then
    entry.until_us = tonumber(ARGV[2])
    entry.version = redis.call('INCR', KEYS[2])
    redis.call('ZADD', KEYS[3], entry.version, ARGV[1])
end
-- cjson would round a number of microseconds
redis.call('HSET', KEYS[1], ARGV[1], string.format('{"until_us":%.0f,"version":%.0f,"alerts":%s}',
    entry.until_us, entry.version, cjson.encode(entry.alerts)))
return longer and 1 or 0
"""

# KEYS: as above. ARGV: user_id. Returns 1 when a block was lifted, 0 when there was none.
UNBLOCK = """
local stored = redis.call('HGET', KEYS[1], ARGV[1])
local entry = stored and cjson.decode(stored)
if not entry or entry.until_us == 0 then return 0 end
local version = redis.call('INCR', KEYS[2])
redis.call('ZADD', KEYS[3], version, ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], string.format('{"until_us":0,"version":%.0f,"alerts":%s}',
    version, cjson.encode(entry.alerts)))
return 1
"""

# KEYS: as above. ARGV: a version. Returns the version now, then user_id and entry of each change since.
READ = """
local found = {redis.call('GET', KEYS[2]) or '0'}
for _, user_id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. ARGV[1], '+inf')) do
    table.insert(found, user_id)
    table.insert(found, redis.call('HGET', KEYS[1], user_id))
end
return found
"""


class Block(msgspec.Struct, frozen=True):
    """One user's block. ``until_us`` is 0 once it was lifted; ``alerts``, oldest first, led to it."""

    until_us: int
    version: int
    alerts: list[str]
    user_id: str = ""


_decode = msgspec.json.Decoder(Block).decode


def block(client: Client, keys: Keys, partition: int, user_id: str, until_us: int, alert_id: str) -> bool:
    """Block the user until then, or for longer if that is so already.

    True when the block is new or longer now; the same alert again changes nothing and returns False.
    """
    return bool(_run(client, BLOCK, keys, partition, user_id, until_us, alert_id, REMEMBERED))


def unblock(client: Client, keys: Keys, partition: int, user_id: str) -> bool:
    """Lift the user's block; the detector clears it at its next batch. False when there was none."""
    return bool(_run(client, UNBLOCK, keys, partition, user_id))


def read(client: Client, keys: Keys, partition: int, after_version: int) -> tuple[int, dict[str, int]]:
    """The version now, and the ``until_us`` of every user whose block changed after ``after_version``."""
    version, *changes = _run(client, READ, keys, partition, after_version)
    users, entries = changes[::2], changes[1::2]
    pairs = zip(users, entries, strict=True)
    return int(version), {user.decode(): _decode(entry).until_us for user, entry in pairs}


def active(client: Client, keys: Keys, partition: int, now_us: int) -> list[Block]:
    """The blocks that end after ``now_us``, the latest to end first."""
    found = [_named(user, entry) for user, entry in client.hscan_iter(keys.blocks(partition), count=1000)]
    return sorted((each for each in found if each.until_us > now_us), key=lambda each: -each.until_us)


def get(client: Client, keys: Keys, partition: int, user_id: str) -> Block | None:
    """The user's entry, lifted or not; None for a user who was never blocked."""
    stored: Any = client.hget(keys.blocks(partition), user_id)
    return _named(user_id.encode(), stored) if stored else None


def _named(user_id: bytes, stored: bytes) -> Block:
    return msgspec.structs.replace(_decode(stored), user_id=user_id.decode())


def _run(client: Client, script: str, keys: Keys, partition: int, *args: str | int) -> Any:
    named = [keys.blocks(partition), keys.blocks_version(partition), keys.blocks_order(partition)]
    return client.register_script(script)(named, args)
