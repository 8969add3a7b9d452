"""The users behind the cards: how many, how busy, and how often fraud comes back to the same one.

Not here: how a user is told from another (`entity`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datasets.columns import Ints
from datasets.entity import Entity

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
_SECOND = 1_000_000


@dataclass(frozen=True)
class Users:
    """Shares are of users. ``rate_after`` is the fraud rate of a transaction whose user's previous one was
    fraud, was honest, or does not exist; the gaps are seconds between two of a user, by quantile."""

    key: tuple[str, ...]
    note: str
    users: int
    transactions_mean: float
    transactions: dict[str, float]
    transactions_max: int
    single: float
    with_fraud: float | None
    frauds_of_users_with_several: float | None
    rate_after: dict[str, float | None] | None
    gap_s: dict[str, float]


def count(entity: Entity, ids: pa.Array, times: Ints, fraud: npt.NDArray[np.bool_] | None) -> Users:
    """``ids``, ``times`` and ``fraud`` have an entry for each transaction."""
    user = ids.dictionary_encode().indices.to_numpy().astype(np.int64)
    per_user = np.bincount(user)
    order = np.lexsort((times, user))
    same = np.diff(user[order]) == 0
    gaps = np.diff(times[order])[same] / _SECOND
    return Users(
        key=entity.columns,
        note=entity.note,
        users=len(per_user),
        transactions_mean=float(per_user.mean()),
        transactions=quantiles(per_user),
        transactions_max=int(per_user.max()),
        single=float((per_user == 1).mean()),
        gap_s=quantiles(gaps),
        **_fraud(user, per_user, order, same, fraud),  # type: ignore[arg-type]
    )


def quantiles(values: npt.NDArray[np.generic]) -> dict[str, float]:
    """By name, "p50": 4.0; empty without values."""
    if not len(values):
        return {}
    found = np.quantile(np.asarray(values, np.float64), QUANTILES)
    return {f"p{round(100 * q):02d}": float(value) for q, value in zip(QUANTILES, found, strict=True)}


def _fraud(
    user: Ints, per_user: Ints, order: Ints, same: npt.NDArray[np.bool_], fraud: npt.NDArray[np.bool_] | None
) -> dict[str, object]:
    if fraud is None:
        return {"with_fraud": None, "frauds_of_users_with_several": None, "rate_after": None}
    stolen = np.bincount(user[fraud], minlength=len(per_user))
    in_order = fraud[order]
    before, after = in_order[:-1][same], in_order[1:][same]
    first = in_order[np.append(True, ~same)]
    return {
        "with_fraud": float((stolen > 0).mean()),
        "frauds_of_users_with_several": float(stolen[stolen > 1].sum() / stolen.sum())
        if fraud.any()
        else None,
        "rate_after": {
            "fraud": _rate(after[before]),
            "honest": _rate(after[~before]),
            "nothing": _rate(first),
        },
    }


def _rate(fraud: npt.NDArray[np.bool_]) -> float | None:
    return float(fraud.mean()) if len(fraud) else None
