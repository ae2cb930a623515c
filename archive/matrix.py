"""The outcome matrix: who solved what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archive.records import Evaluation


@dataclass(frozen=True, slots=True)
class OutcomeMatrix:
    """Scores of several evaluations (rows) on the tasks that any of them covered (columns)."""

    evaluations: tuple[Evaluation, ...]
    tasks: tuple[str, ...]
    scores: tuple[tuple[float | None, ...], ...]
    """One row an evaluation, one column a task; None where that evaluation has no rollout."""

    def row(self, evaluation: str) -> dict[str, float]:
        """Return ``{task: score}`` of one evaluation; tasks without a rollout are absent.

        Raises:
            KeyError: No row has this evaluation id.
        """
        for held, scores in zip(self.evaluations, self.scores, strict=True):
            if held.id == evaluation:
                return {task: s for task, s in zip(self.tasks, scores, strict=True) if s is not None}
        raise KeyError(evaluation)

    def paired(self, first: str, second: str) -> tuple[list[float], list[float]]:
        """Return the scores of two evaluations on the tasks that both covered, in the same order."""
        a, b = self.row(first), self.row(second)
        shared = [task for task in self.tasks if task in a and task in b]
        return [a[task] for task in shared], [b[task] for task in shared]
