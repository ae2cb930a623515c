"""Every hand-designed agent on eight HumanEval tasks with the real 0.5B model, through the leaderboard's command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from archive import Archive
from meta_agent.agents import SHELF, load_agent

ROOT = Path(__file__).parents[3]


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.timeout(3 * 3600)
def test_the_shelf_with_a_real_model(tmp_path: Path) -> None:
    report = tmp_path / "leaderboard.md"
    done = subprocess.run(
        [sys.executable, "-m", "meta_agent", "evaluate", "--tasks", "8", "--json", "--report", str(report)],
        env={
            **os.environ,
            "ADAS_ARCHIVE": str(tmp_path / "archive.db"),
            "ADAS_CACHE": str(tmp_path / "llm.db"),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    board = json.loads(done.stdout)
    assert {row["program"] for row in board["rows"]} == {load_agent(name).id for name in SHELF}
    with Archive(tmp_path / "archive.db") as archive:
        for row in board["rows"]:
            rollouts = archive.rollouts(row["evaluation"])
            assert len(rollouts) == 8
            assert [r.failure for r in rollouts] == [""] * 8, row["name"]
            assert row["accuracy"]["mean"] == sum(r.score for r in rollouts) / 8
    assert all(row["name"] in report.read_text() for row in board["rows"])
