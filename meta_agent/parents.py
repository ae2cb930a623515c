"""Whom the proposer learns from: a good, unusual program that has few children yet, and one that complements it.

Showing the whole archive is worse than showing nothing, and a few evolutionary parents help (El, Yuksekgonul and Zou
2025, arXiv 2510.06711). The weight is that of the Darwin Goedel Machine (Zhang et al. 2025, arXiv 2505.22954), a
sigmoid of the score times 1 / (1 + children), times the novelty of what the program solves (Lehman and Stanley 2011,
Abandoning objectives): how far it is, on average, from its nearest neighbours in the outcome matrix, since the text of
a program says little about what it does. The second parent is the one that solves most of what the first fails.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from meta_agent.proposers.proposer import Example

STEEPNESS = 10.0
"""Slope of the sigmoid around the middle score."""
NEIGHBOURS = 3
FLOOR = 0.1
"""Added to the novelty: a program that does what others do can still be chosen."""


def choose_parents(members: Sequence[Example], draw: str) -> tuple[Example, ...]:
    """Return one or two of the members.

    Args:
        members: the archive's members, in their fixed order.
        draw: names the draw (run seed, generation, slot); equal names draw equally, on every machine.
    """
    if not members:
        return ()
    first = members[_pick(weights(members), draw)]
    others = [member for member in members if member.program != first.program]
    if not others:
        return (first,)
    return first, max(others, key=lambda member: (_gain(first, member), member.score))


def weights(members: Sequence[Example]) -> list[float]:
    """Return how likely each member is to be the first parent, up to a common factor."""
    middle = sorted(member.score for member in members)[len(members) // 2]
    children = Counter(parent for member in members for parent in member.parents[:1])
    return [
        (FLOOR + novelty(member, members))
        / (1 + math.exp(-STEEPNESS * (member.score - middle)))
        / (1 + children[member.program])
        for member in members
    ]


def novelty(member: Example, members: Sequence[Example]) -> float:
    """Return the mean distance of a member to its nearest neighbours, from 0 to 1; 1 when it is alone."""
    others = (distance(member.scores, other.scores) for other in members if other.program != member.program)
    return fmean(sorted(others)[:NEIGHBOURS] or [1.0])


def distance(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Return how differently two programs behave, from 0 to 1: the mean difference on the tasks that both tried.

    On tasks that are solved or not this is the Hamming distance over their number. Without a shared task it is 1/2.
    """
    return fmean([abs(first[task] - second[task]) for task in first if task in second] or [0.5])


def _gain(first: Example, other: Example) -> float:
    """Score that ``other`` adds where ``first`` falls short."""
    return sum(
        max(0.0, other.scores[task] - score) for task, score in first.scores.items() if task in other.scores
    )


def _pick(weights: Sequence[float], draw: str) -> int:
    point = int.from_bytes(hashlib.sha256(draw.encode()).digest()[:8], "big") / 2**64 * sum(weights)
    for index, weight in enumerate(weights):
        point -= weight
        if point < 0:
            return index
    return len(weights) - 1
