"""Cases: what an analyst works on. One open case a user; further alerts join it.

Purpose: the shape of a case in Redis, and the commands that open one or add to it.

Design: a case is a hash with a field a fact, so that whoever assigns or closes it later writes other
fields than the responder does, and its alerts are a list beside it. Which case of a user is open
stands in one hash a partition: the responder watches it, so a case that is closed while an alert is
about to join sends the alert to a case of its own. Everything sits on the hash tag of the alerts'
partition and changes in the same atomic write as the responder's offset.

Not here: from which severity on there is a case (the policy), who acts on alerts
(``sentinel_cli.responding``).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, Literal

import msgspec

from profiles.connection import Client
from profiles.keys import Keys
from profiles.wire import Piece, command


class Case(msgspec.Struct, frozen=True):
    """``severity`` is the highest of its ``alerts``, which are counted here; times are RFC 3339."""

    case_id: str
    user_id: str
    status: Literal["open", "closed"]
    severity: str
    opened_at: str
    updated_at: str
    alerts: int = 0


class CaseAlert(msgspec.Struct, frozen=True):
    """An alert of a case, with what a list of them shows. ``timestamp`` is event time."""

    alert_id: str
    timestamp: str
    severity: str
    fraud_score: float
    amount: float | None
    currency: str


class CaseChange(msgspec.Struct, frozen=True):
    """A case as it is after ``alerts`` joined it; ``opened`` (seconds since 1970) if they opened it."""

    case: Case
    alerts: list[CaseAlert]
    opened: float | None = None


def case_id(alert_id: str) -> str:
    """The id of the case that this alert opens, if it opens one: the same whenever it is asked."""
    return f"case_{alert_id.removeprefix('alert_')}"


def open_cases(client: Client, keys: Keys, partition: int, users: list[str]) -> dict[str, Case]:
    """The open case of each of ``users`` that has one."""
    if not users:
        return {}
    ids = _any(client).hmget(keys.open_cases(partition), users)
    with _any(client).pipeline(transaction=False) as pipe:
        for each in filter(None, ids):
            pipe.hgetall(keys.case(partition, each.decode()))
        found = [_case(stored) for stored in pipe.execute()]
    return {case.user_id: case for case in found if case}


def get(client: Client, keys: Keys, partition: int, case_id: str) -> Case | None:
    """The case, or None if the partition has none of that id."""
    return _case(_any(client).hgetall(keys.case(partition, case_id)))


def alerts(client: Client, keys: Keys, partition: int, case_id: str) -> list[CaseAlert]:
    """The case's alerts, in the order they joined."""
    stored = _any(client).lrange(keys.case_alerts(partition, case_id), 0, -1)
    return [msgspec.json.decode(each, type=CaseAlert) for each in stored]


def commands(keys: Keys, partition: int, change: CaseChange) -> Iterator[list[Piece]]:
    """What writes ``change``, for a MULTI that also guards the offset and the open cases."""
    case = change.case
    key = keys.case(partition, case.case_id)
    if change.opened is not None:
        facts = msgspec.structs.asdict(case)
        del facts["alerts"]
        yield command("HSET", key, *chain.from_iterable(facts.items()))
        yield command("HSET", keys.open_cases(partition), case.user_id, case.case_id)
        yield command("ZADD", keys.cases(partition), change.opened, case.case_id)
    else:
        yield command("HSET", key, "severity", case.severity, "updated_at", case.updated_at)
    yield command("HINCRBY", key, "alerts", len(change.alerts))
    yield command(
        "RPUSH", keys.case_alerts(partition, case.case_id), *map(msgspec.json.encode, change.alerts)
    )


def _case(stored: dict[bytes, bytes]) -> Case | None:
    text = {name.decode(): value.decode() for name, value in stored.items()}
    return msgspec.convert(text, Case, strict=False) if text else None


def _any(client: Client) -> Any:
    """redis-py's types cannot tell its blocking client from the other one."""
    return client
