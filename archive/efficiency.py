"""What a program costs to run, in itself and against the reference solution: the measures of Effi-Code.

Huang et al. (2024), Effi-Code: Unleashing Code Efficiency in Language Models, arXiv 2410.10209.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Usage:
    """One run of one program."""

    seconds: float
    """ET."""
    peak_mb: float
    """MU."""
    mb_seconds: float
    """TMU: memory integrated over time."""


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Means over tasks."""

    tasks: int
    seconds: float
    """ET."""
    peak_mb: float
    """MU."""
    mb_seconds: float
    """TMU."""
    seconds_ratio: float
    """NET: mean of the ratios to the reference solution, not the ratio of the means; below 1 is better than it."""
    peak_ratio: float
    """NMU, likewise."""
    mb_seconds_ratio: float
    """NTMU, likewise."""


def usage(samples: Sequence[tuple[float, float]]) -> Usage:
    """Return what a run used, from ``(seconds since some start, MB held)`` in order of time; trapezoid rule.

    Raises:
        ValueError: There are fewer than two samples, or time runs backwards.
    """
    if len(samples) < 2 or any(later < sooner for (sooner, _), (later, _) in pairwise(samples)):
        raise ValueError("expected two or more samples in order of time")
    held = math.fsum((a + b) / 2 * (later - sooner) for (sooner, a), (later, b) in pairwise(samples))
    return Usage(samples[-1][0] - samples[0][0], max(mb for _, mb in samples), held)


def efficiency(solved: Mapping[str, Usage], reference: Mapping[str, Usage]) -> Efficiency:
    """Return the measures over the solved tasks, by task id, against the reference solution of each.

    Raises:
        ValueError: No task is solved, or a solved one has no reference that took time and memory.
    """
    pairs = [(mine, reference.get(task)) for task, mine in solved.items()]
    known = [(mine, theirs) for mine, theirs in pairs if theirs and theirs.mb_seconds > 0]
    if not known or len(known) < len(pairs):
        raise ValueError(
            f"{len(known)} of {len(pairs)} solved tasks have a reference that took time and memory"
        )
    n = len(known)
    return Efficiency(
        n,
        math.fsum(mine.seconds for mine, _ in known) / n,
        math.fsum(mine.peak_mb for mine, _ in known) / n,
        math.fsum(mine.mb_seconds for mine, _ in known) / n,
        math.fsum(mine.seconds / theirs.seconds for mine, theirs in known) / n,
        math.fsum(mine.peak_mb / theirs.peak_mb for mine, theirs in known) / n,
        math.fsum(mine.mb_seconds / theirs.mb_seconds for mine, theirs in known) / n,
    )


def compare_efficiency(
    first: Mapping[str, Usage], second: Mapping[str, Usage], reference: Mapping[str, Usage]
) -> tuple[Efficiency, Efficiency]:
    """Return the measures of two solvers over the tasks that both solved; those of one alone would flatter the other.

    Raises:
        ValueError: No task is solved by both, or see :func:`efficiency`.
    """
    both = [task for task in first if task in second]
    return (
        efficiency({task: first[task] for task in both}, reference),
        efficiency({task: second[task] for task in both}, reference),
    )
