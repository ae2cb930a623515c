"""reasoning-gym: puzzles are distinct, verifiers mark them, and none of them evaluates an answer."""

from __future__ import annotations

import subprocess
import sys

import pytest

from domains import DomainError, load_domain
from domains.splits import NAMES

pytest.importorskip("reasoning_gym", reason="the extra reasoning-gym is not installed")
from domains import reasoning_gym
from domains.reasoning_gym import HARMLESS

SMALL = {"search": 4, "selection": 4, "test": 8}


def test_puzzles_are_distinct_and_splits_nested() -> None:
    small = load_domain("reasoning-gym:leg_counting", sizes=SMALL)
    large = load_domain("reasoning-gym:leg_counting", sizes={"search": 9, "selection": 4, "test": 8})
    assert [len(large.tasks(name)) for name in NAMES] == [9, 4, 8]
    assert large.tasks("search")[:4] == small.tasks("search")
    assert large.tasks("test") == small.tasks("test")
    questions = [task.prompt for name in NAMES for task in large.tasks(name)]
    assert len(set(questions)) == 21
    assert (
        small.version
        == large.version
        != load_domain("reasoning-gym:leg_counting", sizes=SMALL, seed=1).version
    )


@pytest.mark.parametrize(
    "name", ["leg_counting", "spell_backward", "sudoku", "countdown", "binary_matrix", "n_queens"]
)
def test_oracle_answers_score_1_and_others_0(name: str) -> None:
    domain = load_domain(f"reasoning-gym:{name}", sizes=SMALL)
    tasks = domain.tasks("test")
    dataset = reasoning_gym._dataset(name, 0)
    for task in tasks:
        entry = dataset[int(task.id.rpartition("/")[2])]
        assert entry["question"] == task.prompt
        assert str(entry["answer"]) not in str(task.metadata)
        assert domain.score(task, entry["answer"], None).value == 1
        assert domain.score(task, f"  {entry['answer']}\n", None).value == 1
        for wrong in (
            "",
            "no",
            None,
            [entry["answer"]],
            True,
            10**5000,
            "\udc80",
            "x" * 5000,
            "((((",
            {"a": 1},
        ):
            score = domain.score(task, wrong, None)
            assert score.value == 0
            assert isinstance(domain.key(wrong), str)


@pytest.mark.parametrize(
    "name", ["simple_integration", "intermediate_integration", "polynomial_multiplication"]
)
def test_tasks_that_would_evaluate_free_text_are_refused(name: str) -> None:
    with pytest.raises(DomainError, match="not offered: its verifier would evaluate the answer as code"):
        load_domain(f"reasoning-gym:{name}")


def test_errors_are_one_line() -> None:
    with pytest.raises(DomainError, match=r"unknown reasoning-gym task 'sudokku'; there are 1\d\d, sudoku"):
        load_domain("reasoning-gym:sudokku")
    with pytest.raises(DomainError, match="expected reasoning-gym:TASK"):
        load_domain("reasoning-gym")
    with pytest.raises(DomainError, match="settings of its own"):
        load_domain("reasoning-gym:composite")
    with pytest.raises(DomainError, match="too few different puzzles"):
        load_domain("reasoning-gym:coin_flip", sizes={"search": 0, "selection": 0, "test": 100_000})


EVALUATION = r"""
import sys
from reasoning_gym.factory import DATASETS
from domains import DomainError, reasoning_gym

MARK = "planted_name"
caught = []
sys.addaudithook(lambda event, args: event == "compile" and MARK in str(args[0]) and caught.append(args[0]))
compile(MARK, "", "eval")
assert len(caught) == 1, "the hook does not see evaluations"
caught.clear()
planted = [MARK, f"{MARK}()", f"[{MARK}]", f"[[{MARK}]]", f"{MARK} + 1", f"(1 + {MARK})", f'"{MARK}"', f"1 {MARK} 2",
           f"{MARK}\n{MARK}", f"x**2 + {MARK}", f'["{MARK}"]', f'{{"{MARK}": 1}}', f"1/{MARK}"]
offered = 0
for name in sys.argv[1:] or sorted(DATASETS):
    try:
        domain = reasoning_gym.reasoning_gym(name, sizes={"search": 0, "selection": 0, "test": 1})
    except DomainError:
        continue
    offered += 1
    (task,) = domain.tasks("test")
    for answer in [*planted, *(f"{MARK} {task.prompt[:200]}", f"{task.prompt[-200:]} {MARK}")]:
        domain.score(task, answer, None)
    assert not caught, (name, caught)
print(offered)
"""


def evaluated(*names: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", EVALUATION, *names], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


def test_verifiers_that_evaluate_never_see_a_name() -> None:
    assert evaluated(*HARMLESS) == len(HARMLESS)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_verifier_of_any_task_offered_evaluates_an_answer() -> None:
    assert evaluated() >= 95
