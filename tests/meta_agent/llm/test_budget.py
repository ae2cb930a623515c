from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta_agent.errors import BudgetError, UserError
from meta_agent.llm import Budget, Price, Spend


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("20k-tokens", {"tokens": 20_000}),
        ("1.5M tokens", {"tokens": 1_500_000}),
        ("1-token", {"tokens": 1}),
        ("300-calls", {"calls": 300}),
        ("2K_calls", {"calls": 2_000}),
        ("90s", {"seconds": 90}),
        ("5m", {"seconds": 300}),
        ("1.5h", {"seconds": 5400}),
        ("$0.50", {"dollars": 0.5}),
        ("$.5", {"dollars": 0.5}),
        ("20k-tokens, 5m,$2", {"tokens": 20_000, "seconds": 300, "dollars": 2}),
    ],
)
def test_budgets_are_read_as_written(text: str, limits: dict[str, float]) -> None:
    assert Budget.parse(text).limits == limits
    assert Budget.parse(str(Budget.parse(text))).limits == limits


@pytest.mark.parametrize(
    "text",
    ["", "20k", "5", "k-tokens", "-5-calls", "0-calls", "0.5-calls", "$0", "0s", "$", "5 minutes", "20k-token-s",
     "5m,6m", "20k-tokens,", "1e3-calls", "nan-calls", "20k-tokens 5m"],
)  # fmt: skip
def test_a_bad_budget_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UserError, match=r"20k-tokens, 300-calls, 5m, \$0.50"):
        Budget.parse(text)


@given(
    tokens=st.integers(1, 10**9) | st.none(),
    calls=st.integers(1, 10**6) | st.none(),
    seconds=st.integers(1, 10**5) | st.none(),
    cents=st.integers(1, 10**5) | st.none(),
)
def test_what_is_printed_is_what_is_read(
    tokens: int | None, calls: int | None, seconds: int | None, cents: int | None
) -> None:
    budget = Budget(tokens, calls, seconds, None if cents is None else cents / 100)
    if budget.limits:
        assert Budget.parse(str(budget)).limits == pytest.approx(budget.limits)


@dataclass(frozen=True)
class Job:
    worst: int
    share: float
    """Of the worst case that is really used; above 1 the call fails."""

    @property
    def real(self) -> int:
        return int(self.worst * self.share)


jobs = st.lists(st.builds(Job, st.integers(1, 400), st.floats(0, 1.2)), min_size=1, max_size=30)


def run(budget: Budget, job: Job) -> bool:
    """Return whether the job was let in."""
    try:
        with budget.reserve(job.worst, dollars=job.worst / 1000) as hold:
            time.sleep(0.0005)
            hold.settle(job.real if job.share <= 1 else 1 // 0, job.real / 1000)
    except BudgetError:
        return False
    except ZeroDivisionError:
        pass
    return True


@settings(max_examples=60, deadline=None)
@given(jobs, st.integers(1, 3000), st.integers(1, 30), st.floats(0.001, 3))
def test_no_mix_of_threads_overspends_and_nothing_that_fits_is_refused(
    mix: list[Job], tokens: int, calls: int, dollars: float
) -> None:
    budget = Budget(tokens, calls, dollars=dollars)
    with ThreadPoolExecutor(8) as pool:
        admitted = list(pool.map(lambda job: run(budget, job), mix))
    spent = budget.spent
    paid = [job for job, let_in in zip(mix, admitted, strict=True) if let_in and job.share <= 1]
    assert (spent.tokens, spent.calls) == (sum(job.real for job in paid), len(paid))
    assert spent.tokens <= tokens
    assert spent.calls <= calls
    assert spent.dollars <= dollars
    for job, let_in in zip(mix, admitted, strict=True):
        fits = (
            spent.tokens + job.worst <= tokens
            and spent.calls + 1 <= calls
            and spent.dollars + job.worst / 1000 <= dollars
        )
        assert let_in or not fits


@settings(max_examples=100, deadline=None)
@given(jobs, st.integers(1, 3000))
def test_one_after_another_it_is_plain_arithmetic(mix: list[Job], tokens: int) -> None:
    budget, used = Budget(tokens), 0
    for job in mix:
        fits = used + job.worst <= tokens
        assert run(budget, job) == fits
        used += job.real if fits and job.share <= 1 else 0
        assert budget.left() == {"tokens": tokens - used}


def test_a_request_waits_for_those_in_flight_and_then_fits() -> None:
    budget = Budget(tokens=100)
    entered, release, order = threading.Event(), threading.Event(), []

    def first() -> None:
        with budget.reserve(80, 0.0) as hold:
            entered.set()
            release.wait(10)
            order.append("first")
            hold.settle(10, 0.0)

    def second() -> None:
        with budget.reserve(80, 0.0) as hold:
            order.append("second")
            hold.settle(80, 0.0)

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(first)
        assert entered.wait(10)
        two = pool.submit(second)
        time.sleep(0.05)
        assert not two.done()
        release.set()
        one.result(10)
        two.result(10)
    assert order == ["first", "second"]
    assert budget.spent.tokens == 90


def test_a_request_that_nothing_in_flight_could_admit_is_refused_in_one_line() -> None:
    budget = Budget(tokens=1000)
    budget.restore(Spend(tokens=950, calls=3))
    with pytest.raises(
        BudgetError, match=r"budget of 1,000 tokens is used up: 950 spent.*may need 80"
    ) as caught:
        budget.reserve(80, 0.0).__enter__()
    assert "\n" not in str(caught.value)
    assert budget.spent.calls == 3


def test_wall_time_counts_across_a_resume_and_ends_waiting() -> None:
    budget = Budget(seconds=100, tokens=10)
    budget.restore(Spend(seconds=99.9))
    budget.check()
    with budget.reserve(10, 0.0), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(budget.reserve(10, 0.0).__enter__)
        started = time.monotonic()
        with pytest.raises(BudgetError):
            waiting.result(10)
        assert time.monotonic() - started < 5
    with pytest.raises(BudgetError, match="seconds"):
        budget.check()
    assert budget.left()["seconds"] == 0


def test_check_tells_a_used_up_budget_from_one_with_something_left() -> None:
    budget = Budget(calls=2)
    budget.restore(Spend(calls=1))
    budget.check()
    budget.restore(Spend(calls=1))
    with pytest.raises(BudgetError, match="2 calls"):
        budget.check()
    Budget().check()


def test_dollars_need_a_price_and_an_unknown_one_is_counted_as_unknown() -> None:
    with pytest.raises(UserError, match="known price"):
        Budget(dollars=1).reserve(10, None).__enter__()
    budget = Budget(tokens=100)
    with budget.reserve(10, None) as hold:
        hold.settle(5, None)
    assert (budget.spent.dollars, budget.spent.unpriced, budget.spent.calls) == (0.0, 1, 1)


def test_a_price_is_per_token() -> None:
    assert Price(2e-6, 8e-6).of(1000, 500) == pytest.approx(0.006)
