"""Severity: from a score and its flags to LOW, MEDIUM, HIGH or CRITICAL, and what follows from it.

Purpose: the policy that the detector stamps on an alert and the responder acts by, from one TOML
file, so that both say the same.
"""

from __future__ import annotations

from bisect import bisect_right
from enum import IntEnum
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from sentinel_cli.engine import toml_lines
from sentinel_cli.engine.features import FLAGS

Name = Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"]
Share = Annotated[float, Meta(ge=0, le=1)]


class Severity(IntEnum):
    LOW = 0
    MEDIUM = 1
    HIGH = 2
    CRITICAL = 3


_SEVERITIES = tuple(Severity)


class Scores(Struct, frozen=True, forbid_unknown_fields=True):
    """The least score of each severity."""

    medium: Share = field(name="MEDIUM")
    high: Share = field(name="HIGH")
    critical: Share = field(name="CRITICAL")


class Raise(Struct, frozen=True, forbid_unknown_fields=True):
    """All ``flags`` standing together make the severity at least ``to``."""

    flags: Annotated[list[str], Meta(min_length=1)]
    to: Name


class Actions(Struct, frozen=True, forbid_unknown_fields=True):
    """From which severity on a case is opened and the user blocked, and for how many hours."""

    case: Name
    block: Name
    block_hours: Annotated[float, Meta(gt=0)]


class Policy(Struct, frozen=True, forbid_unknown_fields=True):
    scores: Scores
    actions: Actions
    raises: list[Raise] = field(name="raise", default_factory=list)

    def severity(self, score: float, flags: dict[str, Any]) -> Severity:
        """The severity of an alert with this ``score``, given which ``flags`` stand."""
        limits = (self.scores.medium, self.scores.high, self.scores.critical)
        found = _SEVERITIES[bisect_right(limits, score)]
        for rule in self.raises:
            if flags.get(rule.flags[0]) is True and all(flags.get(flag) is True for flag in rule.flags):
                found = max(found, Severity[rule.to])
        return found


def load(path: Path | None = None) -> Policy:
    """The policy of a file, by default the packaged one. Raises ScorecardError with file and line."""
    if path is None:
        name = "the packaged policy"
        text = resources.files("sentinel_cli.engine").joinpath("severity.toml").read_text(encoding="utf-8")
    else:
        name, text = str(path), toml_lines.read(path)
    policy = toml_lines.parse(text, Policy, name)
    limits = policy.scores
    if not limits.medium <= limits.high <= limits.critical:
        raise toml_lines.fault(text, name, "$.scores", "MEDIUM, HIGH and CRITICAL must not descend")
    for index, rule in enumerate(policy.raises):
        unknown = [flag for flag in rule.flags if flag not in FLAGS]
        if unknown:
            reason = f"{unknown[0]!r} is no flag; there are {', '.join(FLAGS)}"
            raise toml_lines.fault(text, name, f"$.raise[{index}].flags", reason)
    return policy
