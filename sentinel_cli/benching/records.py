"""The records that are measured: JSON, 280 bytes unless more is asked for; and how many have to alert.

Purpose: traffic of a known shape (`sentinel produce` makes traffic of a likely one), and the scorecard
under which exactly the chosen share of it alerts, however often a user comes.

Design: users are drawn evenly, each lives at two transactions a day, and time ends about now, as
detectors refuse the future. An amount of ALARMING or more is what alerts. The scorecard is the
packaged one, so it does the same work; only its points are small, but for the amount's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from itertools import islice, product
from string import ascii_lowercase, digits
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sentinel_cli.engine.jsonrows import DECIMAL, DIGITS, HEX, TEXT, TIME, Field, Writer

Ints = npt.NDArray[np.int64]

SEED = 7
DAY = 86_400_000_000  # event time is in microseconds since 1970, UTC
A_DAY = 2  # transactions of each user
LONGEST_DAYS = 7_300  # beyond some 20 years users live faster: what is before 2000 is refused
SLICE = 8_192  # records made at once

# Thousandths of the currency. Four bands, so that alerts of each severity occur.
ALARMING = (5_000_000, 6_000_000, 7_000_000, 8_000_000)
HIGHEST = 9_000_000
POINTS = (5.3, 5.9, 7.0, 9.0)
BIAS = -4.0
THRESHOLD = 0.7
# The other points are scaled by this: even all together they then alert nobody.
QUIETER = 0.05

CATEGORIES = ("5411", "5541", "5812", "5732", "4121", "5999", "7011", "5912")
DEVICES = ("desktop", "android", "iphone ", "tablet ")
_NAMES = tuple(map("".join, product(ascii_lowercase, ascii_lowercase + digits)))  # of numbers for models
MOST_FEATURES = len(_NAMES)


@dataclass(frozen=True)
class Shape:
    """``hot``: one user has half of the traffic. ``features``: how many numbers the record's map for
    models holds, 7 bytes each, at most MOST_FEATURES. ``alerts``: the share of records that alert."""

    records: int
    users: int = 20_000
    hot: bool = False
    features: int = 0
    alerts: float = 0.01


class Slice(NamedTuple):
    """``alerts`` are the indexes of the records that alert, counted over all slices; a record's
    transaction_id ends with its index."""

    keys: list[bytes]
    values: list[bytes]
    alerts: Ints


def slices(shape: Shape, now: int) -> Iterator[Slice]:
    """All records of ``shape``, whose time ends at ``now``; the same shape gives the same ones."""
    rng = np.random.default_rng(SEED)
    writer = _writer(shape.features)
    span = min(shape.records / (shape.users * A_DAY), LONGEST_DAYS) * DAY
    for first in range(0, shape.records, SLICE):
        index = np.arange(first, min(first + SLICE, shape.records))
        users, amounts = _users(shape, rng, len(index)), _amounts(shape, rng, len(index))
        times = (now - span + index * (span / shape.records)).astype(np.int64)
        columns = _columns(rng, index, users, times, amounts)
        lines = writer.write([*columns, *rng.integers(0, 10, (shape.features, len(index)))])
        keys = [b"user_%07d" % user for user in users.tolist()]
        yield Slice(keys, lines.split(), index[amounts >= ALARMING[0]])


def index_of(transaction_id: str) -> int:
    """Which record this is the id of."""
    return int(transaction_id.removeprefix("T_bench_"))


def scorecard() -> str:
    """The packaged scorecard with small points, except that ALARMING amounts alert."""
    packaged = resources.files("sentinel_cli.engine").joinpath("scorecard.toml").read_text("utf-8")
    quiet = re.sub(r"(?m)^(?:points|missing) = .*$", lambda line: _quieter(line[0]), packaged)
    quiet = re.sub(r"(?m)^bias = .*$", f"bias = {BIAS}", quiet)
    cuts = ", ".join(str(amount // 1000) for amount in ALARMING)
    points = ", ".join(map(str, POINTS))
    return re.sub(
        r'(?m)^feature = "amount"\ncuts = .*\npoints = .*$',
        f'feature = "amount"\ncuts = [{cuts}]\npoints = [0.0, {points}]',
        quiet,
    )


def _quieter(line: str) -> str:
    return re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]) * QUIETER:.4f}", line)


def _users(shape: Shape, rng: np.random.Generator, n: int) -> Ints:
    users = rng.integers(1, shape.users + 1, n)
    if shape.hot:
        users[rng.random(n) < 0.5] = 1
    return users


def _amounts(shape: Shape, rng: np.random.Generator, n: int) -> Ints:
    ordinary = np.clip(rng.lognormal(4, 1, n) * 100, 100, 400_000).astype(np.int64) * 10
    alarming = rng.integers(ALARMING[0], HIGHEST, n)
    return np.where(rng.random(n) < shape.alerts, alarming, ordinary)


def _columns(rng: np.random.Generator, index: Ints, users: Ints, times: Ints, amounts: Ints) -> list[Ints]:
    """In the order of the writer's fields. A user keeps a device, and in one of fifty takes another."""
    n = len(index)
    devices = users * 1_000_003 + np.where(rng.random(n) < 0.02, rng.integers(1, 4, n), 0)
    return [
        index,
        users,
        times,
        amounts,
        rng.integers(1, 5_000, n),
        rng.integers(0, len(CATEGORIES), n),
        devices,
        users % len(DEVICES),
    ]


def _writer(features: int) -> Writer:
    names = [f',"{name}":' for name in islice(_NAMES, features)]
    return Writer(
        (
            Field('{"transaction_id":"T_bench_', DIGITS, 10),
            Field('","user_id":"user_', DIGITS, 7),
            Field('","timestamp":"', TIME),
            Field('","amount":', DECIMAL),
            Field(',"currency":"USD","country":"US","merchant_id":"m_', DIGITS, 5),
            Field('","merchant_category":"', TEXT, texts=CATEGORIES),
            Field('","device_id":"d_', HEX, 12),
            Field('","card_network":"visa","device_type":"', TEXT, texts=DEVICES),
            *(Field(f'","features":{{{names[0][1:]}', DIGITS, 1) for _ in names[:1]),
            *(Field(name, DIGITS, 1) for name in names[1:]),
        ),
        "}}" if features else '"}',
    )
