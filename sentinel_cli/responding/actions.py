"""What is done about one alert, and how long each step took.

Purpose: severity by the policy; from the policy's severity on a block, from another a case; a
response record that says so. Nothing here depends on when an alert is handled again: ids come from
the alert, a block ends at the transaction's time plus the policy's hours.

Not here: in which order this and the offset are made durable (``responder``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from profiles.cases import Case, CaseAlert, CaseChange, case_id
from sentinel_cli.engine.severity import Policy, Severity
from sentinel_cli.records import Action, Response, Source, rfc3339
from sentinel_cli.responding.incoming import Incoming
from sentinel_cli.streaming.batches import Clock

HOUR_US = 3_600_000_000

Block = Callable[[int, str, int, str], bool]
"""``Store.block``: partition, user_id, until_us, alert_id."""


class Step(NamedTuple):
    status: str
    detail: str = ""


class OpenCases:
    """The open cases of one batch's users, and how the batch changes them."""

    def __init__(self, known: dict[str, Case]) -> None:
        self._changes: dict[str, CaseChange] = {}
        self._known = known

    def changes(self) -> list[CaseChange]:
        return list(self._changes.values())

    def add(self, incoming: Incoming, severity: Severity, now: float) -> Step:
        """Let the alert join its user's open case, or open one at ``now``, seconds since 1970."""
        alert = incoming.alert
        joined = CaseAlert(
            alert.alert_id,
            alert.timestamp,
            severity.name,
            alert.fraud_score,
            incoming.amount,
            incoming.currency,
        )
        change = self._changes.get(alert.user_id) or self._first(alert.user_id)
        if change is None:
            when = rfc3339(int(now * 1e6))
            case = Case(case_id(alert.alert_id), alert.user_id, "open", severity.name, when, when, 1)
            self._changes[alert.user_id] = CaseChange(case, [joined], opened=now)
            return Step("opened", case.case_id)
        self._changes[alert.user_id] = _joined(change, joined, severity, now)
        return Step("joined", change.case.case_id)

    def _first(self, user_id: str) -> CaseChange | None:
        case = self._known.get(user_id)
        return CaseChange(case, []) if case else None


def _joined(change: CaseChange, alert: CaseAlert, severity: Severity, now: float) -> CaseChange:
    case = msgspec.structs.replace(
        change.case,
        severity=max(severity, Severity[change.case.severity]).name,
        updated_at=rfc3339(int(now * 1e6)),
        alerts=change.case.alerts + 1,
    )
    return CaseChange(case, [*change.alerts, alert], change.opened)


class Actions:
    """Acts by ``policy``. The case's time is that of the decision: it is written with the offset."""

    def __init__(self, policy: Policy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._block_from = Severity[policy.actions.block]
        self._case_from = Severity[policy.actions.case]

    def take(self, incoming: Incoming, source: Source, block: Block, cases: OpenCases) -> Response:
        """Do what the policy asks for this alert, which stood at ``source``."""
        begun = self._clock.monotonic()
        alert = incoming.alert
        severity = self._policy.severity(alert.fraud_score, alert.risk_factors)
        taken = [self._timed("severity", begun, Step(severity.name))]
        if severity >= self._block_from:
            start = self._clock.monotonic()
            taken.append(self._timed("block", start, self._blocked(incoming, block)))
        if severity >= self._case_from:
            start = self._clock.monotonic()
            taken.append(self._timed("case", start, cases.add(incoming, severity, self._clock.wall())))
        return self._response(incoming, source, severity, taken, begun)

    def _blocked(self, incoming: Incoming, block: Block) -> Step:
        alert = incoming.alert
        until = incoming.time_us + int(self._policy.actions.block_hours * HOUR_US)
        changed = block(alert.source.partition, alert.user_id, until, alert.alert_id)
        return Step("done" if changed else "already", f"until {rfc3339(until)}")

    def _timed(self, action: str, start: float, step: Step) -> Action:
        return Action(action, step.status, self._since(start), step.detail)

    def _since(self, start: float) -> float:
        return round((self._clock.monotonic() - start) * 1_000, 4)

    def _response(
        self, incoming: Incoming, source: Source, severity: Severity, taken: list[Action], begun: float
    ) -> Response:
        alert, now = incoming.alert, self._clock.wall()
        age = now * 1_000 - incoming.arrived_ms if incoming.arrived_ms >= 0 else 0.0
        return Response(
            response_id=f"response_{alert.alert_id.removeprefix('alert_')}",
            alert_id=alert.alert_id,
            user_id=alert.user_id,
            timestamp=rfc3339(int(now * 1e6)),
            severity=severity.name,
            actions=taken,
            total_ms=self._since(begun),
            alert_age_ms=max(round(age, 3), 0.0),  # two machines' clocks may differ
            source=source,
        )
