"""The shops: what they sell, how popular they are, and what thieves like about them.

Purpose: one table of merchants and the two ways to choose among them.

Design: a merchant belongs to one product (the file's ProductCD: a channel of sale) and one category
(ISO 18245). Popularity falls off with rank as in Zipf's law. Thieves prefer what can be sold again,
but no merchant is theirs alone. Numbers are shuffled: an id says nothing about the product.

Not here: whose favourite a merchant is (`habits`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from datasets.traffic.calibration import C, H, R, S, W
from datasets.traffic.chance import Choice, Ints


class Category(NamedTuple):
    """``loot`` says how much more often thieves buy here than honest people do."""

    code: str
    name: str
    weight: float
    loot: float


CATEGORIES: dict[int, tuple[Category, ...]] = {
    W: (
        Category("5411", "grocery stores", 24, 0.7),
        Category("5541", "service stations", 12, 1.0),
        Category("5812", "restaurants", 12, 0.6),
        Category("5814", "fast food", 10, 0.6),
        Category("5912", "drug stores", 7, 1.0),
        Category("5311", "department stores", 9, 1.4),
        Category("5651", "clothing", 8, 1.3),
        Category("5732", "electronics", 6, 2.4),
        Category("5200", "home supply", 6, 1.2),
        Category("4111", "local transport", 3, 0.6),
        Category("5944", "jewellery", 2, 2.4),
        Category("8099", "medical services", 1, 0.4),
    ),
    C: (
        Category("5816", "digital games", 24, 1.5),
        Category("5817", "applications", 18, 1.2),
        Category("5818", "large digital goods", 20, 1.4),
        Category("5815", "books, films, music", 18, 0.8),
        Category("5399", "general merchandise", 20, 0.9),
    ),
    R: (
        Category("5947", "gift cards", 40, 1.5),
        Category("4814", "telephone services", 40, 0.8),
        Category("6540", "stored value", 20, 1.3),
    ),
    H: (
        Category("4511", "airlines", 30, 1.3),
        Category("7011", "hotels", 30, 0.9),
        Category("4722", "travel agencies", 20, 1.2),
        Category("7922", "tickets", 20, 1.0),
    ),
    S: (
        Category("5968", "subscriptions", 40, 0.9),
        Category("4816", "computer network services", 30, 1.2),
        Category("7372", "programming services", 20, 1.1),
        Category("8398", "charities", 10, 1.0),
    ),
}
CODES = tuple(category.code for product in sorted(CATEGORIES) for category in CATEGORIES[product])

# Merchants of each product, in the order of calibration.PRODUCTS.
NUMBERS = (2600, 600, 200, 300, 300)
TOTAL = sum(NUMBERS)
# Zipf-Mandelbrot: weight (rank + 8) ** -0.9. The largest merchant gets some 2 % of its product.
ZIPF_SHIFT, ZIPF_POWER = 8.0, -0.9


@dataclass(frozen=True)
class Merchants:
    """Columns by merchant, and how to choose among those of a product."""

    product: Ints  # (TOTAL,)
    category: Ints  # (TOTAL,), position in CODES
    popular: Choice  # group: product
    loot: Choice  # group: product


def draw(rng: np.random.Generator) -> Merchants:
    """All merchants of one world."""
    product = rng.permutation(np.repeat(np.arange(len(NUMBERS)), NUMBERS))
    category = np.empty(TOTAL, np.int64)
    weight, loot = np.empty(TOTAL), np.empty(TOTAL)
    first = 0
    for kind, categories in sorted(CATEGORIES.items()):
        own = np.flatnonzero(product == kind)
        found = Choice([c.weight for c in categories]).choose(rng.random(len(own)))
        category[own] = first + found
        weight[own] = (rng.permutation(len(own)) + ZIPF_SHIFT) ** ZIPF_POWER
        loot[own] = weight[own] * np.array([c.loot for c in categories])[found]
        first += len(categories)
    return Merchants(product, category, Choice(weight, product), Choice(loot, product))
