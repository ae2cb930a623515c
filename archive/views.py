"""What viewers draw: the best so far, the front, rows and columns that are alike side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from archive.report import SPLITS
from archive.statistics import pareto

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from archive.archive import Archive, Standing
    from archive.records import Member, Split

UNITS = {
    "tokens": "tokens a task",
    "usd": "dollars a task",
    "calls": "calls a task",
    "seconds": "seconds a task",
}
"""What a cost may be counted in, and what a chart calls it."""


@dataclass(frozen=True, slots=True)
class Step:
    """A program that was better than all before it."""

    position: int
    """How many members came before it."""
    standing: Standing


def by_split(archive: Archive, run: str) -> dict[Split, dict[str, Standing]]:
    """Return how the programs of a run stand on each split, by the id of the program."""
    found: dict[Split, dict[str, Standing]] = {split: {} for split in SPLITS}
    for standing in archive.standings(run=run):
        found[standing.evaluation.split][standing.evaluation.program] = standing
    return found


def best_so_far(members: Sequence[Member], standings: dict[str, Standing]) -> list[Step]:
    """Return the members, in the order given, whose mean is above that of all before them.

    The maximum of many noisy means is optimistic: a viewer must say so.

    Args:
        members: Of one run, by generation and slot.
        standings: By program; members without one are passed over.
    """
    steps: list[Step] = []
    for position, member in enumerate(members):
        one = standings.get(member.program)
        if one and (not steps or one.mean > steps[-1].standing.mean):
            steps.append(Step(position, one))
    return steps


def cost_a_task(standing: Standing, unit: str) -> float | None:
    """Return what one task took: one of :data:`UNITS` (None when a price is unknown)."""
    total: float | None
    if unit == "tokens":
        total = standing.prompt_tokens + standing.completion_tokens
    else:
        total = getattr(standing, {"usd": "cost_usd"}.get(unit, unit))
    return None if total is None else total / standing.n


def front(standings: Sequence[Standing], unit: str) -> list[Standing]:
    """Return the standings that no other equals or beats for less, cheapest first; unpriced ones are left out."""
    priced = [(one, cost) for one in standings if (cost := cost_a_task(one, unit)) is not None]
    kept = pareto([(one.mean, cost) for one, cost in priced])
    on_front = [pair for pair, keep in zip(priced, kept, strict=True) if keep]
    return [one for one, _ in sorted(on_front, key=lambda pair: (pair[1], pair[0].evaluation.id))]


def clustered(rows: npt.ArrayLike) -> list[int]:
    """Return the order in which rows that are alike stand side by side.

    Average linkage (Sokal and Michener 1958) on the mean absolute difference of the columns that two rows share; the
    two branches of each join are turned so that the rows that meet are the closest ends.

    Args:
        rows: Shape (rows, columns); NaN where nothing was measured. Takes time cubic in the rows: a few hundred.
    """
    values = np.asarray(rows, dtype=float)
    if len(values) < 3:
        return list(range(len(values)))
    apart = _distances(values)
    between = apart.copy()
    np.fill_diagonal(between, np.inf)
    groups: list[list[int]] = [[row] for row in range(len(values))]
    for _ in range(len(values) - 1):
        a, b = sorted(divmod(int(np.argmin(between)), len(values)))
        sizes = len(groups[a]), len(groups[b])
        joined = (sizes[0] * between[a] + sizes[1] * between[b]) / sum(sizes)
        groups[a] = _meet(groups[a], groups[b], apart)
        between[a], between[:, a] = joined, joined
        between[a, a] = np.inf
        between[b], between[:, b] = np.inf, np.inf
    return groups[0]


def _distances(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    apart = np.empty((len(values), len(values)))
    for row in range(len(values)):
        both = known & known[row]
        shared = both.sum(axis=1)
        gaps = (np.abs(filled - filled[row]) * both).sum(axis=1)
        apart[row] = np.where(shared > 0, gaps / np.maximum(shared, 1), 1.0)
    return apart


def _meet(first: list[int], second: list[int], apart: npt.NDArray[np.float64]) -> list[int]:
    turned = [(one, other) for one in (first, first[::-1]) for other in (second, second[::-1])]
    one, other = min(turned, key=lambda pair: float(apart[pair[0][-1], pair[1][0]]))
    return one + other
