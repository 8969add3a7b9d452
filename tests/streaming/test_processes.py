"""A signal ends a worker's process, whatever it interrupts."""

from __future__ import annotations

import subprocess
import sys

import pytest

# The loop waits for the event that says stop. A signal that comes while the wait holds the event's lock
# must not wait for that lock: the process would hang for ever.
INTERRUPTED = """
import os, signal, sys, threading
from sentinel_cli.streaming.processes import run_workers

class Target:
    def __call__(self, register_stop):
        event = threading.Event()
        register_stop(event.set)
        with event._cond:
            os.kill(os.getpid(), int(sys.argv[1]))
        return event.wait(20)

print(run_workers([Target()]))
"""


@pytest.mark.parametrize("number", ["2", "15"])
def test_a_signal_in_the_middle_of_the_wait_for_it(number: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, number], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (0, "[True]\n"), done.stderr
