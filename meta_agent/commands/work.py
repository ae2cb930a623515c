"""What the commands share that put agents to work: their options, and the parts that they open."""

from __future__ import annotations

import functools
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from archive import Archive
    from meta_agent.assistant.agents import Agent
    from meta_agent.assistant.assistant import Assistant


@dataclass(frozen=True)
class Choice:
    """How agents are to work, as a user chose."""

    place: str | None
    model: str | None
    engine: str
    sandbox: str
    environment: Path | None
    calls: int
    tokens: int
    budget: str | None


_OPTIONS = (
    click.option(
        "--archive", "place", metavar="PATH", help="The archive (default: the one `adas search` uses)."
    ),
    click.option("--model", help="What agents run on (default: the model that each was measured with)."),
    click.option(
        "--engine", type=click.Choice(["auto", "llamacpp", "vllm"]), default="auto", help="For local models."
    ),
    click.option("--sandbox", default="process", show_default=True, help="As for `adas search`."),
    click.option(
        "--environment",
        type=click.Path(path_type=Path),
        help="Virtual environment whose packages programs may import.",
    ),
    click.option(
        "--calls", type=click.IntRange(min=1), default=20, show_default=True, help="Model calls a request."
    ),
    click.option(
        "--tokens", type=click.IntRange(min=1), default=60_000, show_default=True, help="Tokens a request."
    ),
    click.option(
        "--budget", help="For all requests together: 300-calls, 2M-tokens, $5, or several with commas."
    ),
)


def assistant_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of :class:`Choice`, as its argument ``choice``."""

    @functools.wraps(command)
    def chosen(**given: Any) -> Any:
        choice = Choice(**{field.name: given.pop(field.name) for field in fields(Choice)})
        return command(choice=choice, **given)

    for option in reversed(_OPTIONS):
        chosen = option(chosen)
    return chosen


@dataclass(frozen=True)
class Workplace:
    """Agents, and what they need to work."""

    assistant: Assistant
    agents: list[Agent]
    """The first one is the best."""
    archive: Archive | None
    concurrency: int | None
    """How many requests the first one's model wants in flight; None for any number."""

    def models(self) -> dict[str, Agent]:
        """Return the agents by the names that they are served under."""
        return {"adas/best": self.agents[0], **{f"adas/{agent.name}": agent for agent in self.agents}}


@contextmanager
def open_workplace(
    choice: Choice, agent: str | None, fits: Callable[[Agent], bool] = lambda _: True, default: str = "best"
) -> Iterator[Workplace]:
    """Open what agents need, and the model of the first one.

    Args:
        choice: how they are to work.
        agent: the only one there will be; None for all that were measured.
        fits: which agents will do, where several may.
        default: who it is where none of them fits.

    Raises:
        UserError: there is no such agent or model.
        ArchiveError, SandboxUnavailableError: these cannot be opened.
    """
    from archive import Archive, default_path
    from meta_agent.assistant.agents import archived_agents, find_agent
    from meta_agent.assistant.assistant import Assistant
    from meta_agent.evaluation import Allowance
    from meta_agent.llm import Budget, open_gateway
    from sandboxes import open_sandbox

    place = choice.place or default_path()
    with ExitStack() as stack:
        there = choice.place or "://" in place or Path(place).expanduser().exists()
        archive = stack.enter_context(Archive(place)) if there else None
        found = [one for one in archived_agents(archive, choice.model) if fits(one)] if archive else []
        if agent or not found:
            found = [find_agent(agent or default, archive, choice.model)]
        best = found[0]
        gateway = stack.enter_context(
            open_gateway(budget=Budget.parse(choice.budget) if choice.budget else None, engine=choice.engine)  # type: ignore[arg-type]
        )
        sandbox = stack.enter_context(closing(open_sandbox(choice.sandbox, choice.environment)))
        concurrency = gateway.backend(best.model).concurrency
        allowance = Allowance(calls=choice.calls, tokens=choice.tokens)
        assistant = stack.enter_context(Assistant(gateway, sandbox, allowance))
        yield Workplace(assistant, found, archive, concurrency)
