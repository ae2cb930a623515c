"""The benchmark of `adas code`, with a scripted model that repairs one program and spoils the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.meta_agent.test_cli import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _data() -> None:
    if not os.environ.get("ADAS_DATA"):
        pytest.skip("ADAS_DATA is not set: it must name a folder with benchmark files")


def test_the_repair_benchmark_reports_and_resumes(tmp_path: Path) -> None:
    command = [
        sys.executable, "benchmarks/repair.py", "--tasks", "3", "--arms", "chat_repair:1,direct:1",
        "--model", "scripted:tests.meta_agent.assistant.replies:quixbugs",
        "--state", str(tmp_path / "state.jsonl"), "--report", str(tmp_path / "repair.md"),
    ]  # fmt: skip
    variables = {**os.environ, "ADAS_CACHE": str(tmp_path / "llm.db")}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "state.jsonl").read_text().splitlines()]
    assert len(rows) == 6
    assert all(row["untouched"] for row in rows)
    assert {row["arm"] for row in rows if row["fixed"]} <= {"chat_repair:1", "direct:1"}
    assert all(row["fixed"] for row in rows if row["verdict"] == "verified")
    text = (tmp_path / "repair.md").read_text()
    assert "runs that changed the original folder without consent: 0 of 6" in text
    assert "chat_repair:1 - direct:1:" in text
    again = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=110)
    assert again.returncode == 0, again.stderr
    assert len((tmp_path / "state.jsonl").read_text().splitlines()) == 6
    assert (tmp_path / "repair.md").read_text() == text
