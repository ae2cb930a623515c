"""Mate choice: a program takes the mate that is closest to its own ideal, whatever the mate is worth.

Sexual selection in place of a second tournament ("All You Need Is Sex", PIMP): the ideal is inherited and mutates, so
that taste evolves with the programs. Here a mate is known by its behaviour, which tasks it solves. A program without
parents wishes for its opposite; a child takes each task's wish from either parent, and some flip.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from meta_agent.parents import distance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from meta_agent.proposers.proposer import Example

CANDIDATES = 4
"""Members that are looked at; the fewer, the more chance has a say."""


def choose_mate(
    ideal: Mapping[str, float], members: Sequence[Example], rng: random.Random, candidates: int = CANDIDATES
) -> Example:
    """Return the one closest to the ideal among some members drawn at random; the first drawn of equals.

    Args:
        ideal: task id -> 0 or 1, what the mate should do on it.
        members: at least one.
        rng: draws them.
        candidates: how many are drawn.
    """
    drawn = rng.sample(list(members), min(candidates, len(members)))
    return min(drawn, key=lambda member: distance(ideal, member.scores))


def ideal_mates(members: Sequence[Example]) -> dict[str, dict[str, float]]:
    """Return the behaviour that each program wishes for in a mate, by the program's id: task id -> 0 or 1.

    Args:
        members: parents before their children, as in an archive; parents that are not among them leave nothing.
    """
    ideals: dict[str, dict[str, float]] = {}
    for member in members:
        wishes = [ideals[parent] for parent in member.parents if parent in ideals]
        rng = random.Random(f"mate/{member.program}")  # noqa: S311
        flip = 1 / max(1, len(member.scores))
        ideals[member.program] = ideal = {}
        for task in sorted(member.scores):
            opposite = float(member.scores[task] < 1)
            inherited = rng.choice(wishes).get(task, opposite) if wishes else opposite
            ideal[task] = 1 - inherited if wishes and rng.random() < flip else inherited
    return ideals
