"""A thousand streams, fifty at a time."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.meta_agent.test_cli import ROOT


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_thousand_streams_leave_nothing_behind() -> None:
    """The benchmark itself fails when an answer, a process or a descriptor is lost, or memory grows."""
    done = subprocess.run(
        [sys.executable, "benchmarks/serving.py", "--requests", "1000"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
