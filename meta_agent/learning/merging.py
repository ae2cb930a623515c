"""Weights as vectors: task arithmetic and Model Breadcrumbs.

Ilharco et al. (2022), Editing Models with Task Arithmetic, arXiv 2212.04089. Davari and Belilovsky (2023), Model
Breadcrumbs: Scaling Multi-Task Model Merging with Sparse Masks, arXiv 2312.06795. Masks are taken over a whole
tensor, as mergekit does; the authors' code takes them row by row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt


def breadcrumbs(delta: npt.ArrayLike, keep: float = 1.0, remove: float = 0.0) -> npt.NDArray[np.bool_]:
    """Return which entries stay: the ``remove`` share with the largest magnitude goes, then the smallest ones.

    Args:
        delta: a tensor of differences.
        keep: share that stays, at most ``1 - remove``.
        remove: share with the largest magnitude that goes.

    Raises:
        ValueError: The shares are not within 0 to 1, or exceed 1 together.
    """
    if not (0 <= remove <= 1 and 0 <= keep <= 1) or keep + remove > 1 + 1e-9:
        raise ValueError(f"expected keep + remove <= 1, got {keep} and {remove}")
    tensor = np.asarray(delta)
    n = tensor.size
    top = int(remove * n)
    kept = min(int(keep * n + 1e-9), n - top)
    order = np.argsort(np.abs(tensor).ravel(), kind="stable")
    mask = np.zeros(n, bool)
    mask[order[n - top - kept : n - top]] = True
    return mask.reshape(tensor.shape)


def merge(
    base: npt.NDArray[np.float32],
    deltas: Sequence[npt.NDArray[np.floating]],
    *,
    alpha: float = 1.0,
    keep: float = 1.0,
    remove: float = 0.0,
) -> npt.NDArray[np.float32]:
    """Return ``base + alpha * sum of masked deltas``; with ``keep`` 1 that is task arithmetic.

    Sums are taken in float64, so that one delta with ``alpha`` 1 gives its model back exactly.

    Args:
        base: a tensor of the model that all were trained from.
        deltas: what each training added to it.
        alpha: scale of the sum; Breadcrumbs takes 0.3 to 0.4 for several models.
        keep: as for :func:`breadcrumbs`.
        remove: as for :func:`breadcrumbs`.
    """
    total = np.zeros(base.shape, np.float64)
    for delta in deltas:
        total += np.where(breadcrumbs(delta, keep, remove), delta, 0)
    return (base + alpha * total).astype(np.float32)
