"""JSON records in, columns out; whatever is no transaction becomes a value with a reason.

Purpose: decode and validate a batch of `transactions`, the plain way: msgspec into structs, then
one array a field.

Design: everything here is a function of the record alone, so that a record is good or bad wherever
and whenever it is read. The batch is looked at as a whole; only where that finds something is a
record looked at by itself. What passes is JSON that every parser reads in one way (RFC 7493, I-JSON):
UTF-8 throughout, none of our fields twice, nested no deeper than any parser goes. An alert carries it
on as it is.

Not here: where the bytes come from (``plain_source``), the words for what is wrong (``faults``),
where bad records go (``poison``).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from sentinel_cli.engine import strings
from sentinel_cli.engine.columns import TRANSACTION, Columns
from sentinel_cli.engine.jsonscan import DEEP, LARGE, TWICE, WIDE, Scan
from sentinel_cli.records import Transaction
from sentinel_cli.streaming import faults

# Event times outside these are a broken clock or a wrong unit, not a transaction: card networks'
# electronic records are younger, and a time from 2099 would hold a user's windows for ever.
EARLIEST = 946_684_800_000_000  # 2000-01-01T00:00:00Z in microseconds
# How far a time may be ahead of the moment Kafka received the record: a zone read wrongly is at
# most 14 hours, a day is beyond every honest clock.
MOST_AHEAD = 86_400_000_000
LATEST = 4_102_444_800_000_000  # 2100-01-01T00:00:00Z, for records that carry no Kafka timestamp

# Bytes of a transaction: thirty times what the widest public data set needs (400 features), and little
# enough that its alert fits into what Kafka takes by default, 1 MB.
LARGEST = 262_144

_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_CONTROL = re.compile(r"[\0-\x1f]")
# The texts that become a part of keys, hashes and lines of a terminal.
_IDENTIFIERS = ("transaction_id", "user_id", "timestamp", "device_id", "merchant_category")


@dataclass(frozen=True, slots=True)
class Decoded:
    """``good`` (n,) are the positions of the transactions among the values, ``bad`` the others with
    the reason of each; ``users`` and ``columns`` have a row for each good one."""

    good: list[int]
    users: list[str]
    columns: Columns
    bad: list[tuple[int, str]]

    def without(self, found: dict[int, str]) -> Decoded:
        """The same with the rows in ``found`` among the bad ones, for the reasons there."""
        if not found:
            return self
        keep = [row for row in range(len(self.good)) if row not in found]
        bad = [*self.bad, *((self.good[row], why) for row, why in found.items())]
        columns = Columns(self.columns.rows[keep], self.columns.extra[keep])
        return Decoded([self.good[i] for i in keep], [self.users[i] for i in keep], columns, sorted(bad))


@dataclass(slots=True)
class _Sorted:
    """A batch's values while they are sorted: ``records[i]`` stood at ``good[i]``."""

    good: list[int] = field(default_factory=list)
    records: list[Transaction] = field(default_factory=list)
    bad: list[tuple[int, str]] = field(default_factory=list)

    def refuse(self, found: dict[int, str]) -> list[int]:
        """Move the rows in ``found`` to the bad ones; answers which rows stay."""
        keep = [i for i in range(len(self.good)) if i not in found]
        self.bad += [(self.good[i], why) for i, why in found.items()]
        self.good, self.records = [self.good[i] for i in keep], [self.records[i] for i in keep]
        return keep


class Decoder:
    """Decodes batches of values; ``record_features`` names what the scorecard wants of `features`."""

    def __init__(self, record_features: tuple[str, ...]) -> None:
        self.record_features = record_features
        self._fields = set(Transaction.__struct_fields__)
        self._decode = msgspec.json.Decoder(_shape(record_features)).decode
        self._scan = Scan([*self._fields, *record_features], faults.DEEPEST, LARGEST)

    def decode(self, values: list[bytes | None], arrived: npt.NDArray[np.int64]) -> Decoded:
        """``arrived`` (len(values),): Kafka's timestamps in milliseconds, -1 for none."""
        batch = self._parsed(values)
        if found := self._unsound([values[at] for at in batch.good]):  # type: ignore[misc]
            batch.refuse(found)
        try:
            columns = self._columns(batch.records)
        except strings.ControlInside:
            batch.refuse(_unfit(batch.records))
            columns = self._columns(batch.records)
        if found := _out_of_time(batch.records, columns.rows["time"], arrived[batch.good]):
            keep = batch.refuse(found)
            columns = Columns(columns.rows[keep], columns.extra[keep])
        return Decoded(batch.good, [r.user_id for r in batch.records], columns, sorted(batch.bad))

    def _parsed(self, values: list[bytes | None]) -> _Sorted:
        batch = _Sorted()
        decode = self._decode
        for at, value in enumerate(values):
            try:
                batch.records.append(decode(value))  # type: ignore[arg-type]
                batch.good.append(at)
            except (msgspec.DecodeError, UnicodeDecodeError, TypeError, RecursionError) as error:
                batch.bad.append((at, faults.reason(value, error)))
        return batch

    def _unsound(self, values: list[bytes]) -> dict[int, str]:
        """Rows of the JSON values that another parser would read otherwise, or not at all."""
        looks = self._scan(values)
        found = {int(i): self._fault(values[i], int(looks[i])) for i in np.flatnonzero(looks)}
        return {i: why for i, why in found.items() if why}

    def _fault(self, value: bytes, look: int) -> str:
        """What is wrong with a value that looks so, or nothing."""
        if look & LARGE:
            return f"the record has {len(value):,} bytes, and a transaction at most {LARGEST:,}"
        if look & WIDE and (why := faults.not_utf8(value)):
            return why
        if look & DEEP and _depth(value) > faults.DEEPEST:
            return faults.TOO_DEEP
        if look & TWICE and (name := self._twice(value)):
            return f"`{name}` stands twice in the record, and it is open which of them counts"
        return ""

    def _twice(self, value: bytes) -> str:
        """A field of ours that stands twice in the record, or twice in its `features`."""
        pairs = json.loads(value, object_pairs_hook=list, parse_int=float)
        inside = [each for name, values in pairs if name == "features" for each in values or []]
        names = Counter(name for name, _ in pairs if name in self._fields)
        names.update(f"features.{name}" for name, _ in inside if name in self.record_features)
        return next((name for name, times in names.items() if times > 1), "")

    def _columns(self, records: list[Transaction]) -> Columns:
        rows = np.empty(len(records), TRANSACTION)
        if records:
            rows["time"] = strings.times([r.timestamp for r in records])
            rows["amount"] = [r.amount for r in records]
            rows["transaction"] = strings.hashes([r.transaction_id for r in records])
            rows["device"] = strings.hashes([r.device_id for r in records])
            rows["country"] = strings.countries([r.country for r in records])
            rows["category"] = strings.folded(strings.hashes([r.merchant_category for r in records]))
            strings.joined([r.user_id for r in records])
        return Columns(rows, self._extra(records))

    def _extra(self, records: list[Transaction]) -> npt.NDArray[np.float64]:
        extra = np.full((len(records), len(self.record_features)), np.nan)
        for k in range(len(self.record_features)):
            name = f"f{k}"
            extra[:, k] = [np.nan if r.features is None else getattr(r.features, name) for r in records]
        return extra


def _shape(names: tuple[str, ...]) -> type[Transaction]:
    """Transaction, but of `features` only what is asked for is made into objects."""
    wanted = [(f"f{k}", float | None, np.nan) for k in range(len(names))]
    rename = {f"f{k}": name for k, name in enumerate(names)}
    features: Any = msgspec.defstruct("Features", wanted, rename=rename, gc=False, frozen=True)
    return msgspec.defstruct(
        "TransactionWithFeatures",
        [("features", features | None, None)],
        bases=(Transaction,),
        gc=False,
        frozen=True,
    )  # type: ignore[return-value]


def _depth(value: bytes) -> int:
    """How many brackets are open at once."""
    depth = deepest = 0
    for byte in _TEXT.sub(b"", value):
        depth += (byte in b"[{") - (byte in b"]}")
        deepest = max(deepest, depth)
    return deepest


def _unfit(records: list[Transaction]) -> dict[int, str]:
    """Rows with a control character in one of their identifiers."""
    return {
        i: f"`{name}` contains a control character: {faults.quoted(getattr(record, name))}"
        for i, record in enumerate(records)
        for name in _IDENTIFIERS
        if _CONTROL.search(getattr(record, name))
    }


def _out_of_time(
    records: list[Transaction], times: npt.NDArray[np.int64], arrived: npt.NDArray[np.int64]
) -> dict[int, str]:
    """Rows whose ``times`` (n,) in microseconds are none, or impossible."""
    latest = np.where(arrived >= 0, arrived * 1_000 + MOST_AHEAD, LATEST)
    wrong = np.flatnonzero((times < EARLIEST) | (times > latest))
    return {int(i): _time_fault(records[i].timestamp, int(times[i])) for i in wrong}


def _time_fault(text: str, time: int) -> str:
    shown = f"`timestamp` {faults.quoted(text)}"
    if time == strings.UNKNOWN:
        leap = " (leap seconds are not counted)" if text[16:19] == ":60" else ""
        return f"{shown} is no RFC 3339 time{leap}"
    if time < EARLIEST:
        return f"{shown} lies before 2000"
    return f"{shown} lies more than a day after the record reached Kafka"
