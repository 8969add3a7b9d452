"""Choices by chance, as whole columns: by weight from a generator, or for ever from a hash.

Purpose: two ways to choose. What happens once (an amount, a gap) takes numbers from a seeded
generator. What a user *is* (their second phone, their favourite shop) is hashed from their number,
so that it needs no table and is the same whenever it is asked for.

Not here: any weight or habit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

# The largest chance that is still below one when a group's number has been added to it.
_BELOW_ONE = 1 - 2.0**-40
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Choice:
    """Choice by weight among the members of a group; the answer is a position in ``weights``.

    ``weights`` and ``group`` have shape (n,); without groups everybody is in group 0. A group whose
    weights are all zero must not be chosen from.
    """

    def __init__(self, weights: npt.ArrayLike, group: Ints | None = None) -> None:
        weight = np.asarray(weights, np.float64)
        belongs = np.zeros(len(weight), np.int64) if group is None else group
        self._order = np.argsort(belongs, kind="stable")
        belongs = belongs[self._order]
        total = np.bincount(belongs, weight[self._order])
        running = np.cumsum(weight[self._order]) - (np.cumsum(total) - total)[belongs]
        # One ascending sequence for all groups: group g lives between g and g + 1.
        self._steps = np.minimum(running / np.maximum(total, 1e-300)[belongs], 1.0) + belongs
        last = np.append(belongs[1:] != belongs[:-1], True)
        self._steps[last] = belongs[last] + 1.0

    def choose(self, chance: Floats, group: Ints | int = 0) -> Ints:
        """One member for each ``chance`` in [0, 1), from its ``group``."""
        key = np.minimum(chance, _BELOW_ONE) + group
        return np.asarray(self._order[np.searchsorted(self._steps, key, side="right")])


class Rows:
    """Choice by weight among the columns of a matrix, given the row; shape (rows, choices)."""

    def __init__(self, weights: npt.ArrayLike) -> None:
        matrix = np.asarray(weights, np.float64)
        self._choices = matrix.shape[1]
        self._choice = Choice(matrix.ravel(), np.repeat(np.arange(len(matrix)), self._choices))

    def choose(self, chance: Floats, row: Ints) -> Ints:
        return np.asarray(self._choice.choose(chance, row) % self._choices)


def mix(*parts: Ints | Hashes | int) -> Hashes:
    """One 64-bit hash for each row of the parts (the finalizer of SplitMix64, Steele et al. 2014)."""
    state = np.zeros(1, np.uint64)
    for part in parts:
        z = state * _GOLDEN + np.asarray(part).astype(np.uint64) + _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = z ^ (z >> np.uint64(31))
    return state


def share(hashes: Hashes) -> Floats:
    """Each hash as a number in [0, 1)."""
    return np.asarray((hashes >> np.uint64(11)) * 2.0**-53)
