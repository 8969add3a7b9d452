"""A synthetic file in the schema of IEEE-CIS: the generator's traffic, in 434 columns.

Purpose: `sentinel datasets synthesize`. The same number and seed give the same file.

Design: the traffic is made as a whole (48 bytes a transaction); its columns are made and written one
row group at a time. What the generator knows becomes the columns that have a meaning; the masked ones
are made in their manner (`masked`, `devices`). Scenario and episode go into the metadata (`truth`).

Not here: who buys what, and how fraud comes about (`traffic`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import parquet

from datasets import devices, ieee_cis, masked
from datasets.files import replacing
from datasets.importing import COMPRESSION, ROW_GROUP
from datasets.masked import Floats, texts, whole
from datasets.traffic import HONEST, SCENARIO_NAMES, USERS, Plan, Traffic, TransactionRows
from datasets.traffic.calibration import PRODUCTS, W, counts
from datasets.traffic.chance import Choice, Ints, mix, share
from datasets.traffic.day import DAY, SECOND
from datasets.traffic.places import UNITED_STATES
from datasets.traffic.plan import TRANSACTIONS_PER_DAY
from datasets.truth import Truth
from sentinel_cli.errors import InputError

FIRST_ID = 2_987_000
START = 1_512_086_400 * SECOND  # 2017-12-01T00:00:00Z, where the genuine file is assumed to begin
# Many users rather than many days, or the habits of a few would show in every distribution; but no
# file is shorter than a week.
SHORTEST_DAYS = 7
NEW_ACCOUNTS = 0.6  # the share of users whose account begins with their first transaction
MEAN_AGE_DAYS, OLDEST_DAYS = 150.0, 640.0  # of the others'

_ADDRESSES = 330
_FOREIGN_ISSUERS = np.array([185, 106, 146, 144, 119, 117, 143, 102])  # card3 outside the United States
_PRODUCTS = np.array([226, 224, 166, 102, 117, 138, 195, 137, 126, 219])  # card5
_COUNTRIES = np.array([60, 96, 32, 65, 16])  # addr2 outside the United States
_SALTS = range(100, 110)  # what a hash is for
_CARD1, _RANK, _CARD2, _CARD3, _CARD5, _NO_CARD2, _NO_CARD5, _ADDR1, _ADDR2, _AGE = _SALTS


@dataclass(frozen=True)
class _Facts:
    """What is asked of all rows at once, since it follows from a user's other rows; shape (n,)."""

    rows: TransactionRows
    age: Floats
    gap: Floats
    nth: Floats

    def part(self, first: int, last: int) -> _Facts:
        return _Facts(self.rows[first:last], self.age[first:last], self.gap[first:last], self.nth[first:last])


def run(n: int, out: Path, seed: int, advance: Callable[[int], None] = lambda _: None) -> None:
    """Write ``n`` transactions to ``out``, all of it or nothing. ``advance`` is told of rows written."""
    if n < 1:
        raise InputError("A synthetic file needs at least one transaction.")
    users = min(USERS, math.ceil(n / (SHORTEST_DAYS * TRANSACTIONS_PER_DAY)))
    traffic = Traffic(Plan(seed, START, users))
    facts = _facts(traffic.take(n), seed)
    truth = Truth.of(SCENARIO_NAMES, facts.rows["scenario"], facts.rows["episode"])
    writer: parquet.ParquetWriter | None = None
    with replacing(out) as beside:
        for first in range(0, n, ROW_GROUP):
            rng = np.random.default_rng([seed, first])
            table = _table(traffic, facts.part(first, first + ROW_GROUP), first, rng)
            writer = writer or parquet.ParquetWriter(
                beside, table.schema.with_metadata(truth.metadata()), compression=COMPRESSION
            )
            writer.write_table(table.replace_schema_metadata(truth.metadata()), row_group_size=len(table))
            advance(len(table))
        assert writer
        writer.close()


def _facts(rows: TransactionRows, seed: int) -> _Facts:
    user, time = rows["user"].astype(np.int64), rows["time"]
    order = np.lexsort((time, user))
    first = np.append(True, np.diff(user[order]) != 0)
    place = np.arange(len(rows))
    begun = np.maximum.accumulate(np.where(first, place, 0))
    nth, gap, age = np.empty(len(rows)), np.empty(len(rows)), np.empty(len(rows))
    nth[order] = place - begun
    gap[order] = np.where(first, np.nan, np.diff(time[order], prepend=0) / DAY)
    day = (time - START) // DAY
    first_day = day[order][begun]
    chance = share(mix(seed, user[order], _AGE))
    older = (chance - NEW_ACCOUNTS) / (1 - NEW_ACCOUNTS)
    before = np.where(older > 0, -MEAN_AGE_DAYS * np.log(np.maximum(1 - older, 1e-9)), 0.0)
    age[order] = day[order] - first_day + np.minimum(np.floor(before), OLDEST_DAYS)
    return _Facts(rows, age, gap, nth)


def _table(traffic: Traffic, facts: _Facts, first: int, rng: np.random.Generator) -> pa.Table:
    rows = facts.rows
    online = rows["product"] != W
    amount = rows["amount"] / 1000
    fraud = rows["scenario"] != HONEST
    day = (rows["time"] - START) / DAY
    columns: dict[str, pa.Array] = {
        ieee_cis.ID: pa.array(np.arange(FIRST_ID + first, FIRST_ID + first + len(rows)), pa.int32()),
        ieee_cis.LABEL: pa.array(fraud.astype(np.int8)),
        ieee_cis.TIME: pa.array((rows["time"] - START) // SECOND + 86_400, pa.int32()),
        ieee_cis.AMOUNT: pa.array(amount),
        "ProductCD": texts(PRODUCTS, rows["product"], np.ones(len(rows), np.bool_)),
    }
    columns |= _card(traffic, rows["user"].astype(np.int64))
    columns |= _distances(online, rng) | _emails(traffic, rows, online, rng)
    behaviour = masked.Behaviour(fraud, online, day, facts.age, facts.gap, facts.nth, amount)
    columns |= dict(masked.columns(behaviour, rng))
    there = online & (rng.random(len(rows)) < 0.957)
    columns |= dict(devices.columns(rows["device"], rows["device_type"], there, rng))
    return pa.table({name: columns[name] for name in ieee_cis.COLUMNS})


def _card(traffic: Traffic, user: Ints) -> dict[str, pa.Array]:
    """The card, all of it following from its number, and the address behind it."""
    users, salt = traffic.world.users, traffic.plan.seed
    network, kind = users.network[user], users.card_type[user]
    home = users.home[user] == UNITED_STATES
    every = np.ones(len(user), np.bool_)
    # Some cards' numbers (they are hashes of an issuer's range) stand for many people, most for few.
    rank = np.floor(share(mix(salt, user, _RANK)) ** 2 * 900).astype(np.int64)
    card1 = 1000 + (mix(_CARD1, network, kind, home.astype(np.int64), rank) % np.uint64(17_397)).astype(
        np.int64
    )
    country = np.where(home, 87, _picked(_COUNTRIES, mix(user, _ADDR2)))
    region = 100 + np.floor(share(mix(salt, user, _ADDR1)) ** 1.5 * _ADDRESSES)
    return {
        "card1": pa.array(card1, pa.int16()),
        "card2": whole(
            100 + share(mix(card1, _CARD2)) * 500 // 1, share(mix(card1, _NO_CARD2)) > 0.015, pa.int16()
        ),
        "card3": pa.array(np.where(home, 150, _picked(_FOREIGN_ISSUERS, mix(card1, _CARD3))), pa.int16()),
        "card4": texts(tuple(counts("card_network")[0]), network, every),
        "card5": whole(
            _picked(_PRODUCTS, mix(card1, _CARD5)), share(mix(card1, _NO_CARD5)) > 0.007, pa.int16()
        ),
        "card6": texts(tuple(counts("card_type")[0]), kind, every),
        "addr1": whole(region, home, pa.int16()),
        "addr2": whole(country, home | (share(mix(user, _ADDR1)) < 0.07), pa.int16()),
    }


def _distances(online: npt.NDArray[np.bool_], rng: np.random.Generator) -> dict[str, pa.Array]:
    far = np.floor(np.exp(2.2 + 1.9 * rng.standard_normal((2, len(online))))).clip(0, 10_286)
    chance = rng.random((2, len(online)))
    return {
        "dist1": whole(far[0], ~online & (chance[0] < 0.54), pa.int16()),
        "dist2": whole(far[1], online & (chance[1] < 0.25), pa.int16()),
    }


def _emails(
    traffic: Traffic, rows: TransactionRows, online: npt.NDArray[np.bool_], rng: np.random.Generator
) -> dict[str, pa.Array]:
    """The purchaser's domain; the recipient's, online alone, is mostly the same."""
    names, weights, _ = counts("email_domain")
    none = names.index("")
    purchaser = traffic.world.users.email[rows["user"]]
    other = Choice(np.where(np.arange(len(names)) == none, 0, weights)).choose(rng.random(len(rows)))
    recipient = np.where((purchaser != none) & (rng.random(len(rows)) < 0.8), purchaser, other)
    return {
        "P_emaildomain": texts(tuple(names), purchaser, purchaser != none),
        "R_emaildomain": texts(tuple(names), recipient, online & (rng.random(len(rows)) < 0.91)),
    }


def _picked(table: npt.NDArray[Any], hashes: npt.NDArray[np.uint64]) -> npt.NDArray[Any]:
    return np.asarray(table[(hashes % np.uint64(len(table))).astype(np.int64)])
