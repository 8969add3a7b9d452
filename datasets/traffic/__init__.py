"""Synthetic card traffic: users with habits, and fraud that hides among them.

    Traffic(Plan(seed=7, start=0)).take(1000)

Purpose: labelled transactions without end, as hard as genuine ones, repeatable by a seed.

Not here: JSON and Kafka (`sentinel_cli.streaming`), the files of IEEE-CIS themselves.
"""

from __future__ import annotations

from datasets.traffic.habits import HONEST, ROW, TransactionRows, World
from datasets.traffic.plan import FRAUD_RATE, USERS, Plan
from datasets.traffic.scenarios import NAMES as SCENARIO_NAMES
from datasets.traffic.stream import Traffic

__all__ = [
    "FRAUD_RATE",
    "HONEST",
    "ROW",
    "SCENARIO_NAMES",
    "USERS",
    "Plan",
    "Traffic",
    "TransactionRows",
    "World",
]
