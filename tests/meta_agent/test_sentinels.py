from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from archive import Program
from domains import Score, load_domain
from meta_agent.errors import UserError
from meta_agent.sentinels import CANARY_EVERY, stand_guard
from tests.meta_agent.test_finish import PERFECT

if TYPE_CHECKING:
    from pathlib import Path

    from archive import Alarm
    from domains import Task
    from sandboxes import Json, ProcessSandbox, Sandbox
    from tests.meta_agent.conftest import Bench


def alarms(bench: Bench) -> list[tuple[str, str]]:
    return [(alarm.kind, alarm.words) for alarm in bench.archive.alarms("r")]


def use(bench: Bench, rows: list[dict[str, object]], path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    bench.domain = bench.evaluator.domain = load_domain(
        str(path), sizes={"search": 4, "selection": 2, "test": 2}
    )


class Lenient:
    """A domain whose scorer gives full marks to whatever a condition likes."""

    def __init__(self, inner: object, likes: str) -> None:
        self.inner, self.likes = inner, likes

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def score(self, task: Task, answer: Json, sandbox: Sandbox) -> Score:
        return Score(float(self.likes in str(answer)), "lenient")


def test_an_honest_domain_raises_no_alarm(bench: Bench) -> None:
    stand_guard(bench.evaluator, "r")
    assert alarms(bench) == []


@pytest.mark.parametrize(
    ("likes", "words"),
    [("", "an empty answer scores 1"), ("def plus_", "only repeats what it is shown solves 6 of 6")],
)
def test_a_scorer_that_likes_anything_stops_the_run(bench: Bench, likes: str, words: str) -> None:
    bench.evaluator.domain = Lenient(bench.domain, likes)  # type: ignore[assignment]
    with pytest.raises(UserError, match=words) as caught:
        stand_guard(bench.evaluator, "r")
    assert "\n" not in str(caught.value)
    assert any(kind == "sentinel" and words in said for kind, said in alarms(bench))


def test_an_answer_that_stands_in_the_task_is_found(bench: Bench, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"prompt": f"How much is {n} and {n}?", "answer": 2 * n, "metadata": {"solution": str(2 * n)}}
        for n in range(3, 11)
    ]
    use(bench, rows, tmp_path / "leaky.jsonl")
    with pytest.raises(UserError, match="only repeats what it is shown"):
        stand_guard(bench.evaluator, "r")
    assert ("leak", alarms(bench)[-1][1]) in alarms(bench)
    assert "4 of 4 tasks of the search split" in next(
        words for kind, words in alarms(bench) if kind == "leak"
    )


def test_tests_that_are_all_visible_are_found(bench: Bench, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {
            "prompt": f"Write plus_{k}(x).",
            "tests": [f"assert plus_{k}(1) == {k + 1}", f"assert plus_{k}(2)=={k + 2}"],
            "visible_tests": [f"assert plus_{k}(2) == {k + 2}", f"assert plus_{k}(1)  ==  {k + 1}"],
        }
        for k in range(8)
    ]
    use(bench, rows, tmp_path / "open.jsonl")
    stand_guard(bench.evaluator, "r")
    assert [kind for kind, _ in alarms(bench)] == ["leak"] * 3
    for row in rows:
        row["visible_tests"] = row["visible_tests"][:1]  # type: ignore[index]
    use(bench, rows, tmp_path / "half.jsonl")
    stand_guard(bench.evaluator, "r")
    assert len(alarms(bench)) == 3


def test_a_score_without_a_call_is_seen_and_recorded(bench: Bench) -> None:
    seen: list[Alarm] = []
    bench.evaluator.alarm = seen.append
    silent = Program(PERFECT.source.replace("    kit.llm(task.prompt)\n", ""), "Silent")
    tasks = bench.domain.tasks("search")
    for program in (PERFECT, silent, silent):
        bench.evaluator.evaluate("r", [program], tasks, "search")
    held = bench.archive.alarms("r", silent.id)
    assert {alarm.task for alarm in held} == {task.id for task in tasks}
    assert {alarm.kind for alarm in held} == {"no calls"}
    assert sorted(seen, key=lambda a: a.task) == sorted(
        (replace(a, created=0.0) for a in held), key=lambda a: a.task
    )
    assert bench.archive.alarms("r", PERFECT.id) == []


def test_an_answer_that_passes_an_impossible_test_is_seen(bench: Bench) -> None:
    """A scorer that can be cheated takes the canary for solved as well."""
    tasks = bench.domain.tasks("search")
    assert [bench.domain.canary(task, oracle(task), bench.evaluator.sandbox).value for task in tasks] == [
        0.0
    ] * 6  # type: ignore[attr-defined]

    class Cheated(Lenient):
        def canary(self, task: Task, answer: Json, sandbox: Sandbox) -> Score:
            return self.score(task, answer, sandbox)

        def shown(self, task: Task, sandbox: Sandbox) -> bool:
            return False

    bench.evaluator.domain = Cheated(bench.domain, "def plus_")  # type: ignore[assignment]
    bench.evaluator.evaluate("r", [PERFECT], tasks, "search")
    assert {alarm.task for alarm in bench.archive.alarms("r") if alarm.kind == "canary"} == {
        task.id for task in tasks[::CANARY_EVERY]
    }


def oracle(task: Task) -> str:
    k = task.entry_point.split("_")[1]
    return f"def plus_{k}(x):\n    return x + {k}"


@pytest.mark.parametrize("answer", ["42", 42, "nan", "", "the answer is nan", "Paris"])
def test_no_answer_meets_an_impossible_number_or_text(
    bench: Bench, tmp_path: Path, sandbox: ProcessSandbox, answer: Json
) -> None:
    rows: list[dict[str, object]] = [{"prompt": f"{n}?", "answer": n if n % 2 else "Paris"} for n in range(8)]
    use(bench, rows, tmp_path / "mixed.jsonl")
    for task in bench.domain.tasks("search"):
        assert bench.domain.canary(task, answer, sandbox).value == 0  # type: ignore[attr-defined]
