"""Evidence that may be looked at after every task: anytime-valid tests of paired differences.

A gambler starts with a capital of 1 and bets, task after task, that a program is worse than its rivals. When it is
not, no betting system can be expected to gain, and the capital ever reaches 1 / risk with a probability of at most
``risk``, however often one looks and whenever one stops (Ville 1939). The bets are those of Waudby-Smith and Ramdas
(2024), Estimating means of bounded random variables by betting, JRSS B 86:1-27, arXiv 2010.09686, section 4; instead
of tuning one stake, the capital is shared among a grid of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

STAKES = (np.arange(20) + 0.5) / 20
"""Shares of the capital that are bet; a stake of 1 would be ruined by a single win."""


def incumbents(rivals: Array) -> Array:
    """Return what the leading rivals score on each task.

    Each rival is weighted by e to the number of tasks that it solved *before* (Freund and Schapire 1997, Hedge with a
    rate of 1). So who leads on a task is decided without looking at it: the rival that is the luckiest on all tasks
    together would be an unfair opponent on those same tasks.

    Args:
        rivals: scores 0 to 1, rivals x tasks in their order; NaN where a rival was not measured. At least one rival is
            measured on each task.

    Returns:
        One score a task.
    """
    scores = np.nan_to_num(rivals)
    before = scores.cumsum(axis=-1) - scores
    weights = np.where(np.isnan(rivals), 0.0, np.exp(before - before.max(axis=-2, keepdims=True)))
    led: Array = (weights * scores).sum(axis=-2) / weights.sum(axis=-2)
    return led


def log_capital(differences: Array, mean: float = 0.0) -> Array:
    """Return the logarithm of the gambler's capital after each difference, betting that their mean is below ``mean``.

    Args:
        differences: -1 to 1, in the order in which they were seen along the last axis.
        mean: -1 to less than 1.
    """
    gains = -(differences - mean) / (1 - mean)
    growth = np.log1p(STAKES[:, None] * gains[..., None, :]).cumsum(axis=-1)
    capital: Array = np.logaddexp.reduce(growth, axis=-2) - np.log(len(STAKES))
    return capital


def confidence_sequence(differences: Array, risk: float) -> tuple[float, float]:
    """Return bounds of the mean difference; each holds at all times at once with a probability of 1 - ``risk``.

    The upper bound is below 0 exactly when :func:`log_capital` reaches -log(``risk``) now.
    """
    return -_upper(-differences, risk), _upper(differences, risk)


def _upper(differences: Array, risk: float) -> float:
    low, high = -1.0, 1.0
    for _ in range(40):  # the capital grows with the mean that is bet against
        middle = (low + high) / 2
        refuted = log_capital(differences, middle)[-1] >= -np.log(risk)
        low, high = (low, middle) if refuted else (middle, high)
    return high
