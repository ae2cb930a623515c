"""Scores without the winner's curse, and who is probably best.

The best of many noisy means is too good to be true. Here a program's score on a task is its own level, plus what the
task adds for everybody, plus noise; levels come from a normal distribution whose spread is unknown too. That is the
hierarchical model of Rubin (1981), Estimation in parallel randomized experiments, Journal of Educational Statistics
6:377-401, with a flat prior on the spread (Gelman 2006, Bayesian Analysis 1:515-533). Programs may have been measured
on different tasks: what is hard about a task is taken out before they are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

SPREADS = np.linspace(0.0, 0.5, 101)[1:]
"""Standard deviations that the levels of programs may have; scores are 0 to 1."""
DRAWS = 4000


@dataclass(frozen=True, slots=True)
class Levels:
    """What the scores say of each program, in the order of the rows."""

    mean: Array
    """Expected score on an average one of the tasks, shrunken towards the other programs."""
    draws: Array
    """Levels as they may be, draws x programs; a constant is left out, which is the same for all programs."""

    def best(self, rows: Sequence[int]) -> Array:
        """Return for each of these programs the probability of being the best of them, to about 0.01."""
        first = self.draws[:, rows].argmax(axis=1)
        return np.bincount(first, minlength=len(rows)) / len(self.draws)


def levels(scores: Array) -> Levels:
    """Return the levels behind a matrix of scores; equal scores give equal results.

    Args:
        scores: 0 to 1, programs x tasks; NaN where a program was not measured. Each row has a score.

    Raises:
        ValueError: A program has no score.
    """
    measured = ~np.isnan(scores)
    if not measured.any(axis=1).all():
        raise ValueError("expected at least one score of each program")
    measured, scores = measured[:, measured.any(axis=0)], scores[:, measured.any(axis=0)]
    shared = measured / measured.sum(axis=0)  # of a task's effect, which is the mean over its programs
    filled = np.where(measured, scores, 0.0)
    # Least squares for the levels, with the effects of the tasks eliminated.
    information = np.diag(measured.sum(axis=1)) - shared @ measured.T
    rights = filled.sum(axis=1) - shared @ filled.sum(axis=0)
    precision, axes = np.linalg.eigh(information)
    told = (
        precision > 1e-9
    )  # one axis, the common level, is in the effects; more, if some programs share no tasks
    axes, precision = axes[:, told], precision[told]
    found = (axes.T @ rights) / precision
    plain = axes @ found
    effects = (filled - plain[:, None] * measured).sum(axis=0) / measured.sum(axis=0)
    noise = _noise(np.where(measured, scores - plain[:, None] - effects, 0.0), measured, len(found))
    # Along each axis the finding is the level's part plus independent noise.
    variance = SPREADS[:, None] ** 2 + noise / precision
    fit = -0.5 * (np.log(variance) + found**2 / variance).sum(axis=1)
    weights = np.exp(fit - fit.max())
    weights /= weights.sum()
    kept = SPREADS[:, None] ** 2 / variance
    means = kept * found
    draws = np.random.default_rng(0)
    chosen = draws.choice(len(SPREADS), DRAWS, p=weights)
    # Drawn for programs and turned to the axes, so that another basis of equal axes gives the same.
    wobble = np.sqrt(kept * noise / precision)[chosen] * (draws.standard_normal((DRAWS, len(scores))) @ axes)
    return Levels(axes @ (weights @ means) + effects.mean(), (means[chosen] + wobble) @ axes.T)


def _noise(residuals: Array, measured: npt.NDArray[np.bool_], axes: int) -> float:
    """Return the variance of the noise; one score of the largest variance is added, so that it is never 0."""
    freedom = measured.sum() - measured.shape[1] - axes
    return float(((residuals**2).sum() + 0.25) / (freedom + 1))
