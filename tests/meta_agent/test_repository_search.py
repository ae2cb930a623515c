"""A search for agents that repair repositories, from start to score card, and the same agents side by side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from archive import Archive
from tests.domains.test_repair import swebench
from tests.meta_agent.test_cli import adas

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["swebench"]

MODELS = [
    "model=scripted:tests.meta_agent.assistant.replies:repairs",
    "meta_model=scripted:tests.meta_agent.assistant.replies:writes_a_repairer",
]


@pytest.fixture
def domain(swebench: Path) -> str:
    """Eight tasks of one repository."""
    row = json.loads(swebench.read_text().splitlines()[0])
    rows = [
        {**row, "instance_id": f"i{n}", "problem_statement": f"add subtracts, case {n}."} for n in range(8)
    ]
    swebench.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return f"repair:{swebench}"


def test_a_search_discovers_repository_agents(tmp_path: Path, domain: str) -> None:
    done = adas(
        tmp_path, "search", domain, "--preset", "smoke", "--json", "agents=direct,chat_repair", "generations=1", "width=1",
        "proposers=reflective", "search_tasks=2", "selection_tasks=2", "test_tasks=2", "workers=2", *MODELS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    card = json.loads(done.stdout)
    assert card["discovered"] == 1, done.stderr
    finalist = next(line for line in card["lines"] if line["role"] == "finalist")
    assert finalist["accuracy"]["mean"] == 1
    with Archive(tmp_path / "archive.db") as archive:
        program = archive.program(finalist["program"])
        assert "kit.repo.test()" in program.source
        (rollout, *_) = archive.rollouts(archive.evaluations(program=program.id)[0].id)
        assert rollout.answer.startswith("diff --git a/sums.py")
        assert {step["op"] for step in rollout.trace} >= {"llm", "repo"}
        names = {archive.program(member.program).name for member in archive.members()}
    assert {"direct", "chat-repair"} < names


def test_repairers_side_by_side(tmp_path: Path, domain: str) -> None:
    done = adas(tmp_path, "evaluate", "--domain", domain, "--agents", "chat_repair", "--tasks", "2", "--json", "--model",
                MODELS[0].partition("=")[2])  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row["accuracy"]["mean"] for row in json.loads(done.stdout)["rows"]}
    assert rows == {"chat-repair": 1.0, "direct": 1.0, "self-consistency": 1.0}
