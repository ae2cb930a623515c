"""The outcome matrix as a drawing: programs down, tasks across, colour for the score."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from archive.views import clustered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archive.archive import Standing
    from archive.matrix import OutcomeMatrix

MOST_ROWS = 60
MOST_COLUMNS = 240
_HEIGHT, _WIDTH = 20, 960
_LETTERS = "0123456789A."  # a score in tenths; the last one stands for none


@dataclass(frozen=True, slots=True)
class Heat:
    """A matrix, placed; lengths in pixels."""

    rows: list[Standing]
    tasks: list[str]
    cells: str
    """A character a cell, row by row: the score in tenths in hexadecimal, a dot where there is no rollout."""
    paths: list[tuple[str, str]]
    """A class of colour and the path over all its cells."""
    difficulty: list[tuple[float, float]]
    """For each task where its column begins, and the share of the shown programs' scores on it."""
    cell_width: float
    cell_height: int
    width: float
    height: int
    all_tasks: int


def heat(matrix: OutcomeMatrix, rows: Sequence[Standing], order: str, columns: str, start: int) -> Heat:
    """Place a matrix.

    Args:
        matrix: Of the evaluations of ``rows``, in the same order.
        rows: The programs.
        order: ``cluster`` puts programs with like outcomes side by side; anything else leaves them as they are.
        columns: ``cluster``, ``difficulty`` (hardest first) or ``name``.
        start: The first task to show, in the order of their names or difficulty.
    """
    scores = np.array(
        [[np.nan if score is None else score for score in row] for row in matrix.scores], dtype=float
    )
    scores = scores.reshape(len(rows), len(matrix.tasks))
    known = ~np.isnan(scores)
    shares = np.where(known, scores, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    across = list(range(len(matrix.tasks)))
    if columns == "difficulty":
        across.sort(key=lambda task: (shares[task], task))
    across = across[start : start + MOST_COLUMNS]
    if columns == "cluster":
        across = [across[i] for i in clustered(scores[:, across].T)]
    down = clustered(scores[:, across]) if order == "cluster" else list(range(len(rows)))
    shown = scores[np.ix_(down, across)]
    tenths = np.where(np.isnan(shown), -1, np.rint(10 * np.nan_to_num(shown))).astype(int).tolist()
    width = round(min(36.0, max(4.0, _WIDTH / max(1, len(across)))), 1)
    return Heat(
        rows=[rows[i] for i in down],
        tasks=[matrix.tasks[i] for i in across],
        cells="".join(_LETTERS[tenth] for row in tenths for tenth in row),
        paths=_paths(tenths, width),
        difficulty=[(round(i * width, 1), float(shares[task])) for i, task in enumerate(across)],
        cell_width=width,
        cell_height=_HEIGHT,
        width=round(width * len(across), 1),
        height=_HEIGHT * len(rows),
        all_tasks=len(matrix.tasks),
    )


def _paths(tenths: list[list[int]], width: float) -> list[tuple[str, str]]:
    """Return one path a colour: a stroke as wide as a row for each run of equal cells."""
    found: dict[int, list[str]] = {}
    for number, row in enumerate(tenths):
        start = 0
        for tenth, run in groupby(row):
            length = len(list(run))
            stroke = f"M{start * width:.1f} {number * _HEIGHT + _HEIGHT // 2}h{length * width:.1f}"
            found.setdefault(tenth, []).append(stroke)
            start += length
    return [(f"s{tenth}", "".join(strokes)) for tenth, strokes in sorted(found.items()) if tenth >= 0]
