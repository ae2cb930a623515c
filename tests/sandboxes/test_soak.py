"""Ten thousand executions, a hundred of them attacks, leave nothing behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_nothing_is_left_after_many_executions():
    script = Path(__file__).parents[2] / "benchmarks" / "sandbox_soak.py"
    done = subprocess.run([sys.executable, script, "10000"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "wrong verdicts: 0; leaked: nothing; grew: nothing" in done.stdout
