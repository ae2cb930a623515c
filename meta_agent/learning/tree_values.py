"""What a step of a search is worth: value targets of ReST-MCTS*, and how sure a pair of steps is in MCTS-DPO.

Zhang et al. (2024), ReST-MCTS*: LLM Self-Training via Process Reward Guided Tree Search, arXiv 2406.03816,
https://github.com/THUDM/ReST-MCTS. Xie et al. (2024), Monte Carlo Tree Search Boosts Reasoning via Iterative
Preference Learning, arXiv 2405.00451, https://github.com/YuxiXie/MCTS-DPO.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(eq=False)
class Step(Generic[T]):
    """A node of a finished search."""

    content: T
    right: bool = False
    """Whether the search ends here with a right answer."""
    visits: int = 0
    total: float = 0.0
    """Sum of the final scores of the visits."""
    children: list[Step[T]] = field(default_factory=list)

    @property
    def mean(self) -> float:
        """Mean final score of the visits; 0 without any."""
        return self.total / self.visits if self.visits else 0.0


def step_value(previous: float, left: int, *, right: bool) -> float:
    """Return the value of a step.

    Args:
        previous: value of the step before it; 0 at the root.
        left: further steps to the nearest right end, of the step itself, or for a wrong one of the last step before it
            that leads to a right end.
        right: whether the step leads to a right end.
    """
    weight = (1 - previous) / (left + 1) * (1 if right else -1)
    return max(previous + weight, 0.0)


def value_targets(root: Step[T]) -> dict[Step[T], float]:
    """Return the value of each step below and at the root, 0 to 1; at the end of a straight right path it is 1.

    A tree without a right end is worth 0 throughout.
    """
    distances: dict[Step[T], int | None] = {}
    _measure(root, distances)
    values = {root: 0.0}
    _descend(root, distances[root] or 0, distances, values)
    return values


def _measure(step: Step[T], distances: dict[Step[T], int | None]) -> int | None:
    below = [_measure(child, distances) for child in step.children]
    reached = [distance + 1 for distance in below if distance is not None]
    distances[step] = 0 if step.right else min(reached, default=None)
    return distances[step]


def _descend(
    step: Step[T], left: int, distances: dict[Step[T], int | None], values: dict[Step[T], float]
) -> None:
    for child in step.children:
        own = distances[child]
        values[child] = step_value(values[step], left if own is None else own, right=own is not None)
        _descend(child, left if own is None else own, distances, values)


def visit_label(best: int, worst: int) -> float:
    """Return the chance that a pair of steps is the wrong way round, from their visits: 0 to 1/2.

    ``min(1 - 1 / (1 + worst / max(1, best)), 1/2)``: a worst step that was often visited was not so bad.

    Raises:
        ValueError: A negative number of visits.
    """
    if best < 0 or worst < 0:
        raise ValueError(f"expected numbers of visits, got {best} and {worst}")
    return min(1 - 1 / (1 + worst / max(1, best)), 0.5)
