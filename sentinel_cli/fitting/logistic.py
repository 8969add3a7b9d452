"""Logistic regression whose weights are never negative, so that evidence keeps its sign.

Purpose: how much of each column's weight of evidence counts beside the others': 1 if it stood alone,
less where others say the same.

Design: Newton's method (iteratively reweighted least squares). Each step's quadratic is minimised over
weights of zero and more by coordinate descent (Friedman, Hastie, Tibshirani, Regularization Paths for
Generalized Linear Models via Coordinate Descent, 2010). L2: weights shrink, and of two columns that say
nearly the same neither gets all. A column that would count against its own evidence gets 0 and drops out.

Not here: what the columns are (`binning`, `selecting`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sentinel_cli.fitting.binning import Bools, Floats

# The penalty is as heavy as this share of the transactions' information would be.
PENALTY = 3e-3
_STEPS = 30
_SWEEPS = 200
_CLOSE = 1e-4
_ROWS = 65_536  # of one part of the sums: bounds memory


class Weights(NamedTuple):
    bias: float
    of: Floats  # (p,), 0 or more


def fit(evidence: npt.NDArray[np.float32], fraud: Bools, penalty: float = PENALTY) -> Weights:
    """``evidence`` has shape (n, p), ``fraud`` (n,)."""
    n, p = evidence.shape
    share = float(fraud.mean())
    beta = np.zeros(p + 1)
    beta[0] = np.log(share / (1 - share))
    ridge = np.full(p + 1, penalty * n * share * (1 - share))
    ridge[0] = 0.0
    for _ in range(_STEPS):
        gradient, hessian = _derivatives(evidence, fraud, beta)
        step = _step(hessian + np.diag(ridge), gradient - ridge * beta, beta)
        beta = beta + step
        if np.abs(step).max() < _CLOSE:
            break
    return Weights(float(beta[0]), beta[1:])


def _derivatives(evidence: npt.NDArray[np.float32], fraud: Bools, beta: Floats) -> tuple[Floats, Floats]:
    """Gradient (p + 1,) and negative Hessian (p + 1, p + 1) of the log-likelihood; the bias comes first."""
    n, p = evidence.shape
    gradient, hessian = np.zeros(p + 1), np.zeros((p + 1, p + 1))
    for first in range(0, n, _ROWS):
        part = evidence[first : first + _ROWS]
        x = np.concatenate([np.ones((len(part), 1), np.float32), part], axis=1)
        chance = 1 / (1 + np.exp(-(x @ beta)))
        gradient += x.T @ (fraud[first : first + _ROWS] - chance)
        root = np.sqrt(chance * (1 - chance)).astype(np.float32)
        weighted = x * root[:, None]
        hessian += weighted.T @ weighted
    return gradient, hessian


def _step(hessian: Floats, gradient: Floats, beta: Floats) -> Floats:
    """The step that minimises step' hessian step / 2 - gradient' step and takes no weight below 0."""
    step, slope = np.zeros(len(beta)), gradient.copy()  # slope is what is left of the gradient at ``step``
    least = -beta
    least[0] = -np.inf
    for _ in range(_SWEEPS):
        largest = 0.0
        for j in range(len(beta)):
            moved = max(step[j] + slope[j] / hessian[j, j], least[j]) - step[j]
            if moved:
                step[j] += moved
                slope -= moved * hessian[:, j]
                largest = max(largest, abs(moved))
        if largest < _CLOSE / 10:
            break
    return step
