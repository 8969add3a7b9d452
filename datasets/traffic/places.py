"""Where synthetic users live, where they travel, and how far that is.

Purpose: the countries that occur, as small numbers; their currencies, clocks and distances.

Design: 88 % of the cards are at home in the United States, as the file has it (card3 = 150); the
others come from countries whose unit of currency is near a dollar, so that amounts need no rates.

Not here: positions of countries (`datasets.geography`), when somebody travels (`population`).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from datasets import geography
from datasets.traffic.chance import Choice, Floats, Rows

EARTH_RADIUS_KM = 6371.0088  # mean radius, IUGG


class Place(NamedTuple):
    """``home`` and ``visits`` are relative weights: cards at home here, trips of others to here.
    ``ahead`` is the clock's lead over the eastern United States, in hours."""

    country: str
    home: float
    visits: float
    ahead: int = 0
    currency: str = ""


PLACES = (
    Place("US", 0.0, 14.0, 0, "USD"),
    Place("CA", 19.0, 9.0, 0, "CAD"),
    Place("GB", 20.0, 9.0, 5, "GBP"),
    Place("DE", 13.0, 5.0, 6, "EUR"),
    Place("FR", 11.0, 8.0, 6, "EUR"),
    Place("ES", 8.0, 8.0, 6, "EUR"),
    Place("IT", 8.0, 7.0, 6, "EUR"),
    Place("NL", 5.0, 3.0, 6, "EUR"),
    Place("IE", 3.0, 2.0, 5, "EUR"),
    Place("CH", 3.0, 2.0, 6, "CHF"),
    Place("AU", 7.0, 3.0, 15, "AUD"),
    Place("NZ", 1.5, 1.0, 17, "NZD"),
    Place("SG", 1.5, 2.0, 12, "SGD"),
    *(Place(c, 0.0, w) for c, w in {"MX": 14, "DO": 3, "JM": 2, "CR": 2, "BR": 2, "AR": 1, "CO": 2}.items()),
    *(Place(c, 0.0, w) for c, w in {"PT": 3, "GR": 4, "TR": 3, "AT": 2, "PL": 2, "RO": 1, "UA": 1}.items()),
    *(Place(c, 0.0, w) for c, w in {"JP": 4, "TH": 4, "VN": 2, "ID": 2, "IN": 3, "CN": 2, "PH": 2}.items()),
    *(Place(c, 0.0, w) for c, w in {"AE": 2, "MA": 1, "ZA": 1, "NG": 1, "EG": 1}.items()),
)
UNITED_STATES = 0
COUNTRIES = tuple(place.country for place in PLACES)
CURRENCIES = tuple(sorted({place.currency for place in PLACES} - {""}))

ABROAD = Choice([place.home for place in PLACES])  # homes outside the United States
VISITS = Choice([place.visits for place in PLACES])
AHEAD = np.array([place.ahead for place in PLACES])
CURRENCY = np.array([CURRENCIES.index(p.currency) if p.currency else 0 for p in PLACES])

# A flight of this length cannot lie between two purchases an hour apart.
FAR_KM = 3000.0


@cache
def distance_km() -> Floats:
    """Shape (places, places): the least distance between two countries' people, as engines see it."""
    table = geography.table()[[geography.country_code(country) for country in COUNTRIES]]
    lat, lon, radius = (column[:, None] for column in table.T)
    half = np.sin((lat.T - lat) / 2) ** 2 + np.cos(lat) * np.cos(lat.T) * np.sin((lon.T - lon) / 2) ** 2
    circle = 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(half, 1.0)))
    return np.asarray(np.maximum(circle - radius - radius.T, 0.0))


@cache
def far() -> Rows:
    """A destination that is FAR_KM or more away, given where somebody is."""
    visits = np.array([place.visits for place in PLACES])
    return Rows((distance_km() >= FAR_KM) * visits)
