"""The numbers of a verdict in words, for terminal and page alike."""

from __future__ import annotations

from sentinel_cli.backtesting.measuring import Measures

MINUTE, HOUR, DAY = 60, 3_600, 86_400


def facts(m: Measures) -> list[tuple[str, str]]:
    """How well the scorecard ranks, and what it does at its threshold."""
    return [
        ("AUC", number(m.auc, 4)),
        ("average precision", number(m.average_precision, 4)),
        *(
            (f"recall at {float(rate):.1%} false positives", share(value))
            for rate, value in m.recall_at_fpr.items()
        ),
        ("card precision at 100 a day", share(m.card_precision_at_100)),
        ("alerts", f"{m.alerts:,}"),
        ("alerts a day", f"{m.alerts_a_day:,.1f}"),
        ("precision", share(m.precision)),
        ("recall", share(m.recall)),
        ("episodes caught", f"{m.fraud.caught:,} of {m.fraud.episodes:,}"),
        ("median time to an episode's first alert", until(m.fraud.median_seconds_to_first_alert)),
        ("median money gone by then", number(m.fraud.median_amount_lost)),
    ]


def money(m: Measures) -> list[tuple[str, str]]:
    """The balance, item by item."""
    of = m.money
    return [
        ("fraud stopped", number(of.stopped)),
        ("fraud missed", number(of.missed)),
        ("chargeback fees saved", number(of.chargebacks_saved)),
        ("honest purchases declined", number(of.declined)),
        ("what that loses", number(-of.declined_cost)),
        ("reviewing alerts", number(-of.review_cost)),
        ("balance", number(of.balance)),
    ]


def share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value + 0.0:,.{digits}f}"


def until(seconds: float | None) -> str:
    """A duration in its largest whole unit."""
    if seconds is None:
        return "-"
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds / unit:,.1f} {name}"
    return f"{seconds:,.0f} s"
