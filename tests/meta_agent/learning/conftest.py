"""An archive of real rollouts on small tasks, by a scripted model that is right half of the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from archive import Member, Program
from meta_agent.agents import load_agent
from meta_agent.agents.kit import extract_code
from meta_agent.llm.llm import Message, Request

if TYPE_CHECKING:
    from tests.meta_agent.conftest import Bench

AGENTS = ("direct", "self_debug", "self_consistency", "self_refine")


@pytest.fixture
def lived(bench: Bench) -> Bench:
    """The bench after four hand-designed agents, and one that the meta model wrote, met the search tasks."""
    programs = [load_agent(name) for name in AGENTS]
    for slot, program in enumerate(programs):
        bench.archive.add_program(program)
        bench.archive.add_member(Member("r", program.id, 0, slot, proposer="hand"))
    bench.evaluator.evaluate("r", programs, bench.domain.tasks("search"), "search")
    child = next(filter(None, (_written(bench, number) for number in range(50))))
    bench.evaluator.evaluate("r", [child], bench.domain.tasks("search"), "search")
    bench.archive.add_member(Member("r", child.id, 1, 0, parents=(programs[0].id,), proposer="reflective"))
    return bench


def _written(bench: Bench, number: int) -> Program | None:
    """Return what the meta model writes when asked, None when it is not the kind that runs."""
    request = Request("meta", (Message("user", f"Write a better one, {number}."),))
    source = extract_code(bench.gateway.complete(request, role="meta").text)
    return Program(source=source, name="child") if "Tester" in source else None
