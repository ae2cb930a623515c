"""Racing: a candidate is measured block by block, and dropped when it can no longer plausibly be the best.

All programs share one order of tasks, so a candidate meets its rivals in pairs. It is dropped when betting that it is
worse than the rivals that lead has multiplied a capital by 1 / risk (:mod:`archive.sequential`). For a program that
is at least as good as every rival that happens with a probability of at most ``risk``, however often one looks. Races
go back to Maron and Moore (1994), Hoeffding races, and Moore and Lee (1994), whose pairs are blocks of tasks too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from archive import Drop
from archive.sequential import confidence_sequence, incumbents, log_capital

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from archive import Archive, Evaluation, Program
    from meta_agent.evaluation import Evaluator

    Array = npt.NDArray[np.float64]


def lost(differences: Array, risk: float) -> npt.NDArray[np.bool_]:
    """Return after each difference to the leaders whether a candidate is dropped, if one looks then."""
    gone: npt.NDArray[np.bool_] = log_capital(differences) >= -np.log(risk)
    return gone


@dataclass(frozen=True)
class Race:
    """Measures candidates of one run on the search split, in the order of its tasks.

    Args:
        risk: probability of dropping a program that is as good as any; 0 drops nobody.
        block: tasks between two looks; they run side by side.
    """

    evaluator: Evaluator
    archive: Archive
    run: str
    risk: float
    block: int

    def __call__(
        self, program: Program, rivals: Sequence[Mapping[str, float]]
    ) -> tuple[Evaluation, Drop | None]:
        """Measure a program until it is dropped, which is recorded, or the tasks end.

        Args:
            program: the candidate.
            rivals: scores by task id of programs that were measured before, at least one of them on all tasks.
        """
        tasks = self.evaluator.domain.tasks("search")
        field = np.array([[rival.get(task.id, np.nan) for task in tasks] for rival in rivals])
        looks = range(self.block, len(tasks), self.block) if self.risk and rivals else ()
        for look in looks:
            (evaluation,) = self.evaluator.evaluate(self.run, [program], tasks[:look], "search")
            rollouts = {rollout.task: rollout for rollout in self.archive.rollouts(evaluation.id)}
            ran = [rollouts[task.id] for task in tasks[:look]]
            differences = np.array([rollout.score for rollout in ran]) - incumbents(field[:, :look])
            if lost(differences, self.risk)[-1]:
                calls = sum(rollout.calls for rollout in ran) / look
                drop = self._drop(evaluation, differences, len(tasks), calls)
                self.archive.add_drop(drop)
                return evaluation, drop
        (evaluation,) = self.evaluator.evaluate(self.run, [program], tasks, "search")
        return evaluation, None

    def _drop(self, evaluation: Evaluation, differences: Array, tasks: int, calls: float) -> Drop:
        low, high = confidence_sequence(differences, self.risk)
        difference, ran = float(differences.mean()), len(differences)
        saved = round(calls * (tasks - ran))
        return Drop(
            evaluation.id,
            ran,
            difference,
            low,
            high,
            self.risk,
            f"{difference:+.0%} ({low:+.0%} to {high:+.0%}) to the leaders after {ran} of {tasks} tasks: "
            f"about {saved} calls saved",
            saved,
        )
