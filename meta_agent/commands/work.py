"""What the commands share that put agents to work: their options, and the parts that they open."""

from __future__ import annotations

import functools
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from archive import Archive
    from meta_agent.assistant.agents import Agent
    from meta_agent.assistant.assistant import Assistant

CALLS = 20
TOKENS = 60_000


@dataclass(frozen=True)
class Choice:
    """How agents are to work, as a user chose; None leaves it to the agent's own settings, or to us."""

    place: str | None = None
    model: str | None = None
    engine: str | None = None
    sandbox: str | None = None
    environment: Path | None = None
    calls: int | None = None
    tokens: int | None = None
    budget: str | None = None


_OPTIONS = (
    click.option(
        "--archive", "place", metavar="PATH", help="The archive (default: the one `adas search` uses)."
    ),
    click.option("--model", help="What agents run on (default: the model that each was measured with)."),
    click.option("--engine", type=click.Choice(["auto", "llamacpp", "vllm"]), help="For local models."),
    click.option("--sandbox", help="As for `adas search` (default: process)."),
    click.option(
        "--environment",
        type=click.Path(path_type=Path),
        help="Virtual environment whose packages programs may import.",
    ),
    click.option("--calls", type=click.IntRange(min=1), help=f"Model calls a request (default: {CALLS})."),
    click.option("--tokens", type=click.IntRange(min=1), help=f"Tokens a request (default: {TOKENS})."),
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
    open_model: Callable[[str], object]
    """Opens a model by its name."""

    def models(self) -> dict[str, Agent]:
        """Return the agents by the names that they are served under."""
        return {"adas/best": self.agents[0], **{f"adas/{agent.name}": agent for agent in self.agents}}


def knows_repositories(agent: Agent) -> bool:
    """Tell whether an agent was measured on repositories."""
    return agent.standing is not None and agent.standing.evaluation.domain.startswith("repair")


@contextmanager
def opened_archive(choice: Choice) -> Iterator[Archive | None]:
    """Open the archive that was chosen; the default one may not be there yet."""
    from archive import Archive, default_path

    place = choice.place or default_path()
    if choice.place is None and "://" not in place and not Path(place).expanduser().exists():
        yield None
        return
    with Archive(place) as archive:
        yield archive


@contextmanager
def open_workplace(
    choice: Choice, agent: str | None, fits: Callable[[Agent], bool] = lambda _: True, default: str = "best"
) -> Iterator[Workplace]:
    """Open what agents need, and the model of the first one.

    Args:
        choice: how they are to work.
        agent: the only one there will be, or a folder that was deployed to; None for all that were measured.
        fits: which agents will do, where several may.
        default: who it is where none of them fits.

    Raises:
        UserError: there is no such agent or model.
        ArchiveError, SandboxUnavailableError: these cannot be opened.
    """
    from meta_agent.assistant import bundle
    from meta_agent.assistant.agents import archived_agents, find_agent
    from meta_agent.assistant.assistant import Assistant
    from meta_agent.evaluation import Allowance
    from meta_agent.llm import Budget, open_gateway
    from sandboxes import open_sandbox

    with ExitStack() as stack:
        archive = None
        if agent and bundle.is_bundle(agent):
            release = bundle.load(Path(agent))
            choice = _settled(choice, release.settings)
            if choice.model is None:
                bundle.check_model(release)
            found = [replace(release.agent, model=choice.model or release.agent.model)]
        else:
            choice = _settled(choice, bundle.Settings())
            archive = stack.enter_context(opened_archive(choice))
            found = [one for one in archived_agents(archive, choice.model) if fits(one)] if archive else []
            if agent or not found:
                found = [find_agent(agent or default, archive, choice.model)]
        budget = Budget.parse(choice.budget) if choice.budget else None
        gateway = stack.enter_context(open_gateway(budget=budget, engine=choice.engine))  # type: ignore[arg-type]
        sandbox = stack.enter_context(closing(open_sandbox(str(choice.sandbox), choice.environment)))
        concurrency = gateway.backend(found[0].model).concurrency
        allowance = Allowance(calls=choice.calls or CALLS, tokens=choice.tokens or TOKENS)
        assistant = stack.enter_context(Assistant(gateway, sandbox, allowance))
        yield Workplace(assistant, found, archive, concurrency, gateway.backend)


def _settled(choice: Choice, settings: Any) -> Choice:
    """Return a choice with what was left open as in an agent's settings."""
    left = {
        name: getattr(settings, name)
        for name in ("calls", "tokens", "sandbox", "engine")
        if getattr(choice, name) is None
    }
    return replace(choice, **left)
