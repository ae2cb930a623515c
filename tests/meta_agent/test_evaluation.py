from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from archive import Program
from meta_agent.agents import SEEDS, load_agent, self_consistency_of
from meta_agent.errors import OutageError
from meta_agent.evaluation import Allowance, Evaluator, StoppedError

if TYPE_CHECKING:
    from meta_agent.llm.llm import Completion, Request
    from sandboxes import ProcessSandbox
    from tests.meta_agent.conftest import Bench

DIRECT = load_agent("direct")


def test_scores_are_those_of_the_answers(bench: Bench) -> None:
    oracle = Program(
        source="def forward(task, kit):\n    k = task.entry_point.split('_')[1]\n"
        "    return f'def plus_{k}(x):\\n    return x + {k}' if int(k) % 2 else kit.llm('hello')",
        name="half",
    )
    tasks = bench.domain.tasks("search")
    (evaluation,) = bench.evaluator.evaluate("r", [oracle], tasks, "search")
    scores = {r.task: r.score for r in bench.archive.rollouts(evaluation.id)}
    assert scores == {task.id: float(int(task.entry_point.split("_")[1]) % 2) for task in tasks}


@pytest.mark.parametrize("name", SEEDS)
def test_every_seed_runs_on_code(bench: Bench, name: str) -> None:
    (evaluation,) = bench.evaluator.evaluate("r", [load_agent(name)], bench.domain.tasks("search"), "search")
    rollouts = bench.archive.rollouts(evaluation.id)
    assert [r.failure for r in rollouts] == [""] * 6
    assert all(r.calls >= 1 and r.cpu_seconds > 0 and r.trace for r in rollouts)


def test_a_failing_program_is_a_value(bench: Bench) -> None:
    for source, words in (
        ("def forward(task, kit):\n    return 1 / 0", "ZeroDivisionError"),
        ("def forward(task, kit):\n    return None", "returned nothing"),
        ("def forward(task, kit):\n    while True: pass", "limit"),
        ("def forward(task, kit):\n    return [kit.llm(str(i)) for i in range(99)]", "no model calls left"),
    ):
        rollout = bench.evaluator.attempt(Program(source=source, name="bad"), bench.domain.tasks("search")[0])
        assert (rollout.score, words in rollout.failure) == (0.0, True), rollout.failure


def test_a_majority_vote_may_cost_what_it_is_compared_with_and_no_copy_of_it(bench: Bench) -> None:
    bench.evaluator.allowance = Allowance(calls=4, tokens=4_000)
    task, ours = bench.domain.tasks("search")[0], self_consistency_of(9)
    rollout = bench.evaluator.attempt(ours, task)
    assert (rollout.calls, rollout.failure) == (9, "")
    for source in (ours.source, ours.source.replace("0.8", "0.9")):
        refused = bench.evaluator.attempt(Program(source=source, name=ours.name, origin="search"), task)
        assert (refused.calls, "no model calls left" in refused.failure) == (1, True)


def test_nothing_is_run_twice(bench: Bench) -> None:
    tasks = bench.domain.tasks("search")
    bench.evaluator.evaluate("r", [DIRECT], tasks[:4], "search")
    seen: list[str] = []
    bench.evaluator.observe = lambda _evaluation, rollout: seen.append(rollout.task)
    (evaluation,) = bench.evaluator.evaluate("r", [DIRECT], tasks, "search")
    assert sorted(seen) == sorted(task.id for task in tasks[4:])
    assert len(bench.archive.rollouts(evaluation.id)) == len(tasks)


class _FailsAfter:
    """A gateway whose model disappears after some answers."""

    def __init__(self, inner: object, answers: int) -> None:
        self.inner, self.left, self.lock = inner, answers, threading.Lock()

    def complete(self, request: Request, role: str = "agent") -> Completion:
        with self.lock:
            self.left -= 1
            if self.left < 0:
                raise OutageError("the model is gone")
        return self.inner.complete(request)  # type: ignore[attr-defined,no-any-return]


def test_an_outage_is_never_scored(bench: Bench, sandbox: ProcessSandbox) -> None:
    tasks = bench.domain.tasks("search")
    evaluator = Evaluator(
        archive=bench.archive,
        domain=bench.domain,
        gateway=_FailsAfter(bench.gateway, 3),
        sandbox=sandbox,
        model="agent",
        workers=2,
    )
    with pytest.raises(OutageError, match="gone"):
        evaluator.evaluate("r", [DIRECT], tasks, "search")
    evaluator.close()
    (kept,) = bench.archive.evaluations(run="r")
    assert len(bench.archive.rollouts(kept.id)) == 3
    undisturbed = {t.id: bench.evaluator.attempt(DIRECT, t).score for t in tasks}
    bench.evaluator.evaluate("r", [DIRECT], tasks, "search")
    assert {r.task: r.score for r in bench.archive.rollouts(kept.id)} == undisturbed


def test_stop_keeps_what_is_in_flight(bench: Bench) -> None:
    seen: list[str] = []

    def stop_after_two(_evaluation: object, rollout: object) -> None:
        seen.append(str(rollout))
        if len(seen) == 2:
            bench.evaluator.stop()

    bench.evaluator.observe = stop_after_two
    with pytest.raises(StoppedError):
        bench.evaluator.evaluate(
            "r", [load_agent(name) for name in SEEDS], bench.domain.tasks("search"), "search"
        )
    kept = sum(len(bench.archive.rollouts(e.id)) for e in bench.archive.evaluations(run="r"))
    assert 2 <= kept == len(seen) <= 2 + 4


def test_no_hidden_test_reaches_a_prompt(bench: Bench) -> None:
    bench.evaluator.evaluate(
        "r", [load_agent(name) for name in SEEDS], bench.domain.tasks("search"), "search"
    )
    for call in bench.archive.calls("r"):
        assert "(5) ==" not in call.request
        assert "(-1) ==" not in call.request
