"""An analysis as the JSON document that `sentinel analyze --json` prints: names, not positions.

Not here: what is computed (`analysis`).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from datasets.analysis import HISTOGRAM_EDGES, Analysis
from datasets.breakdown import Row, most
from sentinel_cli.records import rfc3339

MOST_VALUES = 25  # of a text column; the rest is one row

_DAY = 86_400_000_000  # microseconds


def document(a: Analysis) -> dict[str, Any]:
    """Stable keys: what a file does not have is null or empty, never absent."""
    return {
        "file": a.file,
        "kind": a.kind,
        "bytes": a.bytes,
        "transactions": a.transactions,
        "features": a.features,
        "frauds": a.frauds,
        "fraud_rate": a.fraud_rate,
        "time": _time(a),
        "amounts": _amounts(a),
        **{f"by_{name}": _rows(name, most(a.by.get(name, []), MOST_VALUES)) for name in BREAKDOWNS},
        "by_day": _rows("day", a.by_day),
        "users": asdict(a.users) if a.users else None,
        "missing": [{"column": name, "share": share} for name, share in missing(a)],
        "strongest_columns": [each._asdict() for each in a.strongest],
        "notes": a.notes,
    }


def missing(a: Analysis) -> list[tuple[str, float]]:
    """Columns with gaps, the emptiest first, and the share of rows that lack each."""
    gaps = [(name, share) for name, share in a.missing.items() if share]
    return sorted(gaps, key=lambda gap: -gap[1])


BREAKDOWNS = (
    "hour",
    "weekday",
    "amount_band",
    "product",
    "card_network",
    "card_type",
    "email_domain",
    "device_type",
    "device",
    "merchant_category",
    "country",
)


def _rows(name: str, rows: list[Row]) -> list[dict[str, Any]]:
    return [
        {
            name: r.value,
            "transactions": r.transactions,
            "share": r.share,
            "frauds": r.frauds,
            "fraud_rate": r.rate,
        }
        for r in rows
    ]


def _time(a: Analysis) -> dict[str, Any] | None:
    if a.first_time is None or a.last_time is None:
        return None
    days = (a.last_time - a.first_time) / _DAY
    return {"first": rfc3339(a.first_time), "last": rfc3339(a.last_time), "days": days}


def _amounts(a: Analysis) -> dict[str, Any]:
    edges = [float(edge) for edge in HISTOGRAM_EDGES[:-1]]
    return {name: asdict(amounts) for name, amounts in a.amounts.items()} | {"histogram_from": edges}
