"""Ranking programs by whom they beat instead of by their mean.

The minimax winner of a set is the mixture that no member beats more often than not: Swamy et al. (2024), A
Minimaximalist Approach to Reinforcement Learning from Human Feedback, arXiv 2401.04056. It is not moved by copies of
a weak program, and exists where A beats B, B beats C and C beats A.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

STEPS, RATE = 5000, 0.5


def win_rates(scores: Array) -> Array:
    """Return the share of shared tasks on which the program of a row beats that of a column, ties as halves.

    Args:
        scores: programs x tasks; NaN where a program was not measured. Without a shared task the rate is 0.5.
    """
    rates = np.full((len(scores), len(scores)), 0.5)
    for row, own in enumerate(scores):
        shared = ~np.isnan(own) & ~np.isnan(scores)
        wins = (shared & (own > scores)).sum(axis=1) + 0.5 * (shared & (own == scores)).sum(axis=1)
        tasks = shared.sum(axis=1)
        rates[row] = np.where(tasks > 0, wins / np.maximum(tasks, 1), 0.5)
    return rates


def minimax(rates: Array) -> Array:
    """Return the weights of the mixture that no program beats more often than not, to about 0.01.

    The average iterate of optimistic exponentiated gradient (Rakhlin and Sridharan 2013, arXiv 1311.1869) in the game
    of the rates against themselves.

    Args:
        rates: programs x programs, with ``rates[i, j] + rates[j, i] == 1``.
    """
    gained, last, average = (np.zeros(len(rates)) for _ in range(3))
    for _ in range(STEPS):
        hoped = gained + last
        weights = np.exp(RATE * (hoped - hoped.max()))
        weights /= weights.sum()
        average += weights
        last = rates @ weights
        gained += last
    return average / STEPS
