"""What a benchmark says of the alerts on the topic."""

from __future__ import annotations

import numpy as np
import pytest

from sentinel_cli.benching import alerts
from sentinel_cli.errors import SentinelError

EXPECTED = np.array([3, 70, 500])


def test_each_once_in_any_order_is_right() -> None:
    alerts.compare("fraud-alerts", np.array([500, 3, 70]), EXPECTED)
    alerts.compare("fraud-alerts", np.array([], np.int64), np.array([], np.int64))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([3, 500], "lacks 1 of 3 alerts, has 0 more than once, and 0"),
        ([3, 70, 70, 500], "lacks 0 of 3 alerts, has 1 more than once, and 0"),
        ([3, 70, 500, 501], "lacks 0 of 3 alerts, has 0 more than once, and 1"),
        ([], "lacks 3 of 3 alerts"),
    ],
)
def test_anything_else_is_no_figure(found: list[int], said: str) -> None:
    with pytest.raises(SentinelError, match=said):
        alerts.compare("fraud-alerts", np.array(found, np.int64), EXPECTED)


def test_an_alert_names_its_record() -> None:
    value = b'{"alert_id": "a", "transaction_details": {"transaction_id": "T_bench_0000000070", "amount": 1}}'
    assert alerts.index_of(value) == 70
