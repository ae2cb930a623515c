from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta_agent.errors import BudgetError, OutageError, RequestError, TransientError, UserError
from meta_agent.llm import (
    FREE,
    LLM,
    Backend,
    Budget,
    Cache,
    Completion,
    Gateway,
    Message,
    Price,
    Request,
    Retries,
    ScriptedLLM,
)
from tests.meta_agent.llm.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from archive.records import Call


def ask(text: str = "hello", **fields: object) -> Request:
    return Request("m", (Message("user", text),), **fields)  # type: ignore[arg-type]


def gateway(
    llm: LLM, *, concurrency: int | None = None, price: Price | None = FREE, **options: object
) -> Gateway:
    return Gateway(lambda _: Backend(llm, concurrency, price), **options)  # type: ignore[arg-type]


def echo(request: Request) -> str:
    return f"{request.messages[-1].content} #{request.sample}"


def together(n: int, work: Callable[[int], object]) -> list[object]:
    """Run ``work`` in ``n`` threads that start at the same moment."""
    barrier = threading.Barrier(n)

    def start(i: int) -> object:
        barrier.wait(10)
        return work(i)

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(start, range(n)))


def spend_all(gateway: Gateway, request: Request) -> None:
    """Draw samples of a request until the budget says stop."""
    for i in range(100_000):
        try:
            gateway.complete(replace(request, sample=i))
        except BudgetError:
            return
    pytest.fail("the budget never ended")


def test_a_repeated_request_costs_nothing_and_another_sample_is_another_request() -> None:
    llm = ScriptedLLM(echo)
    with gateway(llm) as g:
        first, again, other = g.complete(ask()), g.complete(ask()), g.complete(ask(sample=1))
    assert (first.cached, again.cached, other.cached) == (False, True, False)
    assert (first.text, again.text, other.text) == ("hello #0", "hello #0", "hello #1")
    assert again.completion_tokens == first.completion_tokens > 0
    assert (llm.calls, g.budget.spent.calls) == (2, 2)


def test_equal_requests_at_once_are_paid_once() -> None:
    llm = ScriptedLLM(echo, latency=0.1)
    told: list[Call] = []
    with gateway(llm, ledger=told.append) as g:
        completions = together(32, lambda i: g.complete(ask(sample=i % 2)))
    assert llm.calls == 2
    assert sum(not completion.cached for completion in completions) == 2  # type: ignore[attr-defined]
    assert sum(not call.cached for call in told) == 2
    assert len(told) == 32
    assert g.budget.spent.calls == 2


def test_those_who_share_a_request_share_its_failure_and_may_ask_again() -> None:
    class Moody:
        calls = 0

        def complete(self, request: Request) -> Completion:
            self.calls += 1
            time.sleep(0.1)
            if self.calls == 1:
                raise RequestError("too long")
            return Completion("fine", 1, 1, 0.0)

        def close(self) -> None:
            pass

    def work(_: int) -> str:
        try:
            return g.complete(ask()).text
        except RequestError as error:
            return str(error)

    llm = Moody()
    with gateway(llm) as g:
        assert together(8, work) == ["too long"] * 8
        assert llm.calls == 1
        assert g.complete(ask()).text == "fine"
    assert g.budget.spent.calls == 1


def test_the_ledger_is_told_of_every_completion() -> None:
    told: list[Call] = []
    with gateway(ScriptedLLM(echo, latency=0.02), ledger=told.append, run="r1") as g:
        g.complete(ask("née"), role="meta")
        g.complete(ask("née"))
    paid, cached = told
    assert (paid.run, paid.role, paid.model, paid.cached) == ("r1", "meta", "m", False)
    assert (cached.role, cached.cached, cached.key) == ("agent", True, paid.key)
    assert paid.key == ask("née").key()
    assert json.loads(paid.request)["messages"] == [{"role": "user", "content": "née"}]
    assert paid.reply == cached.reply == "née #0"
    assert 0.02 <= paid.seconds < 1
    assert abs(paid.created - time.time()) < 60


def test_another_gateway_and_another_process_find_the_completion(tmp_path: Path) -> None:
    path = tmp_path / "llm.db"
    with gateway(ScriptedLLM(echo), cache=Cache(path)) as g:
        g.complete(ask())
    with gateway(ScriptedLLM([]), cache=Cache(path)) as g:
        assert g.complete(ask()).cached
    code = (
        "import sys; from pathlib import Path; from meta_agent.llm import *\n"
        "g = Gateway(lambda m: 1 / 0, cache=Cache(Path(sys.argv[1])))\n"
        "print(g.complete(Request('m', (Message('user', 'hello'),))).text)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout == "hello #0\n"


@pytest.mark.parametrize("limit", [1, 3])
def test_a_model_gets_no_more_requests_at_once_than_it_wants(limit: int) -> None:
    now = most = 0
    lock = threading.Lock()

    def count(request: Request) -> str:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1
        return echo(request)

    with gateway(ScriptedLLM(count), concurrency=limit) as g:
        together(12, lambda i: g.complete(ask(sample=i)))
    assert most == limit


@settings(max_examples=25, deadline=None)
@given(
    prompts=st.lists(st.integers(0, 1200), min_size=5, max_size=40),
    reply=st.integers(0, 300),
    limit=st.integers(100, 4000),
)
def test_eight_workers_never_exceed_the_tokens(prompts: list[int], reply: int, limit: int) -> None:
    llm = ScriptedLLM(lambda _: "x" * reply, latency=0.001)

    def work(i: int) -> bool:
        try:
            g.complete(ask("p" * prompts[i], sample=i, max_tokens=64))
        except BudgetError:
            return False
        return True

    with gateway(llm, budget=Budget(tokens=limit)) as g, ThreadPoolExecutor(8) as pool:
        done = list(pool.map(work, range(len(prompts))))
    assert g.budget.spent.tokens <= limit
    assert g.budget.spent.calls == sum(done) == llm.calls


def test_little_of_a_budget_is_left_unused() -> None:
    with gateway(ScriptedLLM(lambda _: "y" * 200), budget=Budget.parse("20k-tokens")) as g:
        spend_all(g, ask("p" * 1200, max_tokens=60))
        assert 19_000 < g.budget.spent.tokens <= 20_000
        assert g.complete(ask("p" * 1200, sample=0, max_tokens=60)).cached, "what is cached is still free"


def test_calls_are_never_exceeded() -> None:
    def work(i: int) -> bool:
        try:
            g.complete(ask(sample=i))
        except BudgetError:
            return False
        return True

    llm = ScriptedLLM(echo, latency=0.005)
    with gateway(llm, budget=Budget.parse("50-calls")) as g:
        assert sum(together(64, work)) == 50  # type: ignore[arg-type]
    assert llm.calls == 50


def test_dollars_are_never_exceeded_and_need_a_price() -> None:
    price = Price(1e-3, 2e-3)

    class Priced(ScriptedLLM):
        def complete(self, request: Request) -> Completion:
            found = super().complete(request)
            cost = price.of(found.prompt_tokens, found.completion_tokens)
            return Completion(found.text, found.prompt_tokens, found.completion_tokens, cost)

    with gateway(Priced(echo), price=price, budget=Budget.parse("$0.50")) as g:
        spend_all(g, ask("p" * 300, max_tokens=8))
        assert 0.3 < g.budget.spent.dollars <= 0.5
    llm = ScriptedLLM(echo)
    with (
        gateway(llm, price=None, budget=Budget.parse("$0.50")) as g,
        pytest.raises(UserError, match="known price"),
    ):
        g.complete(ask())
    assert llm.calls == 0


def test_a_model_is_opened_once_and_closed() -> None:
    opened, closed = [], []

    class Closing(ScriptedLLM):
        def close(self) -> None:
            closed.append(True)

    def open_backend(model: str) -> Backend:
        opened.append(model)
        time.sleep(0.05)
        return Backend(Closing(echo), 7, FREE)

    with Gateway(open_backend) as g:
        together(8, lambda i: g.complete(ask(sample=i)))
        assert g.backend("m").concurrency == 7
    assert (opened, closed) == (["m"], [True])


def test_a_prompt_that_is_no_text_fails_alone() -> None:
    with gateway(ScriptedLLM(echo)) as g:
        with pytest.raises(RequestError, match="no valid text"):
            g.complete(ask("\ud800"))
        assert g.complete(ask("fine")).text == "fine #0"


WORKER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from meta_agent.llm import *
g = Gateway(lambda m: open_backend(sys.argv[2] + "#tiny"), cache=Cache(Path(sys.argv[1])))
with ThreadPoolExecutor(4) as pool:
    list(pool.map(lambda i: g.complete(Request("m", (Message("user", str(i)),))), range(60)))
print(g.budget.spent.calls)
"""


@pytest.mark.parametrize("after", [5, 41])
def test_kill_9_pays_again_for_at_most_what_was_in_flight(tmp_path: Path, after: int) -> None:
    with Endpoint(latency=0.01) as endpoint:
        command = [sys.executable, "-c", WORKER, str(tmp_path / "llm.db"), endpoint.url]
        with subprocess.Popen(command) as first:
            while endpoint.answered < after:
                time.sleep(0.002)
            os.kill(first.pid, signal.SIGKILL)
        time.sleep(0.05)
        paid = endpoint.answered
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert int(done.stdout) <= 60 - paid + 4
        assert endpoint.answered <= 60 + 4


@pytest.mark.parametrize("error", [TransientError("busy"), OutageError("gone"), UserError("bad key")])
def test_failed_calls_cost_nothing_and_are_not_kept(error: Exception) -> None:
    def fail(_: Request) -> str:
        raise error

    retries = Retries(patience_s=0.05, first_s=0.01, longest_s=0.01)
    with gateway(ScriptedLLM(fail), retries=retries, budget=Budget(calls=1)) as g:
        for _ in range(3):
            with pytest.raises(OutageError if isinstance(error, OutageError) else UserError):
                g.complete(ask())
        assert g.budget.spent.calls == 0
        assert len(g.cache) == 0
