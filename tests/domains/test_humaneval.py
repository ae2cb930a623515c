"""HumanEval: references pass, wrong code fails, visible tests are right, hidden ones stay hidden."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from domains import Task, load_domain
from domains.examples import visible_tests
from domains.humaneval import SOURCE, WRONG_EXAMPLES
from domains.splits import NAMES

if TYPE_CHECKING:
    from sandboxes import ProcessSandbox

ROWS = {str(row["task_id"]): row for row in SOURCE.rows()}
DOMAIN = load_domain("humaneval")
TASKS: dict[str, Task] = {task.id: task for name in NAMES for task in DOMAIN.tasks(name)}


def reference(task: str) -> str:
    return f"{ROWS[task]['prompt']}{ROWS[task]['canonical_solution']}"


def test_default_splits_cover_all_164_tasks() -> None:
    assert [len(DOMAIN.tasks(name)) for name in NAMES] == [32, 32, 100]
    assert TASKS.keys() == ROWS.keys()


def test_references_score_1_and_visible_tests_pass(sandbox: ProcessSandbox) -> None:
    failed = []
    for task in TASKS.values():
        code = reference(task.id)
        if DOMAIN.score(task, code, sandbox).value != 1:
            failed.append(task.id)
        if not all(sandbox.check(code, task.visible_tests, entry=task.entry_point).passed):
            failed.append(f"visible {task.id}")
    assert failed == []


def test_a_bare_completion_counts_too(sandbox: ProcessSandbox) -> None:
    task = TASKS["HumanEval/32"]  # its hidden tests use a helper of the prompt
    assert DOMAIN.score(task, ROWS[task.id]["canonical_solution"], sandbox).value == 1


def test_wrong_code_scores_0(sandbox: ProcessSandbox) -> None:
    wrong = "def {}(*args):\n    return 'no task asks for this'\n"
    assert [
        task.id
        for task in TASKS.values()
        if DOMAIN.score(task, wrong.format(task.entry_point), sandbox).value
    ] == []


def test_almost_all_tasks_have_a_visible_test() -> None:
    bare = sorted(int(task.id.partition("/")[2]) for task in TASKS.values() if not task.visible_tests)
    # No example in the docstring, none on literals (80), all wrong (116), or only in prose (105, 160).
    assert bare == [38, 41, 50, 80, 83, 105, 116, 160]
    assert sum(len(task.visible_tests) for task in TASKS.values()) == 440


def test_examples_left_out_are_really_wrong(sandbox: ProcessSandbox) -> None:
    for line in WRONG_EXAMPLES:
        name = ast.unparse(ast.parse(line).body[0].test.left.func)  # type: ignore[attr-defined]
        owners = [
            task for task in TASKS.values() if task.entry_point == name and not _passes(task, line, sandbox)
        ]
        assert owners, line


def _passes(task: Task, line: str, sandbox: ProcessSandbox) -> bool:
    return all(sandbox.check(reference(task.id), [line], entry=task.entry_point).passed)


def test_nothing_hidden_is_in_a_task() -> None:
    for task in TASKS.values():
        row = ROWS[task.id]
        assert task.prompt == row["prompt"]
        assert set(task.visible_tests) <= set(visible_tests(task.prompt, task.entry_point))
        public = str(task.public())
        for hidden in ("candidate", "METADATA", str(row["canonical_solution"]).strip()):
            assert hidden not in public


@pytest.mark.parametrize("seed", [1, 2])
def test_a_seed_changes_the_order_but_not_the_version(seed: int) -> None:
    other = load_domain("humaneval", seed=seed)
    assert other.tasks("search") != DOMAIN.tasks("search")
    assert (other.version, other.scorer) == (DOMAIN.version, DOMAIN.scorer)
