"""A whole search on HumanEval with the real 0.5B model on the built-in engine: slow machines need some minutes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from archive import Archive

ROOT = Path(__file__).parents[2]
MODEL = "local/qwen2.5-coder-0.5b"


@pytest.mark.model
@pytest.mark.timeout(1200)
def test_a_search_with_a_real_model(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "ADAS_ARCHIVE": str(tmp_path / "archive.db"),
        "ADAS_CACHE": str(tmp_path / "llm.db"),
    }
    settings = [
        "humaneval",
        f"model={MODEL}",
        f"meta_model={MODEL}",
        "engine=llamacpp",
        "agents=direct",
        "width=1",
        "generations=1",
        "reflections=1",
        "repairs=1",
        "search_tasks=2",
        "selection_tasks=1",
        "test_tasks=1",
        "calls_per_task=3",
        "budget=80-calls",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "meta_agent", "search", "--preset", "smoke", "--json", *settings],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    card = json.loads(done.stdout)
    assert card["domain"] == "humaneval"
    assert {line["tasks"] for line in card["lines"]} == {1}
    assert all(0 <= line["accuracy"]["low"] <= line["accuracy"]["high"] <= 1 for line in card["lines"])
    with Archive(tmp_path / "archive.db") as archive:
        (run,) = archive.runs()
        calls = [call for call in archive.calls(run.id) if not call.cached]
        assert len(calls) >= 6
        assert all(call.completion_tokens > 0 and call.model == MODEL for call in calls)
        assert {call.role for call in calls} == {"agent", "meta"}
        assert len(archive.members(run.id)) + len(archive.failures(run.id)) >= 2
