"""The compiled kernel and the same functions as plain Python give the same bits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from profiles import layout
from sentinel_cli.engine import scorecard
from tests.engine.histories import SECOND, START, History, random_history, run

CARD = scorecard.load()
THRESHOLD = 0.3


def nearly_full(history: History) -> layout.Profiles:
    """Profiles whose counters are about to stop, be halved, or change their width."""
    rows = history.profiles()
    some = rows[1::2]
    some["version"] = layout.VERSION
    some["total_transactions"] = 254
    some["total_amount"] = 1e6
    some["last_time"] = some["first_time"] = START - SECOND
    some["hours"] = 250
    some["small_amount_run"] = 65_533
    for ring in ("minute", "five_minutes", "hour", "day_ring"):
        some[f"{ring}_count"] = 65_533
        some[f"{ring}_amount"] = 0.1
    rows[1::2] = some
    return rows


class Full(History):
    def profiles(self) -> layout.Profiles:
        return nearly_full(History(*self))


def results() -> bytes:
    history = Full(*random_history(seed=8, n=1_500, users=12))
    profiles, (scored,) = run(history, CARD, THRESHOLD)
    parts = (scored.scores, scored.status, scored.kept, scored.features, scored.before, profiles)
    return b"".join(part.tobytes() for part in parts)


def test_compiled_or_not_the_bits_are_the_same(tmp_path: Path) -> None:
    found = tmp_path / "bits"
    program = (
        "import sys, pathlib, numba; from tests.engine.test_without_compiler import results; "
        "assert numba.config.DISABLE_JIT; pathlib.Path(sys.argv[1]).write_bytes(results())"
    )
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", program, str(found)], env=environment, check=True)
    assert found.read_bytes() == results()
