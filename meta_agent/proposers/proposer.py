"""The protocol of a proposer, and what goes in and out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Proposal:
    """A program that somebody suggests."""

    name: str
    thought: str
    source: str
    direction: str = ""
    """The design direction it was asked for, if any."""


@dataclass(frozen=True, slots=True)
class Example:
    """A program of the archive, as the proposer sees it."""

    name: str
    source: str
    score: float
    """Mean score on the search split, 0 to 1."""
    failures: tuple[str, ...] = ()
    """What went wrong on tasks it failed, one short line each."""


class Proposer(Protocol):
    """Writes programs. Calls its model and nothing else; never runs or scores anything."""

    name: str

    def propose(self, parents: Sequence[Example], draw: int) -> Proposal:
        """Write a new program after looking at its parents; ``draw`` numbers the proposals of a run."""

    def reflect(self, proposal: Proposal, parents: Sequence[Example], step: int, draw: int) -> Proposal:
        """Return the proposal, improved or as it was; ``step`` is 1 or 2."""

    def repair(self, proposal: Proposal, error: str, attempt: int, draw: int) -> Proposal:
        """Return the proposal with the error fixed; ``attempt`` counts from 1."""
