"""Which proposer gets the next slot: Thompson sampling on what each has made so far.

Each proposer has a Beta posterior of how good its next program will be, on the scale of ranks: a proposal is worth the
share of the run's other programs that it beats, and nothing when it does not run (Fialho et al. 2010, Analyzing
bandit-based adaptive operator selection mechanisms: ranks, because the scale of scores says little). A slot
goes to the highest of one draw from each posterior (Thompson 1933; Agrawal and Goyal 2012, arXiv 1111.1797).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATIENCE = 2
"""Proposals of one proposer from one parent that may fail while none has run."""


@dataclass(frozen=True, slots=True)
class Play:
    """A proposal that came to its end."""

    proposer: str
    parent: str
    """Id of the first program it was made from; empty without one."""
    reward: float
    """0 to 1."""
    broken: bool
    """It is no program that runs."""


def choose_proposer(names: Sequence[str], plays: Sequence[Play], draw: str) -> str:
    """Return the name of one proposer.

    Args:
        names: the proposers that take part, in their fixed order.
        plays: everything that ended before this generation began.
        draw: names the draw (run seed, generation, slot); equal names draw equally, on every machine.
    """
    rng = random.Random(f"proposer/{draw}")  # noqa: S311
    drawn = {}
    for name in names:
        rewards = [play.reward for play in plays if play.proposer == name]
        drawn[name] = rng.betavariate(1 + sum(rewards), 1 + len(rewards) - sum(rewards))
    return max(names, key=lambda name: drawn[name])


def rank(program: str, scores: Mapping[str, float]) -> float:
    """Return the share of the other programs that one beats, an equal one counting half; 1/2 when it is alone.

    Args:
        program: an id among ``scores``.
        scores: id -> score.
    """
    others = [score for other, score in scores.items() if other != program]
    beaten = sum((scores[program] > score) + (scores[program] == score) / 2 for score in others)
    return beaten / len(others) if others else 0.5


def quarantine(plays: Sequence[Play], proposer: str) -> frozenset[str]:
    """Return the ids of the parents from which this proposer has only made programs that do not run, often enough."""
    own = [play for play in plays if play.proposer == proposer]
    broken = [play.parent for play in own if play.broken]
    ran = {play.parent for play in own if not play.broken}
    return frozenset(parent for parent in broken if parent not in ran and broken.count(parent) >= PATIENCE)
