from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

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
    with pace.rollout():
        pass
    budget.restore(Spend(tokens=20, calls=1))
    with pytest.raises(BudgetError), pace.rollout():
        pass
    pace.spend(0.4, tokens=20)
    with pace.rollout():
        pass


def test_what_is_in_flight_is_kept_free() -> None:
    budget = Budget(tokens=1000, calls=1_000_000)
    budget.restore(Spend(tokens=500, calls=1))
    pace = Pace(budget, finish_share=0.4)
    pace.spend(0.5, tokens=100)
    inside, most = threading.Semaphore(0), []
    go = threading.Event()

    def work(number: int) -> bool:
        try:
            with pace.rollout():
                most.append(number)
                inside.release()
                go.wait()
                budget.restore(Spend(tokens=100))
        except BudgetError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(work, number) for number in range(4)]
        assert inside.acquire(timeout=5)
        assert inside.acquire(timeout=5)
        assert not inside.acquire(timeout=0.2)  # 500 used, 750 allowed: two of 100 fit, a third does not
        go.set()
    assert sum(future.result() for future in futures) == 2
    assert budget.spent.tokens == 700


def test_without_a_limit_everything_is_let_in() -> None:
    pace = Pace(Budget(), 0.4)
    pace.spend(1.0, tokens=1e9)
    with pace.rollout(), pace.rollout():
        assert not pace.enough()
