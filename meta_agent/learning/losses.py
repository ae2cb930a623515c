"""Losses over preferences. Every argument named ``chosen`` or ``rejected`` is a log-ratio of policy to reference.

A log-ratio is the sum over an answer's tokens of ``log policy - log reference``, one number a pair: shape (B,). All
functions return one loss a pair, shape (B,), so that the caller may weigh and average.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor


class Revisions(NamedTuple):
    """Log-ratios of a policy that answers and, shown an answer, revises it; each of shape (B,)."""

    chosen: Tensor
    """r(w): of the better answer."""
    rejected: Tensor
    """r(l)."""
    chosen_from_rejected: Tensor
    """r'(w | l): of the better answer as a revision of the worse one."""
    rejected_from_chosen: Tensor
    """r'(l | w)."""
    chosen_from_chosen: Tensor
    """r'(w | w)."""
    rejected_from_rejected: Tensor
    """r'(l | l)."""


def dpo(chosen: Tensor, rejected: Tensor, beta: float = 0.1, wrong: Tensor | float = 0.0) -> Tensor:
    """Return the loss of direct preference optimisation, with the chance that a pair is the wrong way round.

    ``-(1 - wrong) log sigmoid(beta d) - wrong log sigmoid(-beta d)``. With ``wrong`` 0 that is Rafailov et al. (2023),
    arXiv 2305.18290; one ``wrong`` for all pairs is conservative DPO (Mitchell 2023); one a pair, from visits
    (:func:`meta_agent.learning.tree_values.visit_label`), is MCTS-DPO, Xie et al. (2024), arXiv 2405.00451.
    """
    margin = beta * (chosen - rejected)
    return -functional.logsigmoid(margin) * (1 - wrong) - functional.logsigmoid(-margin) * wrong


def rpo(
    chosen: Tensor, rejected: Tensor, likelihood: Tensor, beta: float = 0.1, weight: float = 1.0
) -> Tensor:
    """Return DPO and a weighted likelihood of the chosen answer, as CodeDPO trains (arXiv 2410.05605).

    ``likelihood`` is the mean log-probability of the chosen answer's tokens under the policy.
    """
    return dpo(chosen, rejected, beta) - weight * likelihood


def sppo(
    chosen: Tensor,
    rejected: Tensor,
    wins_chosen: Tensor | float = 1.0,
    wins_rejected: Tensor | float = 0.0,
    beta: float = 1e-3,
) -> Tensor:
    """Return the loss of self-play preference optimisation.

    Wu et al. (2024), arXiv 2405.00675, https://github.com/uclaml/SPPO: each log-ratio is drawn to how much better than
    even its answer is, divided by ``beta``. ``wins`` are the answers' chances against the policy's own answers; 1 and
    0, what execution says of a right and a wrong program, give half of TRL's ``sppo_hard``.
    """
    aims = (wins_chosen - 0.5) / beta, (wins_rejected - 0.5) / beta
    return ((chosen - aims[0]) ** 2 + (rejected - aims[1]) ** 2) / 2


def srpo(ratios: Revisions, beta: float = 0.1, alpha: float = 0.5) -> Tensor:
    """Return the loss of self-improving robust preference optimisation, over both orders of a pair.

    Choi et al. (2024), arXiv 2406.01660. ``alpha`` weighs the reviser's own identity against the one that ties the
    reviser to the answering policy.
    """
    r = ratios
    own = [
        0.5 - beta * (r.chosen_from_rejected - r.rejected_from_rejected),
        -0.5 - beta * (r.rejected_from_chosen - r.chosen_from_chosen),
    ]
    tied = 0.5 - beta / 2 * (r.chosen_from_rejected + r.chosen - r.rejected_from_chosen - r.rejected)
    # The second order of the tie is the first one's negative, of the same square.
    return 2 * (1 - alpha) * tied**2 + alpha * (own[0] ** 2 + own[1] ** 2)


def degree(logits: Tensor, removed: Tensor) -> Tensor:
    """Return the cross-entropy of telling how much was removed from a response.

    The auxiliary task of Li et al. (2024), Self-supervised Preference Optimization, arXiv 2409.17791: a head on the
    hidden state of a response's end predicts how many key parts were taken out of it. Built from the paper's abstract.

    Args:
        logits: shape (N, K), of the head.
        removed: shape (N,), 0 to K - 1.
    """
    return functional.cross_entropy(logits, removed, reduction="none")


def with_degree(preference: Tensor, degrees: Tensor, weight: float) -> Tensor:
    """Return the mean preference loss, and ``weight`` times the mean degree loss; at 0 it is not touched at all."""
    loss = preference.mean()
    return loss + weight * degrees.mean() if weight else loss
