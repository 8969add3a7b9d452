"""Where countries are, for travel that is too fast and for users who have a home.

Purpose: one table of population centres and radii, and the number that stands for a country.

Source: GeoNames, cities above 15,000 inhabitants (CC BY 4.0). The centre is the population-weighted
mean position of a country's cities; the radius is the one around it that holds 95 % of their people.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt

# Codes run from 1 (AA) to 676 (ZZ); 0 says that no country, or none in two letters, was given.
CODES = 26 * 26 + 1


def country_code(alpha2: str) -> int:
    """The number of an ISO 3166 alpha-2 code in capitals, 1 to 676, or 0 for anything else."""
    if len(alpha2) != 2 or not ("A" <= alpha2[0] <= "Z" and "A" <= alpha2[1] <= "Z"):
        return 0
    return (ord(alpha2[0]) - 65) * 26 + ord(alpha2[1]) - 65 + 1


def alpha2(code: int) -> str:
    """The letters of a number that ``country_code`` gave, or an empty string for 0."""
    if not 0 < code < CODES:
        return ""
    first, second = divmod(code - 1, 26)
    return chr(65 + first) + chr(65 + second)


@cache
def table() -> npt.NDArray[np.float64]:
    """Shape (CODES, 3): latitude and longitude in radians, radius in km; NaN where unknown."""
    rows = np.full((CODES, 3), np.nan)
    text = resources.files("datasets").joinpath("countries.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        position = np.radians([float(row["latitude"]), float(row["longitude"])])
        rows[country_code(row["country"])] = (*position, float(row["radius_km"]))
    return rows
