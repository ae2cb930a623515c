"""GSM8K: every expected answer is a number, and a reference solution is marked right."""

from __future__ import annotations

import pytest

from domains import load_domain
from domains.gsm8k import TEST, TRAIN

pytestmark = pytest.mark.usefixtures("data_folder")


def test_reference_solutions_score_1() -> None:
    domain = load_domain("gsm8k", sizes={"search": 3737, "selection": 3736, "test": 1319})
    for split, source, count in (("test", TEST, 1319), ("search", TRAIN, 3737), ("selection", TRAIN, 3736)):
        rows = source.rows()
        tasks = domain.tasks(split)
        assert len(tasks) == count
        for task in tasks:
            row = rows[int(task.id.rpartition("/")[2])]
            assert task.prompt.startswith(row["question"])
            assert domain.score(task, row["answer"], None).value == 1
            assert domain.score(task, f"{row['answer']}1", None).value == 0
            assert row["answer"] not in task.prompt


def test_splits_come_from_the_official_parts() -> None:
    domain = load_domain("gsm8k")
    assert {task.id.split("/")[1] for task in domain.tasks("test")} == {"test"}
    assert {task.id.split("/")[1] for name in ("search", "selection") for task in domain.tasks(name)} == {
        "train"
    }
