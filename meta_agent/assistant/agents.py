"""Which agents there are to work with: those of an archive, as they were measured, and the hand-designed ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meta_agent.agents import SEEDS, load_agent
from meta_agent.config import SearchConfig
from meta_agent.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from archive import Archive, Program, Standing

PORTFOLIO = "portfolio"
"""What the newest program that `adas portfolio` made is called."""
DEFAULT_MODEL = str(SearchConfig.model_fields["model"].default)


@dataclass(frozen=True, slots=True)
class Agent:
    """A program, and the model that it thinks with."""

    name: str
    """Letters, digits and hyphens; unique among those of an archive."""
    program: Program
    model: str
    standing: Standing | None = None
    """Its best evaluation: on the sealed test where there is one, else on the selection or the search split."""


def archived_agents(archive: Archive, model: str | None = None) -> list[Agent]:
    """Return every measured program of an archive, the best of the last run first, and its portfolio if it has one.

    Args:
        archive: where to look.
        model: what the programs run on; by default the model that each was measured with.
    """
    best: dict[str, Standing] = {}
    for standing in _by_merit(archive):
        best.setdefault(standing.evaluation.program, standing)
    programs = {program.id: program for program in archive.programs()}
    names = _names(programs[identifier] for identifier in best)
    agents = [
        Agent(names[identifier], programs[identifier], model or standing.evaluation.model, standing)
        for identifier, standing in best.items()
    ]
    portfolios = [program for program in programs.values() if program.name.startswith(f"{PORTFOLIO} of ")]
    if portfolios and agents:
        newest = portfolios[-1]
        agents.append(Agent(PORTFOLIO, newest, agents[0].model, best.get(newest.id)))
    return agents


def find_agent(name: str, archive: Archive | None, model: str | None = None) -> Agent:
    """Return an agent by its name.

    Args:
        name: ``best``, the name or id of an archived program, the name of a hand-designed one, or a path to a ``.py``.
        archive: where to look first, if there is one.
        model: what it runs on; by default what it was measured with, else the default of a search.

    Raises:
        UserError: there is no such agent.
    """
    agents = archived_agents(archive, model) if archive else []
    if name == "best":
        if not agents:
            where = f"nothing was measured in {archive.name}" if archive else "there is no archive"
            raise UserError(
                f"no best agent: {where}; run `adas search`, or name a hand-designed one, such as {SEEDS[-1]}"
            )
        return agents[0]
    if name == PORTFOLIO and not any(agent.name == PORTFOLIO for agent in agents):
        raise UserError("there is no portfolio yet: `adas portfolio` makes one of a run's agents")
    named = [agent for agent in agents if name in (agent.name, agent.program.name, agent.program.id)]
    begun = [agent for agent in agents if len(name) >= 4 and agent.program.id.startswith(name)]
    if found := named or begun:
        return found[0]
    program = load_agent(name if name.endswith(".py") else name.replace("-", "_"))
    return Agent(_slug(program.name), program, model or DEFAULT_MODEL)


def _by_merit(archive: Archive) -> list[Standing]:
    """Return all standings: the newest run first, its sealed test before its other splits, the best first."""
    ages = {run.id: age for age, run in enumerate(reversed(archive.runs()))}
    splits = ("test", "selection", "search")

    def rank(standing: Standing) -> tuple[float, ...]:
        tokens = standing.prompt_tokens + standing.completion_tokens
        evaluation = standing.evaluation
        return ages[evaluation.run], splits.index(evaluation.split), -standing.low, -standing.mean, tokens

    return sorted(archive.standings(), key=rank)


def _names(programs: Iterable[Program]) -> dict[str, str]:
    """Return a name for each program id, each once."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for program in programs:
        name = _slug(program.name)
        name = f"{name}-{program.id[:6]}" if name in taken or name in ("best", PORTFOLIO) else name
        taken.add(name)
        names[program.id] = name
    return names


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "agent"
