"""What must hold for any bytes whatever: shared by the property test and the fuzzer.

Purpose: ``judge`` puts values through decoding, validation and the engine, and raises AssertionError
where an answer is not what it promises to be. What comes back can be compared with other ways to the
same answer: record by record, and by Python's own JSON parser.
"""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime
from typing import Any, NoReturn

import numpy as np

from datasets import geography
from profiles import layout
from sentinel_cli.engine import kernel, scorecard, scoring
from sentinel_cli.records import EPOCH, Transaction
from sentinel_cli.streaming import faults
from sentinel_cli.streaming.codec import EARLIEST, MOST_AHEAD, Decoded, Decoder

ARRIVED = 1_756_000_000_000  # 2025-08-24, milliseconds since 1970
USERS = 4_096
FIELDS = Transaction.__struct_fields__

_NUMBERS = [name for name in layout.PROFILE.names or () if layout.PROFILE[name].base.kind == "f"]


class Judge:
    """Puts batch after batch through one engine, whose profiles live on."""

    def __init__(self) -> None:
        self._card = scorecard.load()
        self.decoder = Decoder(self._card.record_features)
        self._profiles = layout.empty(USERS)

    def __call__(self, values: list[bytes | None]) -> Decoded:
        """Raises AssertionError, or whatever else goes wrong."""
        arrived = np.full(len(values), ARRIVED)
        decoded = self.decoder.decode(values, arrived)
        assert sorted(decoded.good + [at for at, _ in decoded.bad]) == list(range(len(values)))
        assert all(0 < len(why) <= faults.LONGEST for _, why in decoded.bad), "a reason of no use"
        self._sane(decoded)
        self._scores(decoded)
        return decoded

    def _sane(self, decoded: Decoded) -> None:
        rows = decoded.columns.rows
        assert len(rows) == len(decoded.good) == len(decoded.users)
        assert ((rows["amount"] >= 0) & (rows["amount"] <= 1e9)).all(), "an amount out of bounds"
        assert ((rows["time"] >= EARLIEST) & (rows["time"] <= ARRIVED * 1_000 + MOST_AHEAD)).all()
        assert (rows["transaction"] != 0).all(), "a transaction without an id"
        assert (rows["country"] < geography.CODES).all(), "a country out of bounds"
        assert all(0 < len(user) <= 256 for user in decoded.users), "a user without an id"

    def _scores(self, decoded: Decoded) -> None:
        slots = np.array([zlib.crc32(user.encode()) % USERS for user in decoded.users], np.int64)
        before = self._profiles["total_transactions"].sum()
        scored = scoring.score(self._profiles, slots, decoded.columns, self._card, 0.2)
        new = scored.status != kernel.DUPLICATE
        assert ((scored.scores[new] >= 0) & (scored.scores[new] <= 1)).all(), "a score out of bounds"
        assert self._profiles["total_transactions"].sum() - before == new.sum()
        assert all(np.isfinite(self._profiles[name]).all() for name in _NUMBERS), "a profile with no number"


def same_alone(decoder: Decoder, values: list[bytes | None], together: Decoded) -> None:
    """Each record gets the answer that it got in the batch."""
    bad, row = dict(together.bad), dict(zip(together.good, range(len(values)), strict=False))
    for at, value in enumerate(values):
        alone = decoder.decode([value], np.full(1, ARRIVED))
        if at in bad:
            assert alone.bad == [(0, bad[at])], "bad in the batch, and otherwise alone"
        else:
            assert alone.good == [0], "good in the batch, and bad alone"
            assert alone.users == [together.users[row[at]]]
            assert alone.columns.rows[0] == together.columns.rows[row[at]]


def same_elsewhere(value: bytes, user: str, row: np.void) -> None:
    """A good record means the same to Python's own parsers, which share no code with ours."""
    text = value.decode()
    fields = dict(_once(json.loads(text, object_pairs_hook=_Pairs, parse_constant=_no_constant)))
    assert fields["user_id"] == user
    assert float(fields["amount"]) == row["amount"]
    assert max(zlib.crc32(fields["transaction_id"].encode()), 1) == row["transaction"]
    assert (zlib.crc32(fields.get("device_id", "").encode()) or 0) == row["device"]
    assert _microseconds(fields["timestamp"]) == row["time"]


class _Pairs(list[tuple[str, Any]]):
    """An object with all its names, in their order."""


def _once(pairs: _Pairs) -> _Pairs:
    names = [name for name, _ in pairs if name in FIELDS]
    assert len(names) == len(set(names)), "a field twice"
    return pairs


def _no_constant(text: str) -> NoReturn:
    raise AssertionError(f"{text} is no JSON")


def _microseconds(text: str) -> int:
    time = datetime.fromisoformat(text)
    since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
