"""What a responder counts: only what is saved."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sentinel_cli.records import Response
from sentinel_cli.responding.incoming import AlertBatch
from sentinel_cli.responding.store import Save
from sentinel_cli.telemetry.stats import LatencyHistogram


@dataclass
class Counts:
    """What is durably done since the start. ``age`` and ``steps`` are in milliseconds: how old alerts
    were when answered, and how long each kind of step took."""

    processed: int = 0
    acted: int = 0
    duplicates: int = 0
    blocked: int = 0
    cases: int = 0
    dead_letters: int = 0
    saves: int = 0
    conflicts: int = 0
    severities: Counter[str] = field(default_factory=Counter)
    age: LatencyHistogram = field(default_factory=LatencyHistogram)
    steps: defaultdict[str, LatencyHistogram] = field(default_factory=lambda: defaultdict(LatencyHistogram))

    def add(self, batch: AlertBatch, responses: Sequence[Response], save: Save) -> None:
        """``batch`` was answered by ``responses``, and ``save`` is in the store."""
        self.saves += 1
        self.processed += len(batch.alerts) + len(batch.poison)
        self.acted += len(responses)
        self.duplicates += len(batch.alerts) - len(responses)
        self.dead_letters += len(batch.poison)
        self.cases += sum(change.opened is not None for change in save.cases)
        self.severities.update(response.severity for response in responses)
        self.age.add([response.alert_age_ms for response in responses])
        took = defaultdict(list)
        for response in responses:
            took["total"].append(response.total_ms)
            for action in response.actions:
                took[action.action].append(action.took_ms)
        self.blocked += len(took.get("block", ()))
        for step, milliseconds in took.items():
            self.steps[step].add(milliseconds)
