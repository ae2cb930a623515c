from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from archive import Archive
from meta_agent.config import SearchConfig
from meta_agent.estimate import Cost, Pilot, estimate
from tests.meta_agent.rehearsal import write_tasks

ROOT = Path(__file__).parents[2]


def pilot(*tokens: tuple[float, ...], wall_s: float = 10.0, workers: int = 4) -> Pilot:
    """Agents that take these tokens on each task, a call and a second each; a candidate takes 1000 to write."""
    names = ["direct", "self-consistency", "roles"]
    return Pilot(
        seeds={
            n: tuple(Cost(1, t, 1.0, t / 1000) for t in row) for n, row in zip(names, tokens, strict=False)
        },
        writing=Cost(4, 1000, 5.0, 2.0),
        spent=Cost(10, 2000, 10.0),
        wall_s=wall_s,
        workers=workers,
    )


CONFIG = SearchConfig(
    generations=2,
    width=3,
    search_tasks=10,
    selection_tasks=4,
    test_tasks=5,
    finalists=1,
    repairs=1,
    race_block=2,
)


def test_equal_agents_give_the_sum_of_the_parts() -> None:
    found = estimate(CONFIG, pilot((100, 100), (100, 100)))
    seeds, raced, tests = 2 * 10, 6 * (10 + 1), 3 * 5
    assert found.rollouts.likely == seeds + raced + (1 + 2) * 4 / 2 + tests
    assert found.calls.likely == found.rollouts.likely + 6 * 4
    assert found.tokens.likely == found.rollouts.likely * 100 + 6 * 1000
    assert found.dollars
    assert found.dollars.likely == pytest.approx(found.rollouts.likely * 0.1 + 6 * 2)
    assert found.rollouts.low == seeds + 6 * (4 + 1) + 3 * 2 + tests
    assert found.rollouts.high == seeds + 6 * (10 + 2) + 3 * 4 + tests
    assert found.tokens.high == found.rollouts.high * 100 + 12 * 1000


def test_time_lies_between_side_by_side_and_the_pilots_pace() -> None:
    found = estimate(CONFIG, pilot((100, 100), (100, 100)))
    assert found.seconds.high == pytest.approx(found.tokens.high / 200)  # the pilot made 200 tokens a second
    alone = found.rollouts.low * 1.0 + 6 * 5.0
    assert found.seconds.low == pytest.approx(min(alone / 4, found.tokens.low / 200))
    assert found.seconds.low <= found.seconds.likely <= found.seconds.high


def test_tasks_that_differ_make_the_range_wider() -> None:
    same, unlike = estimate(CONFIG, pilot((100, 100, 100))), estimate(CONFIG, pilot((80, 100, 120)))
    assert unlike.tokens.likely == pytest.approx(same.tokens.likely)
    assert unlike.tokens.low < same.tokens.low
    assert unlike.tokens.high > same.tokens.high


def test_break_even_is_the_search_divided_by_what_a_query_saves() -> None:
    found = estimate(CONFIG, pilot((100, 100), (500, 500), (900, 900)))
    assert found.self_consistency == 500
    backs = {back.agent: back for back in found.pays_back}
    assert backs["direct"].queries
    assert backs["direct"].queries.likely == pytest.approx(found.tokens.likely / 400)
    assert backs["self-consistency"].queries is None
    assert backs["roles"].queries is None


def test_an_unknown_price_is_said() -> None:
    seeds = {"direct": (Cost(1, 100, 1.0, 0.0, unpriced=1),)}
    assert estimate(CONFIG, Pilot(seeds, Cost(), Cost(), 1.0, 1)).dollars is None


def test_the_command_spends_little_and_the_search_agrees(tmp_path: Path) -> None:
    settings = [
        str(write_tasks(tmp_path / "plus.jsonl")),
        "--preset",
        "smoke",
        "model=scripted:tests.meta_agent.rehearsal:agent",
        "meta_model=scripted:tests.meta_agent.rehearsal:meta",
        "proposers=reflective",
        "workers=4",
        "search_tasks=5",
    ]

    def adas(command: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "meta_agent", command, *settings, "--json"],
            env={
                **os.environ,
                "ADAS_ARCHIVE": str(tmp_path / "archive.db"),
                "ADAS_CACHE": str(tmp_path / "llm.db"),
                "PYTHONPATH": str(ROOT),
            },
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=110,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    said = adas("estimate")
    assert not (tmp_path / "archive.db").exists()
    assert said["dollars"]["likely"] == 0
    adas("search")
    with Archive(tmp_path / "archive.db") as archive:
        (run,) = archive.runs()
        calls = sum(r.calls for e in archive.evaluations(run=run.id) for r in archive.rollouts(e.id))
        calls += sum(call.role == "meta" for call in archive.calls(run.id))
    assert said["calls"]["low"] <= calls <= said["calls"]["high"]
