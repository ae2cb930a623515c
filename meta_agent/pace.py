"""How a search spends its budget: so much for looking, the rest for the selection and the sealed test."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from meta_agent.errors import BudgetError

if TYPE_CHECKING:
    from meta_agent.llm import Budget


class Pace:
    """Divides a budget between search and finish.

    Args:
        budget: what the whole run may spend.
        finish_share: the share that is kept for the finish, 0 to 1; a search that cannot stop between two
            generations is stopped when it has eaten half of it.
    """

    def __init__(self, budget: Budget, finish_share: float) -> None:
        self.budget = budget
        self.finish_share = finish_share
        self.finishing = False
        self._before = self._generation = 0.0

    def enough(self) -> bool:
        """Return whether half of another generation, if it is like the last one, would eat into the finish."""
        used = self.used()
        self._generation, self._before = (used - self._before if self._before else 0.0), used
        return used + self._generation / 2 > 1 - self.finish_share

    def admit(self) -> None:
        """Let one more rollout begin.

        Raises:
            BudgetError: the search has eaten half of what is kept for the finish.
        """
        if not self.finishing and self.used() > 1 - self.finish_share / 2:
            raise BudgetError("the search has used its share of the budget")

    def used(self) -> float:
        """Return the share of the budget that is used, by the limit that is nearest; 0 without a limit."""
        left = self.budget.left()
        return max((1 - left[name] / limit for name, limit in self.budget.limits.items()), default=0.0)

    def tokens_left(self) -> float:
        """Return what is left in tokens, at the rate at which tokens used up the nearest limit so far."""
        spent, used = self.budget.spent, self.used()
        if used == 0:
            return math.inf
        return spent.tokens * (1 - used) / used
