from __future__ import annotations

import math

import pytest

from meta_agent.errors import BudgetError
from meta_agent.llm import Budget, Spend
from meta_agent.pace import Pace


def test_a_generation_that_would_eat_into_the_finish_is_not_begun() -> None:
    budget = Budget(tokens=1000)
    pace = Pace(budget, finish_share=0.4)
    budget.restore(Spend(tokens=300, calls=1))
    assert not pace.enough()
    budget.restore(Spend(tokens=220, calls=1))  # a generation takes 0.22; 0.52 + 0.11 is beyond 0.6
    assert pace.enough()


def test_a_search_that_cannot_stop_is_stopped_and_the_finish_is_not() -> None:
    budget = Budget(tokens=1000)
    pace = Pace(budget, finish_share=0.4)
    budget.restore(Spend(tokens=790, calls=1))
    pace.admit()
    budget.restore(Spend(tokens=20, calls=1))
    with pytest.raises(BudgetError):
        pace.admit()
    pace.finishing = True
    pace.admit()


def test_tokens_left_by_the_nearest_limit() -> None:
    assert Pace(Budget(), 0.4).tokens_left() == math.inf
    budget = Budget(tokens=100_000, calls=10)
    budget.restore(Spend(tokens=1000, calls=5))
    assert Pace(budget, 0.4).tokens_left() == pytest.approx(1000)
