"""Rankings of measured programs: by a lower bound, by shrunken score, or by whom they beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from archive.errors import ArchiveError
from archive.shrinkage import levels
from archive.statistics import pareto
from archive.winrate import minimax, win_rates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archive.archive import Archive, Standing

By = Literal["interval", "shrunken", "winrate"]
"""The lower end of the 95% interval; the score without the winner's curse; wins against the strongest mixture."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A standing with the figures it is ranked by."""

    standing: Standing
    front: bool
    """Whether no other program is as accurate for fewer tokens a task."""
    figures: dict[str, float]
    """``shrunken`` and ``best``, the probability of being the best; or ``wins`` against all, and ``mixture``, the
    weight in the mixture of programs that none beats more often than not."""


def rank(archive: Archive, standings: Sequence[Standing], by: By) -> list[Ranked]:
    """Return standings ranked; by interval they stay as :meth:`~archive.archive.Archive.best` returns them.

    Raises:
        ArchiveError: They were measured under different conditions, so that they cannot be compared task by task; by
            interval they may be.
    """
    if not standings:
        return []
    front = pareto([(s.mean, (s.prompt_tokens + s.completion_tokens) / s.n) for s in standings])
    figures: list[dict[str, float]] = [{}] * len(standings)
    if by != "interval":
        figures = _compared(archive, standings, by)
    ranked = [Ranked(*whole) for whole in zip(standings, front, figures, strict=True)]
    first, second = ("shrunken", "best") if by == "shrunken" else ("mixture", "wins")
    return sorted(ranked, key=lambda r: (-round(r.figures.get(first, 0), 3), -r.figures.get(second, 0)))


def _compared(archive: Archive, standings: Sequence[Standing], by: By) -> list[dict[str, float]]:
    evaluations = [standing.evaluation for standing in standings]
    if len({(e.model, e.seed) for e in evaluations}) > 1:
        raise ArchiveError(
            "these programs ran on different models: their scores do not compare, name one run"
        )
    held = archive.matrix(evaluations).scores
    scores = np.array([[np.nan if score is None else score for score in row] for row in held])
    if by == "shrunken":
        found = levels(scores)
        return [
            {"shrunken": float(mean), "best": float(best)}
            for mean, best in zip(found.mean, found.best(range(len(scores))), strict=True)
        ]
    rates = win_rates(scores)
    against = (rates.sum(axis=1) - 0.5) / max(1, len(rates) - 1)  # not against itself
    return [
        {"wins": float(wins), "mixture": float(weight)}
        for wins, weight in zip(against, minimax(rates), strict=True)
    ]
