"""Choosing among measured programs without believing the luckiest.

Scores are shrunken (:mod:`archive.shrinkage`), so that the best of many is not taken at its word, and those go on to
the selection split who together hold the best of all with a high probability.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from archive.shrinkage import Levels, levels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from archive import Archive, Split

CERTAINTY = 0.95
"""Probability with which the finalists hold the best program."""


@dataclass(frozen=True)
class Standings:
    """Programs and what their scores say of them together."""

    programs: tuple[str, ...]
    levels: Levels

    @classmethod
    def of(cls, scores: Mapping[str, Mapping[str, float]]) -> Standings:
        """Return the standings of programs, from their scores by task id; a program without a score is left out."""
        rows = {program: row for program, row in scores.items() if row}
        if not rows:
            return cls((), Levels(np.empty(0), np.empty((0, 0))))
        tasks = sorted({task for row in rows.values() for task in row})
        matrix = np.array([[row.get(task, np.nan) for task in tasks] for row in rows.values()])
        return cls(tuple(rows), levels(matrix.reshape(len(rows), len(tasks))))

    def score(self, program: str) -> float:
        """Return the shrunken score of a program, 0 to 1; -1 when it was not measured."""
        known = program in self.programs
        return round(float(self.levels.mean[self.programs.index(program)]), 9) if known else -1.0

    def rows(self, among: Iterable[str]) -> list[int]:
        """Return the rows of some programs in :attr:`levels`, those left out that were not measured."""
        return [self.programs.index(program) for program in among if program in self.programs]


def finalists(standing: Levels, rows: Sequence[int], at_most: int) -> list[int]:
    """Return the fewest of some rows that hold their best with probability :data:`CERTAINTY`, the likeliest first."""
    if not rows:
        return []
    chances = standing.best(rows)
    ranked = sorted(range(len(rows)), key=lambda i: (-chances[i], -standing.mean[rows[i]], rows[i]))
    enough = int(np.searchsorted(np.cumsum(chances[ranked]), CERTAINTY)) + 1
    return [rows[i] for i in ranked[: min(enough, at_most)]]


def knock_out(
    standing: Callable[[int], Levels],
    groups: Sequence[Sequence[int]],
    measure: Callable[[Sequence[int], int, int], None],
    *,
    seats: Sequence[int],
    tasks: int,
    saved: int,
    block: int,
) -> list[list[int]]:
    """Look for the best of each group, block by block: after each, only those go on who may still be the best.

    There are rollouts for as many programs as there are seats on all tasks, and those that were saved before. At most
    half of them go into the first block.

    Args:
        standing: returns what is known when so many tasks have been asked.
        groups: rows of programs; a group that is decided is asked no more.
        measure: is told rows and which tasks, from one index up to another.
        seats: of each group.
        tasks: how many there are to ask.
        saved: rollouts.
        block: tasks between two looks.

    Returns:
        Those who are left of each group, the likeliest first.
    """
    fund, known, start = sum(seats) * tasks + saved, standing(0), 0
    more = fund / (2 * block * sum(seats))  # programs a seat in the first block
    left = [
        finalists(known, group, max(seat, int(seat * more)))
        for group, seat in zip(groups, seats, strict=True)
    ]
    while start < tasks and (open_ := [row for group in left if len(group) > 1 for row in group]):
        end = min(start + block, start + fund // len(open_), tasks)
        if end == start:
            break
        measure(open_, start, end)
        fund -= (end - start) * len(open_)
        known, start = standing(end), end
        left = [finalists(known, group, len(group)) for group in left]
    return left


def scores_of(archive: Archive, run: str, splits: Sequence[Split]) -> dict[str, dict[str, float]]:
    """Return the scores of the members of a run on some splits: program id -> task id -> score."""
    scores: dict[str, dict[str, float]] = {member.program: {} for member in archive.members(run)}
    measured = [e for e in archive.evaluations(run=run) if e.split in splits and e.program in scores]
    matrix = archive.matrix(measured)
    for evaluation in measured:
        scores[evaluation.program] |= matrix.row(evaluation.id)
    return scores
