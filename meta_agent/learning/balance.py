"""B-STaR's balance of exploration and exploitation: how hot to sample, and how strict to be, in this round.

Zeng et al. (2024), B-STaR: Monitoring and Balancing Exploration and Exploitation in Self-Taught Reasoners, arXiv
2412.17256, https://github.com/hkust-nlp/B-STaR. Unlike the authors' code, a reference solution is never counted as a
sample of the model's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

WANTED = 8
"""Right answers a task after which more of them add nothing; n* in the paper."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One sampled answer."""

    answer: str
    """In a form that is equal for equal answers."""
    reward: float
    right: bool


@dataclass(frozen=True, slots=True)
class Setting:
    """How to sample and what to keep, and what that came to on a pool of tasks."""

    temperature: float
    threshold: float
    """Answers are kept whose reward is above."""
    score: float
    """Mean balance score."""


def balance_score(right: int, kept: int, wanted: int = WANTED) -> float:
    """Return the balance score of a task: ``min(right / wanted, 1) * right / kept``; 0 when nothing is kept.

    Raises:
        ValueError: Not 0 <= right <= kept, or ``wanted`` is not positive.
    """
    if not 0 <= right <= kept or wanted < 1:
        raise ValueError(
            f"expected 0 <= right <= kept and wanted > 0, got {right} of {kept}, wanted {wanted}"
        )
    return min(right / wanted, 1.0) * right / kept if kept else 0.0


def task_score(draws: Iterable[Draw], threshold: float, wanted: int = WANTED) -> float:
    """Return the balance score of the different answers whose reward is above the threshold."""
    kept = {draw.answer: draw.right for draw in draws if draw.reward > threshold}
    return balance_score(sum(kept.values()), len(kept), wanted)


def choose(
    pools: Mapping[float, Sequence[Sequence[Draw]]], thresholds: Sequence[float], wanted: int = WANTED
) -> Setting:
    """Return the temperature and threshold with the highest mean score; ties go to the cooler, then the laxer.

    Args:
        pools: what each temperature drew, by task; the same tasks for all.
        thresholds: what to try.
        wanted: right answers a task that are enough.

    Raises:
        ValueError: There is no temperature, task or threshold.
    """
    if not pools or not thresholds or not all(pools.values()):
        raise ValueError("expected draws of at least one temperature on at least one task, and a threshold")
    settings = [
        Setting(temperature, threshold, fmean(task_score(draws, threshold, wanted) for draws in pool))
        for temperature, pool in sorted(pools.items())
        for threshold in sorted(thresholds)
    ]
    return max(settings, key=lambda setting: setting.score)


def reward_at(draws: Sequence[Draw], best: int) -> float:
    """Return the share of right ones among the ``best`` draws by reward (the paper's Reward@K-S, K being all of them).

    Equal rewards share their places evenly.

    Raises:
        ValueError: Not 1 <= best <= number of draws.
    """
    if not 1 <= best <= len(draws):
        raise ValueError(f"expected 1 <= best <= {len(draws)}, got {best}")
    ranked = sorted(draws, key=lambda draw: -draw.reward)
    last = ranked[best - 1].reward
    above = [draw.right for draw in draws if draw.reward > last]
    tied = [draw.right for draw in draws if draw.reward == last]
    return (sum(above) + (best - len(above)) * fmean(tied)) / best
