from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from archive import Evaluation, Program, Rollout
from meta_agent.commands.learn import learn
from meta_agent.errors import UserError
from meta_agent.learning.bare import bare
from meta_agent.learning.card import write
from meta_agent.learning.duplicates import Seen
from meta_agent.learning.episodes import Episode, Turn, read_turns, tree
from meta_agent.learning.harvest import Harvest, Harvester
from meta_agent.learning.heldout import Heldout, whole
from meta_agent.learning.judge import Judge
from meta_agent.learning.pairs import Answered, fast_slow, splice, steps
from meta_agent.learning.replay import repeats
from meta_agent.learning.rows import KINDS, Row, read_rows
from meta_agent.llm.llm import Message

if TYPE_CHECKING:
    from pathlib import Path

    from domains import Task
    from sandboxes import ProcessSandbox
    from tests.meta_agent.conftest import Bench


def harvest(bench: Bench, sandbox: ProcessSandbox) -> Harvest:
    return Harvester(sandbox, domains=())([bench.archive])


def plant(bench: Bench, task: str, reply: str, answer: str, score: float, name: str = "planted") -> None:
    """Add a rollout on a task, with one model call, that claims a score."""
    program = Program(
        source=f"def forward(task, kit):\n    return kit.llm({name!r} + task.prompt)", name=name
    )
    bench.archive.add_program(program)
    d = bench.domain
    evaluation = Evaluation("r", program.id, d.name, d.version, "search", "agent", 0, d.scorer, tasks=1)
    bench.archive.add_evaluation(evaluation)
    trace = {
        "op": "llm",
        "prompt": name,
        "system": "",
        "temperature": 0.0,
        "sample": 0,
        "reply": reply,
        "finish": "stop",
    }
    bench.archive.add_rollout(Rollout(evaluation.id, task, score, answer, calls=1, trace=(trace,)))


def test_every_kind_comes_out_and_holds(lived: Bench, sandbox: ProcessSandbox) -> None:
    """The claims of all rows, checked by executing them here once more."""
    found = harvest(lived, sandbox)
    assert {row.kind for row in found.rows} == set(KINDS)
    assert {"right-wrong"} <= {row.form for row in found.rows if row.kind == "preference"}
    judge = Judge(whole(lived.domain.name, 0), sandbox)
    tasks = {task.id: task for task in lived.domain.tasks("search")}
    for row in found.rows:
        assert row.kind == "meta" or row.verdicts
        for verdict in row.verdicts:
            assert judge.right(tasks[row.task], verdict.answer) == verdict.right
    assert all(
        row.answer in row.text and "def plus_" in row.answer for row in found.rows if row.kind == "sft"
    )
    repair = next(row for row in found.rows if row.kind == "repair")
    assert repair.past in repair.prompt[-1].content
    assert repair.past not in repair.answer
    assert found.counts["rows written"] == len(found.rows)
    assert found.counts["answers executed again"] > 0


def test_the_prompt_is_what_the_direct_agent_asks(lived: Bench, sandbox: ProcessSandbox) -> None:
    asked = {
        request["messages"][-1]["content"]
        for call in lived.archive.calls("r")
        if call.role == "agent" and (request := json.loads(call.request))
    }
    lessons = [row for row in harvest(lived, sandbox).rows if row.kind == "sft"]
    assert lessons
    assert all(row.prompt[-1].content in asked for row in lessons)


def test_wrong_answers_that_claim_to_be_right_are_found(lived: Bench, sandbox: ProcessSandbox) -> None:
    task = lived.domain.tasks("search")[0]
    wrong = f"def {task.entry_point}(x):\n    return x - 1000"
    plant(lived, task.id, f"```python\n{wrong}\n```", wrong, 1.0)
    found = harvest(lived, sandbox)
    assert found.counts["wrong, though the archive says right"] == 1
    assert not any(row.answer and "1000" in row.answer for row in found.rows)


def test_duplicates_are_dropped_and_counted(lived: Bench, sandbox: ProcessSandbox) -> None:
    before = harvest(lived, sandbox)
    row = next(row for row in before.rows if row.kind == "sft")
    task, code = row.task, row.answer.removeprefix("```python\n").removesuffix("\n```")
    plant(lived, task, f"```python\n# the same\n{code}\n```", code, 1.0)
    after = harvest(lived, sandbox)
    assert after.counts["same answer again"] == before.counts["same answer again"] + 2
    assert [r.id for r in after.rows if r.kind == "sft"] == [r.id for r in before.rows if r.kind == "sft"]


def test_held_out_tasks_are_dropped_and_counted(lived: Bench, sandbox: ProcessSandbox) -> None:
    before = harvest(lived, sandbox)
    for number, split in enumerate(("selection", "test")):
        task = lived.domain.tasks(split)[0]
        k = task.entry_point.removeprefix("plus_")
        code = f"def {task.entry_point}(x):\n    return x + {k}"
        plant(lived, task.id, f"```python\n{code}\n```", code, 1.0, name=f"leak {number}")
    after = harvest(lived, sandbox)
    assert after.counts["held-out task"] == before.counts.get("held-out task", 0) + 2
    assert [row.id for row in after.rows] == [row.id for row in before.rows]


def test_texts_that_give_a_held_out_task_away_are_dropped(lived: Bench, sandbox: ProcessSandbox) -> None:
    secret = lived.domain.tasks("test")[0].prompt
    task = lived.domain.tasks("search")[0]
    k = task.entry_point.removeprefix("plus_")
    code = f"def {task.entry_point}(x):\n    z = '''{secret}'''\n    y = {k}\n    return y + x".replace(
        '"""', ""
    )
    plant(lived, task.id, f"```python\n{code}\n```", code, 1.0)
    found = harvest(lived, sandbox)
    assert found.counts["held-out text"] >= 1
    assert not any("y + x" in row.text for row in found.rows)


def test_a_row_that_stops_holding_is_dropped(lived: Bench, sandbox: ProcessSandbox) -> None:
    """Code that is right on the first execution only."""
    task = lived.domain.tasks("search")[0]
    k = task.entry_point.removeprefix("plus_")
    code = (
        f"import random\ndef {task.entry_point}(x):\n"
        f"    return x + {k} + (random.SystemRandom().random() < 0.8)"
    )
    for n in range(30):  # some of them are right once, and hardly any twice
        plant(
            lived,
            task.id,
            f"```python\n{code} + {n} - {n}\n```",
            f"{code} + {n} - {n}",
            1.0,
            name=f"luck {n}",
        )
    found = harvest(lived, sandbox)
    assert found.counts["wrong, though the archive says right"] > 10
    kept = [row for row in found.rows if "SystemRandom" in row.answer]
    assert len(kept) <= 2


def test_a_program_that_does_not_repeat_teaches_nothing(lived: Bench, sandbox: ProcessSandbox) -> None:
    found = harvest(lived, sandbox)
    assert [row.form for row in found.rows if row.kind == "meta"] in (["better"], ["hindsight"])
    row = next(row for row in found.rows if row.kind == "meta")
    asked, _, goal = row.prompt[-1].content.partition("\n")
    assert asked.startswith("Write a better one, ")
    assert goal.startswith("The program scores ")
    evaluation = next(
        e for e in lived.archive.evaluations() if lived.archive.program(e.program).name == "child"
    )
    rollout = lived.archive.rollouts(evaluation.id)[0]
    program = lived.archive.program(evaluation.program)
    task = next(task for task in lived.domain.tasks("search") if task.id == rollout.task)
    assert repeats(lived.archive, program, task, rollout, lived.domain, sandbox)
    for forged in (replace(rollout, score=1 - rollout.score), replace(rollout, trace=())):
        assert not repeats(lived.archive, program, task, forged, lived.domain, sandbox)


def test_the_folder_is_complete_and_says_what_is_in_it(
    lived: Bench, sandbox: ProcessSandbox, tmp_path: Path
) -> None:
    found = harvest(lived, sandbox)
    folder = tmp_path / "data"
    card = write(found, folder, {"seed": 0})
    for kind in KINDS:
        rows = read_rows(folder, kind)
        assert len(rows) == card["kinds"][kind]["rows"] == sum(row.kind == kind for row in found.rows)
        assert all(json.loads(str(row["source"])) for row in rows)
    pair = read_rows(folder, "preference")[0]
    assert [m["role"] for m in pair["chosen"]] == ["assistant"]  # type: ignore[index, union-attr, attr-defined]
    talk = read_rows(folder, "splice")[0]
    assert len(talk["messages"]) == len(talk["train"])  # type: ignore[arg-type]
    text = (folder / "README.md").read_text()
    assert "config_name: sft" in text
    assert "| rows written |" in text
    again = write(found, folder, {"seed": 0})
    assert again["digest"] == card["digest"]
    assert not list(tmp_path.glob(".data*"))


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(UserError, match="holds no data of ours"):
        write(Harvest((), {}), tmp_path, {})
    assert (tmp_path / "precious.txt").read_text() == "mine"
    with pytest.raises(UserError, match=r"no card\.json"):
        read_rows(tmp_path, "sft")


def test_the_command(lived: Bench, tmp_path: Path) -> None:
    folder = str(tmp_path / "data")
    given = ["data", folder, "--archive", lived.archive.name, "--holdout", "", "--json"]
    done = CliRunner().invoke(learn, given)
    assert done.exit_code == 0, done.output
    card = json.loads(done.stdout)
    assert set(card["kinds"]) == set(KINDS)
    assert card["heldout"] == f"18 tasks of {lived.domain.name}"
    failed = CliRunner().invoke(learn, ["data", folder, "--archive", "nowhere.db"])
    assert isinstance(failed.exception, UserError)
    assert not (tmp_path / "nowhere.db").exists()


def test_datasets_reads_the_folder(lived: Bench, sandbox: ProcessSandbox, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    found = harvest(lived, sandbox)
    write(found, tmp_path / "data", {})
    loaded = datasets.load_dataset(
        str(tmp_path / "data"), "sft", split="train", cache_dir=str(tmp_path / "c")
    )
    assert loaded.num_rows == sum(row.kind == "sft" for row in found.rows)
    assert loaded[0]["completion"][0]["role"] == "assistant"


# The parts


@pytest.mark.parametrize(
    ("code", "left"),
    [
        (
            'def f(x):\n    """Doc.\n\n    More.\n    """\n    # why\n    return x  # that',
            "def f(x):\n    return x",
        ),
        (
            "s = '# no comment'  # one\n\ndef g():\n    'all there is'",
            "s = '# no comment'\n\ndef g():\n    'all there is'",
        ),
        ("def h(): 'doc'; return 1", "def h(): 'doc'; return 1"),
        ("def broken(", "def broken("),
        (
            'class A:\n    """Doc."""\n\n    def f(self):\n        """é"""\n        return 1',
            "class A:\n\n    def f(self):\n        return 1",
        ),
    ],
)
def test_code_without_its_words(code: str, left: str) -> None:
    assert bare(code) == left


def turn(number: int, answer: str, prompt: str = "", reply: str = "") -> Turn:
    return Turn(number, "", prompt or f"prompt {number}", reply or f"```python\n{answer}\n```", answer)


def episode(task: Task, right: bool, *turns: Turn) -> Episode:
    final = turns[-1].answer if turns else ""
    rollout = Rollout("e", task.id, float(right), final, calls=len(turns))
    return Episode(task, Program(source="p", name="p"), rollout, "r", "m", right, turns)


def right_code(task: Task, extra: str = "") -> str:
    k = task.entry_point.removeprefix("plus_")
    return f"def {task.entry_point}(x):\n{extra}    return x + {k}"


def wrong_code(task: Task) -> str:
    return f"def {task.entry_point}(x):\n    return None"


def test_turns_of_a_trace() -> None:
    llm = {"op": "llm", "system": "", "prompt": "p", "temperature": 0.5, "sample": 1, "finish": "stop"}
    trace = [
        {**llm, "reply": "```python\ndef f(): pass"},
        {"op": "run", "code": "def f(): pass", "tests": [], "score": 0.0, "feedback": "bad"},
        {**llm, "reply": "I think it is fine."},
        {**llm, "reply": "```python\ndef g(): pa", "finish": "length"},
    ]
    first, second, third = read_turns(trace, "code")
    assert (first.answer, first.feedback, first.reply) == (
        "def f(): pass",
        "bad",
        "```python\ndef f(): pass\n```",
    )
    assert (second.answer, third.answer) == ("", "")
    assert (
        read_turns([{**llm, "reply": "So it is 4.\nAnswer: 4"}], "answer")[0].answer
        == "So it is 4.\nAnswer: 4"
    )


def test_a_tree_shares_beginnings_and_sets_draws_side_by_side(bench: Bench, sandbox: ProcessSandbox) -> None:
    task, judge = bench.domain.tasks("search")[0], Judge(bench.domain, sandbox)
    plan, good = turn(1, "", reply="I plan."), turn(2, right_code(task), prompt="again")
    bad, last = turn(3, wrong_code(task), prompt="again"), turn(4, right_code(task), prompt="last")
    root = tree([episode(task, True, plan, good, bad, last), episode(task, False, plan, bad)], judge)
    (first,) = root.children
    assert (first.visits, first.total, first.right) == (2, 1, False)
    assert [(child.content, child.visits, child.total) for child in first.children] == [
        (good, 1, 1),
        (bad, 2, 0),
    ]
    assert [child.content for child in first.children[1].children] == [last]


def test_steps_are_compared_after_a_shared_beginning(bench: Bench, sandbox: ProcessSandbox) -> None:
    """One wrong and three right second turns after the same first one: a pair that is a quarter unsure."""
    task = bench.domain.tasks("search")[0]
    first, good, bad = turn(1, wrong_code(task)), turn(2, right_code(task)), turn(2, wrong_code(task))
    episodes = [episode(task, True, first, good)] * 3 + [episode(task, False, first, bad)]
    (row,) = steps(task, episodes, Judge(bench.domain, sandbox), "d")
    assert (row.answer, row.worse, row.wrong) == (good.reply, bad.reply, 0.25)
    assert row.prompt == (Message("user", "prompt 2"),)
    assert row.source["values"] == [1.0, pytest.approx(0.5 - 0.5 / 2)]
    assert [(v.answer, v.right) for v in row.verdicts] == [(good.answer, True), (bad.answer, False)]


def test_a_splice_learns_nothing_of_what_went_wrong(bench: Bench, sandbox: ProcessSandbox) -> None:
    task = bench.domain.tasks("search")[0]
    judge = Judge(bench.domain, sandbox)
    plan = turn(1, "", reply="First I plan.")
    bad = episode(task, False, plan, turn(2, wrong_code(task)), turn(3, wrong_code(task) + "\n"))
    good = episode(task, True, plan, turn(2, right_code(task)))
    row = splice(task, bad, good, judge, "d", "Wait.")
    assert row is not None
    said = [(m.role, m.content) for m in row.prompt]
    assert said == [
        ("user", "prompt 1"),
        ("assistant", "First I plan."),
        ("user", "prompt 2"),
        ("assistant", bad.turns[1].reply),
        ("user", judge.feedback(task, wrong_code(task))),
        ("assistant", "Wait."),
        ("user", "ok."),
        ("assistant", good.turns[1].reply),
    ]
    assert row.train == (False,) * 5 + (True, False, True)
    assert row.source["shared"] == 1


def test_without_a_wrong_turn_the_whole_bad_path_stays(bench: Bench, sandbox: ProcessSandbox) -> None:
    task = bench.domain.tasks("search")[0]
    bad = episode(task, False, turn(1, "", reply="hm"), turn(2, "", reply="hm hm"))
    good = episode(task, True, turn(1, right_code(task)))
    row = splice(task, bad, good, Judge(bench.domain, sandbox), "d", "Wait.")
    assert row is not None
    assert [m.content for m in row.prompt if m.role == "assistant"][:2] == ["hm", "hm hm"]
    nothing_left = episode(task, True, turn(1, "", reply="hm"))
    assert splice(task, bad, nothing_left, Judge(bench.domain, sandbox), "d", "Wait.") is None


def test_fast_is_better_than_slow(bench: Bench, sandbox: ProcessSandbox) -> None:
    task = bench.domain.tasks("search")[0]
    slow = right_code(task, "    for _ in range(50):\n        pass\n")
    answers = [
        Answered(slow, True, {}),
        Answered(right_code(task), True, {}),
        Answered(wrong_code(task), False, {}),
    ]
    (row,) = fast_slow(task, (), answers, Judge(bench.domain, sandbox), "d")
    assert (row.answer, row.worse) == (right_code(task), slow)
    few, many = row.source["lines"]  # type: ignore[misc]
    assert many > 10 * few > 0
    assert not list(fast_slow(task, (), answers[1:], Judge(bench.domain, sandbox), "d"))


def test_counted_lines_are_the_same_every_time(bench: Bench, sandbox: ProcessSandbox) -> None:
    task = bench.domain.tasks("search")[0]
    judge = Judge(bench.domain, sandbox)
    counts = {judge.lines(task, right_code(task, "    y = [i for i in range(9)]\n")) for _ in range(3)}
    assert len(counts) == 1
    assert judge.lines(task, "def other(): pass") is None


def test_what_is_held_out(bench: Bench) -> None:
    domain = whole(bench.domain.name, 0)
    heldout = Heldout([domain])
    assert len(heldout) == 18
    assert not any(heldout.holds(domain.name, task) for task in domain.tasks("search"))
    assert all(
        heldout.holds(domain.name, task) for split in ("selection", "test") for task in domain.tasks(split)
    )
    secret, known = domain.tasks("test")[0], domain.tasks("search")[0]
    assert heldout.holds("another name", secret)
    assert heldout.given_away(f"Some words before.\n{secret.prompt.upper()}")
    assert not heldout.given_away(known.prompt)
    assert not heldout.given_away("")


def test_near_duplicates() -> None:
    seen, text = Seen(), " ".join(f"word{i}" for i in range(40))
    assert not seen.repeats("a", text)
    assert seen.repeats("a", text.replace("word20", "other"))
    assert not seen.repeats("b", text)
    assert not seen.repeats("a", " ".join(f"thing{i}" for i in range(40)))


def test_the_id_of_a_row_is_what_is_trained_on() -> None:
    row = Row("sft", "solved", "d", "t", (Message("user", "q"),), "a")
    assert row.id == Row("sft", "distilled", "e", "u", (Message("user", "q"),), "a").id
    assert row.id != Row("sft", "solved", "d", "t", (Message("user", "q"),), "b").id
