"""Skill localisation: the few weights that hold what a training taught.

Panigrahi et al. (2023), Task-Specific Skill Localization in Fine-tuned Language Models, arXiv 2302.06600,
https://github.com/abhishekpanigrahi1996/Skill-Localization-by-grafting. Tensors are dictionaries by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    Tensors = Mapping[str, npt.NDArray[np.floating]]
    Masks = dict[str, npt.NDArray[np.bool_]]

BIAS = 5.0
"""Where a mask starts before it is trained: within 0.7% of the base patch."""


def base_patch(deltas: Tensors, share: float) -> Masks:
    """Return the masks of the ``share`` of all weights (at least one) that moved most; equal moves all count.

    Raises:
        ValueError: Not 0 < share <= 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"expected a share within 0 to 1, got {share}")
    moved = np.concatenate([np.abs(delta).ravel() for delta in deltas.values()])
    count = max(1, int(share * moved.size))
    least = np.partition(moved, moved.size - count)[moved.size - count]
    return {name: np.abs(delta) >= least for name, delta in deltas.items()}


def graft(
    before: npt.NDArray[np.floating], after: npt.NDArray[np.floating], mask: npt.NDArray[np.bool_]
) -> npt.NDArray[np.floating]:
    """Return the tensor with the masked entries of the trained one."""
    return np.where(mask, after, before)


def soft_mask(
    patch: npt.NDArray[np.bool_], scores: npt.NDArray[np.floating], bias: float = BIAS
) -> npt.NDArray[np.float64]:
    """Return ``patch + (1 - 2 patch) sigmoid(scores - bias)``: near the patch at score 0, away from it above."""
    return np.asarray(patch + (1 - 2 * patch.astype(float)) * _sigmoid(scores - bias))


def score_gradient(
    patch: npt.NDArray[np.bool_],
    scores: npt.NDArray[np.floating],
    delta: npt.NDArray[np.floating],
    gradient: npt.NDArray[np.floating],
    bias: float = BIAS,
) -> npt.NDArray[np.float64]:
    """Return the gradient of the loss in the scores of a mask.

    Args:
        patch: where the mask starts.
        scores: of the mask.
        delta: what training added to the tensor.
        gradient: of the loss in the tensor ``before + soft_mask * delta``.
        bias: as for :func:`soft_mask`.
    """
    slope = _sigmoid(scores - bias)
    return np.asarray((1 - 2 * patch.astype(float)) * gradient * delta * slope * (1 - slope))


def overlap(first: Mapping[str, npt.NDArray[np.bool_]], second: Mapping[str, npt.NDArray[np.bool_]]) -> float:
    """Return the share of masked weights that two masks have in common (Jaccard): how alike two skills are."""
    names = first.keys() | second.keys()
    empty = np.zeros(1, bool)
    pairs = [(first.get(name, empty), second.get(name, empty)) for name in names]
    either = sum(int((a | b).sum()) for a, b in pairs)
    return sum(int((a & b).sum()) for a, b in pairs) / either if either else 1.0


def _sigmoid(x: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * np.asarray(x, float))))
