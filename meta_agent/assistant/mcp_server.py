"""Agents as tools of the Model Context Protocol, for assistants that call tools: solve, repair, list, score card."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import anyio
from mcp.server.fastmcp import Context, FastMCP
from mcp.server.fastmcp.exceptions import ToolError
from pydantic import BaseModel, Field

from meta_agent.assistant.assistant import Step, describe
from meta_agent.assistant.conversation import as_task
from meta_agent.errors import BudgetError, OutageError, UserError
from meta_agent.llm import Message
from sandboxes import Cancel, SandboxFaultError, SandboxUnavailableError
from sandboxes.snapshot import Snapshot, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from archive import Archive
    from meta_agent.assistant.agents import Agent
    from meta_agent.assistant.assistant import Assistant

T = TypeVar("T")
INSTRUCTIONS = """Agents that were discovered and measured by a search. They work in a sandbox, on a language model of
their own. Ask list_agents who is there, and score_card how good an agent was on tasks that nobody had seen."""

Name = Annotated[str, Field(description="An agent of list_agents; best is the best one that fits.")]


class Solution(BaseModel):
    """What an agent answered."""

    answer: str
    agent: str
    model: str
    calls: int = Field(description="Calls of the language model.")
    tokens: int


class Repair(BaseModel):
    """A change that was tested but not applied."""

    patch: str = Field(description="Unified diff, for `git apply`.")
    verdict: Literal["verified", "failing", "untested"]
    seen: str = Field(description="What the tests showed.")
    agent: str
    calls: int
    tokens: int


class ListedAgent(BaseModel):
    """An agent, and its best measurement."""

    name: str
    idea: str
    model: str
    measured: str


def build_server(
    assistant: Assistant,
    agents: dict[str, Agent],
    repairers: dict[str, Agent],
    archive: Archive | None,
    root: Path,
) -> FastMCP:
    """Return the server.

    Args:
        assistant: lets agents work.
        agents: by name, with ``best`` for the first choice.
        repairers: those for repositories, in the same form.
        archive: knows the score cards.
        root: folder that repositories must be in.
    """
    server = FastMCP("adas", instructions=INSTRUCTIONS, log_level="WARNING")

    @server.tool()
    async def solve(
        task: Annotated[
            str, Field(description="The question or the Python function to write, with all that matters.")
        ],
        context: Context[Any, Any, Any],
        agent: Name = "best",
        kind: Annotated[
            Literal["code", "answer"] | None,
            Field(
                description="code: the answer is Python source; answer: text. By default read from the task."
            ),
        ] = None,
        entry_point: Annotated[str, Field(description="Name of the function to write, for kind code.")] = "",
        tests: Annotated[
            list[str] | None,
            Field(description="Asserts that the code must pass, such as 'assert f(1) == 2'."),
        ] = None,
    ) -> Solution:
        """Have an agent answer a question, or write a Python function that it runs on the tests given."""
        chosen = _chosen(agents, agent)
        posed = as_task([Message("user", task)], kind=kind, entry_point=entry_point, visible_tests=tests)
        answer = await _work(
            context, lambda cancel, observe: assistant.ask(chosen, posed, cancel=cancel, observe=observe)
        )
        if answer.failure:
            raise ToolError(f"{chosen.name} failed: {answer.failure.strip().rpartition(chr(10))[2]}")
        tokens = answer.prompt_tokens + answer.completion_tokens
        return Solution(
            answer=answer.text, agent=chosen.name, model=chosen.model, calls=answer.calls, tokens=tokens
        )

    @server.tool()
    async def repair(
        request: Annotated[str, Field(description="What is wrong, or what to change.")],
        repository: Annotated[str, Field(description="Folder of the repository.")],
        context: Context[Any, Any, Any],
        agent: Name = "best",
    ) -> Repair:
        """Have an agent change a repository on a copy, and run its tests. The repository itself is not touched."""
        from meta_agent.assistant.coder import Coder

        chosen = _chosen(repairers, agent)
        folder = _inside(root, repository)

        def change(cancel: Cancel, observe: Callable[[Step], None]) -> Any:
            with cancel.covering():
                coder = Coder(assistant, Snapshot.of(folder))
                return coder.propose(chosen, request, cancel=cancel, observe=observe)

        done = await _work(context, change)
        return Repair(
            patch=done.patch,
            verdict=done.verdict,
            seen=done.words,
            agent=chosen.name,
            calls=done.calls,
            tokens=done.tokens,
        )

    @server.tool()
    def list_agents() -> list[ListedAgent]:
        """List the agents, the best first, with what each was measured at."""
        return [_listed(name, one) for name, one in agents.items() if name != "best"]

    @server.tool()
    def score_card(agent: Name = "best") -> dict[str, Any]:
        """Tell what was measured of an agent: intervals, sealed tests against baselines, and where it comes from."""
        from meta_agent.assistant import provenance

        chosen = _chosen(agents, agent)
        if archive is None or chosen.standing is None:
            raise ToolError(f"nothing was measured of {chosen.name}")
        card = provenance.score_card(archive, chosen.program.id)
        return {
            **card,
            "words": provenance.lines(card),
            "lineage": provenance.ancestry(archive, chosen.program.id),
        }

    return server


def _chosen(agents: dict[str, Agent], name: str) -> Agent:
    found = agents.get(name)
    if found is None:
        raise ToolError(f"no agent {name!r}: there are {', '.join(list(agents)[:20])}")
    return found


def _listed(name: str, agent: Agent) -> ListedAgent:
    measured = "nothing"
    if standing := agent.standing:
        measured = (
            f"{standing.evaluation.domain}, {standing.evaluation.split}: {standing.mean:.1%} of {standing.n} tasks "
            f"(95% {standing.low:.1%} to {standing.high:.1%})"
        )
    idea = agent.program.thought.strip().partition("\n")[0][:200]
    return ListedAgent(name=name, idea=idea, model=agent.model, measured=measured)


def _inside(root: Path, folder: str) -> Path:
    place = (root / folder).resolve()
    if not place.is_relative_to(root.resolve()) or not place.is_dir():
        raise ToolError(
            f"{folder!r} is no folder in {root}: start `adas mcp --root` where your repositories are"
        )
    return place


async def _work(context: Context[Any, Any, Any], work: Callable[[Cancel, Callable[[Step], None]], T]) -> T:
    """Do some work in a thread; tell the client of its steps, and end it when the client takes the request back."""
    cancel = Cancel()

    def observe(step: Step) -> None:
        if words := describe(step):
            with suppress(RuntimeError):  # the client has left
                anyio.from_thread.run(context.info, words)

    try:
        return await anyio.to_thread.run_sync(lambda: work(cancel, observe), abandon_on_cancel=True)
    except (
        UserError,
        OutageError,
        BudgetError,
        SandboxFaultError,
        SandboxUnavailableError,
        WorkspaceError,
    ) as error:
        raise ToolError(str(error)) from None
    finally:
        cancel.cancel()
