"""Archive members for tests of proposers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meta_agent.llm import FREE, Backend, Gateway, ScriptedLLM
from meta_agent.proposers.proposer import Example, Turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from meta_agent.llm.llm import Request

PLAIN = "def forward(task, kit):\n    reply = kit.llm(task.prompt)\n    return kit.extract(reply)"


def member(
    name: str, solved: str = "", parents: tuple[str, ...] = (), source: str = PLAIN, proposer: str = "hand"
) -> Example:
    """Return a member whose id is its name; ``solved`` has a 1 for each task it solves and a 0 for the others."""
    scores = {f"t{i}": float(mark) for i, mark in enumerate(solved)}
    return Example(
        program=name,
        name=name,
        source=source,
        scores=scores,
        thought=f"the idea of {name}",
        proposer=proposer,
        parents=parents,
    )


def turn(*members: Example, draw: int = 0, slot: int = 0, parents: tuple[Example, ...] | None = None) -> Turn:
    """Return a slot in a run with these members, the first of which is the parent unless told otherwise."""
    return Turn(members, members[:1] if parents is None else parents, draw, slot)


def scripted(reply: Callable[[Request], str]) -> tuple[Gateway, list[str]]:
    """Return a gateway to a scripted model, and the prompts that it will have seen."""
    seen: list[str] = []

    def record(request: Request) -> str:
        seen.append(request.messages[-1].content)
        return reply(request)

    return Gateway(lambda _model: Backend(ScriptedLLM(record), None, FREE)), seen
