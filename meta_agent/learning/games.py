"""Preferences as a game: what wins against the present, without a reward model.

``preference[i, j]`` is the probability that answer (or agent) ``i`` beats ``j``: ``preference + preference.T == 1``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


class SelfPlay(NamedTuple):
    """Where self-play came to."""

    average: npt.NDArray[np.float64]
    """The mean policy, which tends to the minimax winner."""
    last: npt.NDArray[np.float64]
    """The last policy, which cycles where preferences do: never report it alone."""


def win_rates(preference: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the mean chance of each to beat another one: the reward of minimaximalist self-play.

    Swamy et al. (2024), A Minimaximalist Approach to Reinforcement Learning from Human Feedback, arXiv 2401.04056.

    Raises:
        ValueError: ``preference`` is no preference matrix of two or more.
    """
    matrix = _preference(preference)
    return np.asarray((matrix.sum(axis=1) - matrix.diagonal()) / (len(matrix) - 1))


def self_play(preference: npt.ArrayLike, rounds: int = 2000, rate: float = 0.1) -> SelfPlay:
    """Play each policy against itself by exponentiated gradient, from near the uniform one.

    Raises:
        ValueError: ``preference`` is no preference matrix of two or more.
    """
    matrix = _preference(preference)
    logits = np.linspace(0.0, -0.1, len(matrix))  # a uniform start is a fixed point of a cyclic game
    total = np.zeros(len(matrix))
    policy = total
    for _ in range(rounds):
        policy = np.exp(logits - logits.max())
        policy /= policy.sum()
        total += policy
        logits = logits + rate * matrix @ policy
    return SelfPlay(total / rounds, policy)


def self_improvement(
    reference: npt.ArrayLike, revise: npt.ArrayLike, preference: npt.ArrayLike, beta: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the answering and the revising policy that SRPO's min-max game ends in, for a table of answers.

    Choi et al. (2024), Self-Improving Robust Preference Optimization, arXiv 2406.01660:
    ``revising(y2 | y1) ~ revise(y2 | y1) exp(preference[y2, y1] / beta)``, normalised by ``Z(y1)``, and
    ``answering(y) ~ reference(y) / Z(y)``.

    Args:
        reference: shape (n,), the policy that ``answering`` is kept near to.
        revise: shape (n, n), row ``y1`` the reference for revisions of ``y1``.
        preference: shape (n, n).
        beta: how dear it is to leave the references.
    """
    matrix = _preference(preference)
    weights = np.asarray(revise, float) * np.exp(matrix.T / beta)
    z = weights.sum(axis=1)
    answering = np.asarray(reference, float) / z
    return answering / answering.sum(), weights / z[:, None]


def _preference(preference: npt.ArrayLike) -> npt.NDArray[np.float64]:
    matrix = np.asarray(preference, float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 2:
        raise ValueError(f"expected a square matrix of two or more, got shape {matrix.shape}")
    if not np.allclose(matrix + matrix.T, 1):
        raise ValueError("expected chances to win: those of i against j and of j against i add up to 1")
    return matrix
