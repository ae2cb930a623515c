"""Whom the proposer learns from: a good program that has few children yet, and one that complements it.

Showing the whole archive is worse than showing nothing, and a few evolutionary parents help (El, Yuksekgonul and Zou
2025, arXiv 2510.06711). The rule is the one of the Darwin Goedel Machine (Zhang et al. 2025, arXiv 2505.22954): a
sigmoid of the score times 1 / (1 + children). The second parent is the one that solves most of what the first fails.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STEEPNESS = 10.0
"""Slope of the sigmoid around the middle score."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What parent selection knows about a member of the archive."""

    program: str
    scores: Mapping[str, float]
    """Task id -> score, over the search split."""
    children: int

    @property
    def mean(self) -> float:
        """Mean score; 0 without scores."""
        return sum(self.scores.values()) / len(self.scores) if self.scores else 0.0


def choose_parents(candidates: Sequence[Candidate], draw: str) -> tuple[str, ...]:
    """Return one or two program ids.

    Args:
        candidates: the archive's members, in their fixed order.
        draw: names the draw (run seed, generation, slot); equal names draw equally, on every machine.
    """
    if not candidates:
        return ()
    middle = sorted(c.mean for c in candidates)[len(candidates) // 2]
    weights = [1 / (1 + math.exp(-STEEPNESS * (c.mean - middle))) / (1 + c.children) for c in candidates]
    first = candidates[_pick(weights, draw)]
    others = [c for c in candidates if c.program != first.program]
    if not others:
        return (first.program,)
    second = max(others, key=lambda c: (_gain(first, c), c.mean))
    return first.program, second.program


def _gain(first: Candidate, other: Candidate) -> float:
    """Score that ``other`` adds where ``first`` falls short."""
    return sum(max(0.0, score - first.scores.get(task, 0.0)) for task, score in other.scores.items())


def _pick(weights: Sequence[float], draw: str) -> int:
    point = int.from_bytes(hashlib.sha256(draw.encode()).digest()[:8], "big") / 2**64 * sum(weights)
    for index, weight in enumerate(weights):
        point -= weight
        if point < 0:
            return index
    return len(weights) - 1
