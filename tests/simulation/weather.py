"""How likely each fault is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Odds:
    """Chances of each fault at each point where it is possible."""

    die: float = 0.003
    away: float = 0.02
    answer_lost: float = 0.015
    lands_late: float = 0.02
    outage: float = 0.003
    other_turn: float = 0.04
    stall: float = 0.003
    move: float = 0.03
    rejoin: float = 0.015
    rejoin_waiting: float = 0.15  # the group loses patience with one that waits for long
    stand_still: float = 0.01
    failover: float = 0.002
    late_ack: float = 0.5
    again: float = 0.01
    grow: float = 0.003
    save_waits: float = 0.2
    slow_save: float = 0.03
    land: float = 0.1
    copy: float = 0.05
    record: float = 0.05


CALM = Odds(**dict.fromkeys(Odds.__dataclass_fields__, 0.0))
# Seconds that Redis, or what takes the alerts, may be away: a worker's patience is half a second.
OUTAGES = (0.1, 0.7, 1.5)
