"""What genuine traffic looks like, as numbers to draw from: the aggregates of `ieee_cis.json`.

Purpose: amounts by product, hours, products, cards, devices and email domains, each for all
transactions and with the share of fraud in each.

Design: amounts come from quantiles. Between two known quantiles ln(amount) runs straight over the
normal score, so each product's amounts are lognormal in pieces. Product W, three quarters of all,
takes what the amount bands leave when the other products are accounted for: thus the bands hold too.

Not here: who spends (`population`), and what fraud does with it (`scenarios`).
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from statistics import NormalDist
from typing import Any

import numpy as np

from datasets.traffic.chance import Floats, Ints

PRODUCTS = ("W", "C", "R", "H", "S")
W, C, R, H, S = range(5)

QUANTILES = ("p05", "p25", "p50", "p75", "p95", "p99")
_LEVELS = (0.05, 0.25, 0.50, 0.75, 0.95, 0.99)
_SCORE = NormalDist().inv_cdf

# Normal scores beyond this are as good as impossible (3 in a million); amounts end there.
FARTHEST = 4.5
_CELLS = 4096
# Prices come in steps, in thousandths of the currency's unit: C is converted from other currencies.
STEP = np.array([500, 1, 25_000, 5_000, 5_000])
LARGEST = 31_937_391  # the file's largest amount, in thousandths


@cache
def statistics() -> dict[str, Any]:
    """The file as it is: `measured`, `published` and their source."""
    text = resources.files("datasets.traffic").joinpath("ieee_cis.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def counts(table: str) -> tuple[list[str], Floats, Floats]:
    """The values of a column, how many transactions each has, and how many of those were fraud."""
    known = statistics()
    rows = known["measured"].get(table) or known["published"][table]
    pairs = [(r["n"], r["fraud"]) if isinstance(r, dict) else r for r in rows.values()]
    n, rate = np.array(pairs, np.float64).T
    return list(rows), n, n * rate


def hours() -> tuple[Floats, Floats]:
    """Shape (24,) each: transactions, and frauds, by hour of the day."""
    _, n, fraud = counts("by_hour")
    return n, fraud


def product_counts() -> tuple[Floats, Floats]:
    """Shape (5,) each, in the order of PRODUCTS: transactions, and frauds."""
    names, n, fraud = counts("by_product")
    order = [names.index(product) for product in PRODUCTS]
    return n[order], fraud[order]


def amounts(product: Ints, score: Floats, ending: Floats) -> Ints:
    """Amounts in thousandths of the unit, for normal scores of spending.

    ``ending`` in [0, 1) decides whether a price of product W ends in a full or half unit or just
    below one, which leaves every amount band as it is.
    """
    table = _table()
    place = (np.clip(score, -FARTHEST, FARTHEST) + FARTHEST) * ((_CELLS - 1) / (2 * FARTHEST))
    cell = np.minimum(place.astype(np.int64), _CELLS - 2)
    low, high = table[product, cell], table[product, cell + 1]
    exact = low + (high - low) * (place - cell)
    step = STEP[product]
    rounded = np.maximum(np.rint(exact / step), 1).astype(np.int64) * step
    just_below = (product == W) & (ending < 0.45)
    return np.asarray(np.minimum(rounded - just_below * 50, LARGEST))


@cache
def _table() -> Floats:
    """Shape (5, cells): the amount in thousandths at evenly spaced normal scores, by product."""
    scores = np.linspace(-FARTHEST, FARTHEST, _CELLS)
    rows = np.empty((len(PRODUCTS), _CELLS))
    for product in (C, R, H, S):
        rows[product] = np.exp(np.interp(scores, *_with_tails(*_quantiles(PRODUCTS[product]))))
    rows[W] = np.exp(np.interp(scores, *_with_tails(*_left_by_the_others(scores, rows))))
    return rows * 1000


def _quantiles(product: str) -> tuple[Floats, Floats]:
    known = statistics()["measured"]["amt_by_product"][product]
    return np.array([_SCORE(level) for level in _LEVELS]), np.log([known[q] for q in QUANTILES])


def _left_by_the_others(scores: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """Normal scores and ln(amount) of product W at the upper edges of the amount bands."""
    names, n, _ = counts("by_amt_band")
    edges = np.array([float(name.strip("(]").split(",")[1]) for name in names[:-1]])
    below = np.cumsum(n[:-1]) / n.sum()
    products, _ = product_counts()
    shares = products / products.sum()
    for product in (C, R, H, S):
        step = STEP[product] / 1000
        prices = np.rint(rows[product] / step) * step
        below -= shares[product] * np.array([_share_up_to(edge, prices, scores) for edge in edges])
    levels = below / shares[W]
    sound = (levels > 1e-4) & (np.diff(levels, prepend=0) > 1e-4)
    scores_w, logs = _quantiles("W")
    return (
        np.append([_SCORE(float(level)) for level in levels[sound]], scores_w[-1:]),
        np.append(np.log(edges[sound]), logs[-1:]),
    )


def _share_up_to(edge: float, prices: Floats, scores: Floats) -> float:
    """How much of a normal distribution lies at the scores whose price is at most ``edge``."""
    inside = np.count_nonzero(prices <= edge)
    return NormalDist().cdf(float(scores[inside - 1])) if inside else 0.0


def _with_tails(scores: Floats, logs: Floats) -> tuple[Floats, Floats]:
    """Goes on straight beyond the first and the last known quantile."""
    low = logs[0] + (logs[1] - logs[0]) / (scores[1] - scores[0]) * (-FARTHEST - scores[0])
    high = logs[-1] + (logs[-1] - logs[-2]) / (scores[-1] - scores[-2]) * (FARTHEST - scores[-1])
    return np.concatenate([[-FARTHEST], scores, [FARTHEST]]), np.concatenate([[low], logs, [high]])
