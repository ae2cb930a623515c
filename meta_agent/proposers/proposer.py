"""The protocol of a proposer, and what goes in and out of it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Proposal:
    """A program that somebody suggests."""

    name: str
    thought: str
    source: str
    direction: str = ""
    """The design direction it was asked for, if any."""
    parents: tuple[str, ...] = ()
    """Ids of the programs it was made from."""


@dataclass(frozen=True, slots=True)
class Example:
    """A member of the archive, as a proposer sees it."""

    program: str
    """Its id."""
    name: str
    source: str
    scores: Mapping[str, float]
    """Task id -> score from 0 to 1, over the search split."""
    failures: tuple[str, ...] = ()
    """What went wrong on tasks it failed, one short line each."""
    thought: str = ""
    proposer: str = ""
    parents: tuple[str, ...] = ()
    """Ids of the programs that it was made from."""

    @property
    def score(self) -> float:
        """Mean score; 0 without scores."""
        return fmean(self.scores.values()) if self.scores else 0.0


@dataclass(frozen=True, slots=True)
class Turn:
    """One slot of a generation, for the proposer that got it."""

    members: tuple[Example, ...]
    """The archive as it was when the generation began, parents before their children."""
    parents: tuple[Example, ...]
    """Whom to learn from, if the proposer has no choice of its own: one or two members."""
    draw: int
    """Numbers the proposals of a run."""
    slot: int = 0
    """Earlier slots of the generation, with the draws just before this one, are in flight."""
    barred: frozenset[str] = frozenset()
    """Ids of members from which this proposer has only made programs that do not run."""


class Proposer(Protocol):
    """Writes programs. Calls its model and nothing else; never runs or scores anything."""

    @property
    def name(self) -> str:
        """Short name, as the configuration and the archive give it."""

    def propose(self, turn: Turn) -> Proposal:
        """Write a new program; equal turns give equal programs."""

    def reflect(self, proposal: Proposal, step: int, draw: int) -> Proposal:
        """Return the proposal, improved or as it was; ``step`` is 1 or 2."""

    def repair(self, proposal: Proposal, error: str, attempt: int, draw: int) -> Proposal:
        """Return the proposal with the error fixed; ``attempt`` counts from 1."""
