from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from archive import Program
from archive.sequential import incumbents, log_capital
from domains import load_domain
from meta_agent.racing import Race
from tests.meta_agent.rehearsal import write_tasks
from tests.meta_agent.test_finish import HOPELESS, PERFECT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from archive import Drop
    from tests.meta_agent.conftest import Bench

TASKS = 20
HALF = Program(
    source="def forward(task, kit):\n    kit.llm(task.prompt)\n    k = int(task.entry_point.split('_')[1])\n"
    "    return f'def plus_{k}(x):\\n    return x + {k + k % 2}'",
    name="Half",
)


@pytest.fixture
def long_bench(bench: Bench, tmp_path: Path) -> Bench:
    path = write_tasks(tmp_path / "long.jsonl", 30)
    bench.evaluator.domain = bench.domain = load_domain(
        str(path), sizes={"search": TASKS, "selection": 2, "test": 2}
    )
    return bench


@pytest.fixture
def race(long_bench: Bench) -> Callable[..., Drop | None]:
    def run(program: Program, *rivals: Program, risk: float = 0.05, block: int = 4) -> Drop | None:
        evaluator, archive = long_bench.evaluator, long_bench.archive
        tasks = long_bench.domain.tasks("search")
        measured = evaluator.evaluate("r", rivals, tasks, "search")
        scores = [{r.task: r.score for r in archive.rollouts(e.id)} for e in measured]
        return Race(evaluator, archive, "r", risk, block)(program, scores)[1]

    return run


def rollouts(bench: Bench, program: Program) -> int:
    return sum(len(bench.archive.rollouts(e.id)) for e in bench.archive.evaluations(program=program.id))


def test_a_hopeless_candidate_is_dropped_and_what_it_did_is_kept(
    long_bench: Bench, race: Callable[..., Drop | None]
) -> None:
    drop = race(HOPELESS, PERFECT)
    assert drop
    (evaluation,) = long_bench.archive.evaluations(program=HOPELESS.id)
    assert drop.evaluation == evaluation.id
    assert (
        drop.tasks == rollouts(long_bench, HOPELESS) == 8
    )  # after 4 tasks betting has multiplied the capital by 6
    assert evaluation.tasks == TASKS
    assert drop.difference == -1
    assert -1 <= drop.low <= drop.difference <= drop.high < 0
    assert drop.saved_calls == TASKS - 8  # one call a task
    assert "after 8 of 20 tasks" in drop.reason
    assert [replace(held, created=0.0) for held in long_bench.archive.drops("r")] == [drop]


def test_who_may_still_be_best_is_measured_on_everything(
    long_bench: Bench, race: Callable[..., Drop | None]
) -> None:
    assert race(PERFECT, HALF) is None
    assert race(HALF, HALF, HOPELESS) is None
    assert race(HOPELESS, PERFECT, risk=0.0) is None
    assert {rollouts(long_bench, p) for p in (PERFECT, HALF, HOPELESS)} == {TASKS}


def test_less_risk_takes_more_evidence(long_bench: Bench, race: Callable[..., Drop | None]) -> None:
    drop = race(HOPELESS, PERFECT, risk=1e-4, block=1)
    assert drop
    assert drop.tasks == 17  # the mean of (1 + stake) ** 17 over the stakes is the first above 10,000


def test_a_race_that_was_cut_ends_as_it_would_have(
    long_bench: Bench, race: Callable[..., Drop | None]
) -> None:
    tasks = long_bench.domain.tasks("search")
    long_bench.evaluator.evaluate("r", [HOPELESS], [*tasks[:3], tasks[5]], "search")
    first = race(HOPELESS, PERFECT)
    assert first
    assert race(HOPELESS, PERFECT) == first
    assert rollouts(long_bench, HOPELESS) == 8


@pytest.mark.parametrize("risk", [0.05, 0.2])
def test_a_program_that_is_as_good_as_any_is_seldom_dropped(risk: float) -> None:
    """All programs are equal; that one of twelve rivals is lucky on these very tasks does no harm."""
    draws = np.random.default_rng(11)
    dropped = 0
    for _ in range(600):
        outcomes = (draws.random((13, 80)) < 0.5).astype(float)
        capital = log_capital(outcomes[0] - incumbents(outcomes[1:]))
        dropped += bool((capital >= -np.log(risk)).any())
    assert dropped <= risk * 600
