"""What a model can gain from itself, without any verifier: the control for data that was verified.

Huang et al. (2024), Self-Improvement in Language Models: The Sharpening Mechanism, arXiv 2412.01951. The self-reward
of an answer is its log-likelihood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


def sharpened(policy: npt.ArrayLike, beta: float) -> npt.NDArray[np.float64]:
    """Return ``policy ** (1 + 1 / beta)``, scaled: the optimum of log-likelihood with a KL penalty of ``beta``.

    Raises:
        ValueError: ``policy`` is no distribution, or ``beta`` is not positive.
    """
    if beta <= 0:
        raise ValueError(f"expected a positive beta, got {beta}")
    with np.errstate(divide="ignore"):
        logs = (1 + 1 / beta) * np.log(_distribution(policy))
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())


def best_of(policy: npt.ArrayLike, n: int) -> npt.NDArray[np.float64]:
    """Return the distribution of the likeliest of ``n`` samples; exact, for different probabilities.

    Raises:
        ValueError: ``policy`` is no distribution, two of its probabilities are equal, or ``n`` is not positive.
    """
    probabilities = _distribution(policy)
    if n < 1 or len(np.unique(probabilities)) < len(probabilities):
        raise ValueError("expected different probabilities and at least one sample")
    order = np.argsort(-probabilities)
    tails = np.append(np.cumsum(probabilities[order][::-1])[::-1], 0.0) ** n
    chosen = np.empty_like(probabilities)
    chosen[order] = tails[:-1] - tails[1:]
    return chosen


def _distribution(policy: npt.ArrayLike) -> npt.NDArray[np.float64]:
    probabilities = np.asarray(policy, float)
    if probabilities.ndim != 1 or (probabilities < 0).any() or not np.isclose(probabilities.sum(), 1):
        raise ValueError("expected a distribution: numbers from 0 that add up to 1")
    return probabilities
