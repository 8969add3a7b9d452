"""Transactions of a few users, with the truth about them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from datasets import events
from profiles import layout
from sentinel_cli.backtesting.decisions import Decisions
from sentinel_cli.backtesting.transactions import Transactions, truth_of
from sentinel_cli.engine import scorecard
from sentinel_cli.engine.columns import TRANSACTION

SECOND = 1_000_000
START = 1_700_000_000 * SECOND


def transactions(
    rows: list[tuple[int, str, float, int, str, str]], notes: list[str] | None = None
) -> Transactions:
    """From seconds, user, amount, label, scenario and episode of each."""
    seconds, names, amounts, labels, scenarios, episodes = zip(*rows, strict=True)
    user = pa.array(names).dictionary_encode()
    slots = user.indices.to_numpy().astype(np.int64)
    table = np.zeros(len(rows), TRANSACTION)
    table["time"] = START + np.array(seconds) * SECOND
    table["amount"], table["transaction"] = amounts, np.arange(1, len(rows) + 1)
    truth = truth_of(np.array(labels, np.int8), pa.array(scenarios), pa.array(episodes), slots)
    ids = pa.array([f"T{number}" for number in range(len(rows))])
    return Transactions("made", user.dictionary, slots, ids, table, {}, truth, 0, notes or [])


def decisions(of: Transactions, alert: list[int], score: list[float] | None = None) -> Decisions:
    """Alerts on the transactions at these places."""
    raised = np.zeros(len(of), np.bool_)
    raised[alert] = True
    scores = np.array(score) if score else np.where(raised, 0.9, 0.1)
    return Decisions(scorecard.load(), 0.5, scores, raised, layout.empty(0))


def read(path: Path, features: tuple[str, ...] = ()) -> events.Events:
    return events.read(path, events.Reading(features=features))
