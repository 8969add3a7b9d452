"""What the engine decides about transactions: live's own decisions, computed after the fact.

Purpose: one pass of the live engine, in memory. No topic, no group, no key is touched.

Design: `scoring.score` from profiles of users never seen, at the threshold that is asked about; alerts
count in the profiles as they do live, so another threshold is another pass. Nobody responds, so nobody
is blocked.

Not here: what a decision is worth (`measuring`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from profiles import layout
from profiles.layout import Profiles
from sentinel_cli.backtesting.transactions import Bools, Floats, Transactions
from sentinel_cli.engine import kernel, scoring
from sentinel_cli.engine.scorecard import Scorecard


@dataclass(frozen=True)
class Decisions:
    """By transaction: its ``score``, NaN for one that came twice, and whether it is an ``alert``."""

    card: Scorecard
    threshold: float
    score: Floats
    alert: Bools
    profiles: Profiles  # by user, after the last transaction

    @property
    def scored(self) -> Bools:
        return ~np.isnan(self.score)


def decide(transactions: Transactions, card: Scorecard, threshold: float) -> Decisions:
    profiles = layout.empty(max(len(transactions.users), 1))
    scored = scoring.score(profiles, transactions.user, transactions.columns(card), card, threshold)
    return Decisions(card, threshold, scored.scores, scored.status == kernel.ALERT, profiles)
