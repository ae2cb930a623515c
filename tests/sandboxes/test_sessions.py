"""Many agent programs at once, each waiting for its model most of the time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "sessions.py"


@pytest.mark.slow
def test_two_hundred_sessions_wait_together():
    """The benchmark itself fails when a session gives a wrong answer; its time is not asserted, its memory is."""
    done = subprocess.run(
        [sys.executable, BENCHMARK, "--check-memory"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
