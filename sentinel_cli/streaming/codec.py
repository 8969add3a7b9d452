"""JSON records in, columns out; whatever is no transaction becomes a value with a reason.

Purpose: decode and validate a batch of `transactions`, the plain way: msgspec into structs, then
one array a field.

Design: everything here is a function of the record alone, so that a record is good or bad wherever
and whenever it is read. The fast way assumes that a batch is good and looks at it as a whole; only
when that fails is each record looked at by itself.

Not here: where the bytes come from (``plain_source``), where bad ones go (``worker``).
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from sentinel_cli.engine import strings
from sentinel_cli.engine.columns import TRANSACTION, Columns
from sentinel_cli.records import Transaction

# Event times outside these are a broken clock or a wrong unit, not a transaction: card networks'
# electronic records are younger, and a time from 2099 would hold a user's windows for ever.
EARLIEST = 946_684_800_000_000  # 2000-01-01T00:00:00Z in microseconds
# How far a time may be ahead of the moment Kafka received the record: a zone read wrongly is at
# most 14 hours, a day is beyond every honest clock.
MOST_AHEAD = 86_400_000_000
LATEST = 4_102_444_800_000_000  # 2100-01-01T00:00:00Z, for records that carry no Kafka timestamp


@dataclass(frozen=True, slots=True)
class Decoded:
    """``good`` (n,) are the positions of the transactions among the values, ``bad`` the others with
    the reason of each; ``users`` and ``columns`` have a row for each good one."""

    good: list[int]
    users: list[str]
    columns: Columns
    bad: list[tuple[int, str]]


class Decoder:
    """Decodes batches of values; ``record_features`` names what the scorecard wants of `features`."""

    def __init__(self, record_features: tuple[str, ...]) -> None:
        self._names = record_features
        self._decode = msgspec.json.Decoder(_shape(record_features)).decode

    def decode(self, values: list[bytes | None], arrived: npt.NDArray[np.int64]) -> Decoded:
        """``arrived`` (len(values),): Kafka's timestamps in milliseconds, -1 for none."""
        records: list[Transaction] = []
        good: list[int] = []
        bad: list[tuple[int, str]] = []
        decode = self._decode
        for at, value in enumerate(values):
            try:
                records.append(decode(value))  # type: ignore[arg-type]
                good.append(at)
            except (msgspec.DecodeError, UnicodeDecodeError, TypeError, RecursionError) as error:
                bad.append((at, _reason(value, error)))
        try:
            columns = self._columns(records)
        except ValueError:  # NUL or a surrogate somewhere: find out where
            return self._one_by_one(values, arrived)
        times = columns.rows["time"]
        latest = np.where(arrived[good] >= 0, arrived[good] * 1_000 + MOST_AHEAD, LATEST) if good else times
        wrong = (times < EARLIEST) | (times > latest)
        if wrong.any():
            bad += [
                (good[i], _time_reason(records[i].timestamp, int(times[i]))) for i in np.flatnonzero(wrong)
            ]
            keep = np.flatnonzero(~wrong)
            columns = Columns(columns.rows[keep], columns.extra[keep])
            records, good = [records[i] for i in keep], [good[i] for i in keep]
        return Decoded(good, [r.user_id for r in records], columns, sorted(bad))

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
        extra = np.full((len(records), len(self._names)), np.nan)
        for k in range(len(self._names)):
            field = f"f{k}"
            extra[:, k] = [np.nan if r.features is None else getattr(r.features, field) for r in records]
        return extra

    def _one_by_one(self, values: list[bytes | None], arrived: npt.NDArray[np.int64]) -> Decoded:
        good: list[int] = []
        bad: list[tuple[int, str]] = []
        for at, value in enumerate(values):
            try:
                self._columns([self._decode(value)])  # type: ignore[arg-type]
                good.append(at)
            except (msgspec.DecodeError, UnicodeDecodeError, TypeError, RecursionError) as error:
                bad.append((at, _reason(value, error)))
            except ValueError:
                bad.append((at, "a text contains NUL or half a surrogate pair"))
        rest = self.decode([values[i] for i in good], arrived[good])
        bad += [(good[i], reason) for i, reason in rest.bad]
        return Decoded([good[i] for i in rest.good], rest.users, rest.columns, sorted(bad))


def _shape(names: tuple[str, ...]) -> type[Transaction]:
    """Transaction, but of `features` only what is asked for is made into objects."""
    if not names:
        return Transaction
    wanted = [(f"f{k}", float | None, np.nan) for k in range(len(names))]
    rename = {f"f{k}": name for k, name in enumerate(names)}
    features = msgspec.defstruct("Features", wanted, rename=rename, gc=False, frozen=True)
    return msgspec.defstruct(
        "TransactionWithFeatures",
        [("features", features | None, None)],
        bases=(Transaction,),
        gc=False,
        frozen=True,
    )  # type: ignore[return-value]


def _reason(value: bytes | None, error: Exception) -> str:
    if value is None:
        return "the record has no value"
    if isinstance(error, RecursionError):
        return "the JSON is nested too deeply"
    return str(error)


def _time_reason(text: str, time: int) -> str:
    if time == strings.UNKNOWN:
        return f"timestamp {text[:64]!r} is no RFC 3339 time"
    if time < EARLIEST:
        return f"timestamp {text[:64]!r} lies before 2000"
    return f"timestamp {text[:64]!r} lies more than a day after the record reached Kafka"
