"""What honest users do: they shop in small bouts, mostly as they always do, and sometimes not.

Purpose: transactions of honest users for a span of event time, as rows.

Design: somebody starts to shop and buys once or several times within minutes. Most purchases go to
favourite merchants on the usual device at home. Some do not: people travel, get a new phone, borrow
one, buy from a shop abroad, go on a spree. A detector that alarms at each of these is wrong.

Not here: how many bouts a span holds (`stream`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datasets.traffic import calibration, places
from datasets.traffic.chance import Floats, Hashes, Ints, Rows, mix, share
from datasets.traffic.day import SECOND
from datasets.traffic.merchants import Merchants
from datasets.traffic.population import Users, device_type, new_devices

HONEST = -1  # scenario and episode of a row that is no fraud

# One transaction, planned. Small numbers are positions in the tables of this package.
ROW = np.dtype(
    [
        ("time", "<i8"),  # event time, microseconds since 1970 UTC
        ("device", "<u8"),
        ("amount", "<i8"),  # thousandths of the currency's unit
        ("user", "<i4"),
        ("merchant", "<i4"),
        ("episode", "<i4"),
        ("country", "<i2"),
        ("scenario", "i1"),
        ("product", "i1"),
        ("device_type", "i1"),
    ],
    align=True,
)
TransactionRows = npt.NDArray[np.void]

# The share of a user's own level in the variance of a purchase's normal score.
LEVEL_SHARE = 0.45

# Purchases in one bout: one and a geometric number of more. The file's gaps: a quarter below 51 min.
ONE_MORE = 0.18
SPREE, SPREE_SIZE = 0.008, (4, 12)
GAP_S, GAP_SIGMA, LONGEST_GAP_S = 300.0, 1.2, 2 * 3600.0

FAVOURITES, FAVOURITE_SHARE = 6, 0.75
BORROWED_DEVICE = 0.015
SHOP_ABROAD = 0.006  # an order from a merchant in another country, on the sofa at home


@dataclass(frozen=True)
class World:
    """Everything that was drawn once: who there is, and where they can buy."""

    users: Users
    merchants: Merchants
    honest_products: Rows  # row: 0 at home in the United States, 1 elsewhere
    fraud_products: Rows


def bouts(world: World, rng: np.random.Generator, user: Ints, start: Ints) -> TransactionRows:
    """The purchases of bouts that begin at ``start``; bouts of users on the way between places drop out."""
    place, moving = world.users.whereabouts(user, start)
    user, start, place = user[~moving], start[~moving], place[~moving]
    n = len(user)
    size = rng.geometric(1 - ONE_MORE, n)
    spree = rng.random(n) < SPREE
    size[spree] = rng.integers(*SPREE_SIZE, np.count_nonzero(spree))
    device = _device(world.users, rng, user, start)
    bout, time = walk(rng, start, size, GAP_S, GAP_SIGMA, LONGEST_GAP_S)
    rows = purchases(world, rng, user[bout], time, world.honest_products)
    rows["device"], rows["device_type"] = device[bout], device_type(device)[bout]
    rows["country"] = place[bout]
    abroad = np.flatnonzero(rng.random(len(rows)) < SHOP_ABROAD)
    rows["country"][abroad] = places.VISITS.choose(rng.random(len(abroad)))
    rows["merchant"] = _merchants(world, rng, rows)
    return rows


def walk(
    rng: np.random.Generator, start: Ints, size: Ints, gap_s: float, sigma: float, longest_s: float
) -> tuple[Ints, Ints]:
    """Series of moments: series i begins at ``start[i]`` and has ``size[i]`` of them.

    Gaps are lognormal around ``gap_s`` seconds. Returns for each moment its series and its time.
    """
    series = np.repeat(np.arange(len(size)), size)
    first = np.cumsum(size) - size
    gap = np.minimum(gap_s * np.exp(sigma * rng.standard_normal(len(series))), longest_s)
    gap[first] = 0.0
    passed = np.cumsum(gap)
    return series, start[series] + ((passed - passed[first][series]) * SECOND).astype(np.int64)


def purchases(
    world: World,
    rng: np.random.Generator,
    user: Ints,
    time: Ints,
    products: Rows,
    shift: Floats | float = 0.0,
) -> TransactionRows:
    """Rows with user, time, product and amount; the rest is the caller's.

    ``shift`` moves the amounts, in standard deviations of everybody's amounts for that product.
    """
    n = len(user)
    rows = np.zeros(n, ROW)
    rows["user"], rows["time"] = user, time
    rows["scenario"] = rows["episode"] = HONEST
    elsewhere = (world.users.home[user] != places.UNITED_STATES).astype(np.int64)
    product = products.choose(rng.random(n), elsewhere)
    level = world.users.level[user] * LEVEL_SHARE**0.5
    score = level + rng.standard_normal(n) * (1 - LEVEL_SHARE) ** 0.5 + shift
    rows["product"], rows["amount"] = product, calibration.amounts(product, score, rng.random(n))
    return rows


def product_rows() -> tuple[Rows, Rows]:
    """How honest users and thieves spread over products, by home: their sums are the file's.

    Cards from elsewhere buy mostly through C, where the file has nearly all of its foreign cards.
    """
    known = calibration.statistics()["measured"]
    all_, fraud = calibration.product_counts()
    elsewhere = np.array([0.07, 0.80, 0.05, 0.05, 0.03])  # in the order of PRODUCTS
    foreign = 1 - known["card3_150_share"]
    of_fraud = foreign * known["fraud_card3_not150"] * all_.sum() / fraud.sum()
    return (
        Rows([_rest((all_ - fraud) / (all_ - fraud).sum(), elsewhere, foreign), elsewhere]),
        Rows([_rest(fraud / fraud.sum(), elsewhere, of_fraud), elsewhere]),
    )


def _rest(total: Floats, part: Floats, weight: float) -> Floats:
    return np.maximum(total - weight * part, 0.0)


def _device(users: Users, rng: np.random.Generator, user: Ints, time: Ints) -> Hashes:
    slot = (users.devices[user] * rng.random(len(user)) ** 2.5).astype(np.int64)
    device = users.device(user, slot, time)
    borrowed = np.flatnonzero(rng.random(len(user)) < BORROWED_DEVICE)
    device[borrowed] = new_devices(rng, len(borrowed))
    return device


def _merchants(world: World, rng: np.random.Generator, rows: TransactionRows) -> Ints:
    """Mostly one of the user's favourites for that product, else any, by popularity."""
    n = len(rows)
    product = rows["product"].astype(np.int64)
    which = (FAVOURITES * rng.random(n) ** 2).astype(np.int64)
    taste = share(mix(world.users.salt, rows["user"], product * FAVOURITES + which))
    usual = rng.random(n) < FAVOURITE_SHARE
    return world.merchants.popular.choose(np.where(usual, taste, rng.random(n)), product)
