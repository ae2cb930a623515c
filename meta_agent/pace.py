"""How a search spends its budget: so much for looking, the rest for the selection and the sealed test."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from meta_agent.errors import BudgetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meta_agent.llm import Budget


class Pace:
    """Divides a budget between search and finish. Safe to use from many threads.

    Args:
        budget: what the whole run may spend.
        finish_share: the share that is kept for the finish, 0 to 1; a search that cannot stop between two
            generations is stopped when it has eaten half of it.
    """

    def __init__(self, budget: Budget, finish_share: float) -> None:
        self.budget = budget
        self.finish_share = finish_share
        self._before = self._generation = 0.0
        self._until = 1 - finish_share / 2
        self._tokens = 0.0
        self._in_flight = 0
        self._ended = threading.Condition()

    def enough(self) -> bool:
        """Return whether half of another generation, if it is like the last one, would eat into the finish."""
        used = self.used()
        self._generation, self._before = (used - self._before if self._before else 0.0), used
        return used + self._generation / 2 > 1 - self.finish_share

    def spend(self, share: float, tokens: float) -> None:
        """Let the rollouts from here on use a share of what is left.

        Args:
            share: 0 to 1.
            tokens: what one of them is expected to take; what is in flight is kept free.
        """
        used = self.used()
        self._until, self._tokens = used + share * (1 - used), tokens

    @contextmanager
    def rollout(self) -> Iterator[None]:
        """Let one more rollout run in the block, when those in flight have left room for it.

        Raises:
            BudgetError: nothing is in flight, and there is no room.
        """
        with self._ended:
            while self._used_with_one_more() > self._until:
                if not self._in_flight:
                    raise BudgetError("this part of the run has used its share of the budget")
                self._ended.wait()
            self._in_flight += 1
        try:
            yield
        finally:
            with self._ended:
                self._in_flight -= 1
                self._ended.notify_all()

    def used(self) -> float:
        """Return the share of the budget that is used, by the limit that is nearest; 0 without a limit."""
        left = self.budget.left()
        return max((1 - left[name] / limit for name, limit in self.budget.limits.items()), default=0.0)

    def _used_with_one_more(self) -> float:
        """Return the share that is used when all in flight and one more have ended, at the rate so far."""
        used, spent = self.used(), self.budget.spent.tokens
        return used * (1 + (self._in_flight + 1) * self._tokens / spent) if spent else used
