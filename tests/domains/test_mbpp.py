"""MBPP: references pass, only the first assert is shown, the official test tasks stay in ``test``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from domains import load_domain
from domains.mbpp import OFFICIAL_TEST, SOURCE
from domains.splits import NAMES

if TYPE_CHECKING:
    from sandboxes import ProcessSandbox

ALL = {"search": 85, "selection": 85, "test": 257}
MATCHES = {"MBPP/737", "MBPP/794"}
"""Their references return the match of a regular expression, which a direct call cannot hand over."""

pytestmark = pytest.mark.usefixtures("data_folder")


def test_references_score_1_and_visible_tests_pass(sandbox: ProcessSandbox) -> None:
    code = {f"MBPP/{row['task_id']}": str(row["code"]) for row in SOURCE.rows()}
    domain = load_domain("mbpp", sizes=ALL)
    tasks = [task for name in NAMES for task in domain.tasks(name)]
    assert len(tasks) == len(code) == 427
    assert [task.id for task in tasks if domain.score(task, code[task.id], sandbox).value != 1] == []
    failed = {
        task.id
        for task in tasks
        if not all(sandbox.check(code[task.id], task.visible_tests, entry=task.entry_point).passed)
    }
    assert failed == MATCHES


def test_wrong_code_scores_0(sandbox: ProcessSandbox) -> None:
    domain = load_domain("mbpp", sizes={"search": 0, "selection": 0, "test": 257})
    wrong = "def {}(*args):\n    return None\n"
    passed = [
        task.id
        for task in domain.tasks("test")
        if domain.score(task, wrong.format(task.entry_point), sandbox).value
    ]
    assert passed == []


def test_only_the_first_assert_is_shown() -> None:
    hidden = {f"MBPP/{row['task_id']}": row["test_list"][1:] for row in SOURCE.rows()}
    domain = load_domain("mbpp", sizes=ALL)
    for task in (task for name in NAMES for task in domain.tasks(name)):
        assert len(task.visible_tests) == 1
        assert f"def {task.entry_point}(" in task.prompt
        for test in hidden[task.id]:
            assert test not in task.prompt
            assert test not in task.visible_tests


def test_official_test_tasks_stay_in_test() -> None:
    domain = load_domain("mbpp", sizes=ALL)
    for name in NAMES:
        for task in domain.tasks(name):
            assert (int(task.id.removeprefix("MBPP/")) in OFFICIAL_TEST) == (name == "test")
