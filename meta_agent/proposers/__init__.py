"""Proposers: who writes the next agent program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from meta_agent.proposers.bandit import Play, choose_proposer, quarantine, rank
from meta_agent.proposers.composition import CompositionProposer
from meta_agent.proposers.crossover import CrossoverProposer
from meta_agent.proposers.mutation import MutationProposer
from meta_agent.proposers.proposer import Example, Proposal, Proposer, Turn
from meta_agent.proposers.reflective import ReflectiveProposer
from meta_agent.proposers.tree import TreeProposer
from meta_agent.proposers.tuning import TuningProposer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domains import Kind
    from meta_agent.proposers.author import Author, Gateway

__all__ = [
    "CompositionProposer",
    "CrossoverProposer",
    "Example",
    "MutationProposer",
    "Play",
    "Proposal",
    "Proposer",
    "ReflectiveProposer",
    "TreeProposer",
    "TuningProposer",
    "Turn",
    "choose_proposer",
    "open_proposers",
    "quarantine",
    "rank",
]

_AUTHORS: tuple[type[Author], ...] = (
    ReflectiveProposer,
    MutationProposer,
    CrossoverProposer,
    TreeProposer,
    TuningProposer,
)


def open_proposers(
    names: Sequence[str],
    gateway: Gateway,
    model: str,
    *,
    description: str,
    kind: Kind,
    calls: int,
) -> list[Proposer]:
    """Return the proposers of these names, in their order.

    Args:
        names: as ``SearchConfig.proposers`` takes them.
        gateway: to the meta model.
        model: the meta model.
        description: what the domain asks and what an answer looks like.
        kind: what an answer is; compositions for patches are those for answers, which know no tests.
        calls: model calls that a program may make on one task.

    Raises:
        UserError: a search over compositions that needs a package which is not installed.
    """
    searches: dict[str, Literal["smbo", "mcts", "tpe"]] = {
        "composition": "smbo",
        "composition-mcts": "mcts",
        "composition-tpe": "tpe",
    }
    authors = {author.name: author for author in _AUTHORS}
    return [
        CompositionProposer(kind="code" if kind == "code" else "answer", calls=calls, search=searches[name])
        if name in searches
        else authors[name](gateway, model, description=description, kind=kind, calls=calls)
        for name in dict.fromkeys(names)
    ]
