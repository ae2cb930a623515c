from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from meta_agent.learning.heldout import Heldout, whole
from meta_agent.learning.synthesis import Answer, Seed, Synthesis, read_seeds, split, unfit
from meta_agent.llm.scripted import ScriptedLLM

if TYPE_CHECKING:
    from pathlib import Path

    from meta_agent.llm.llm import Completion, Request
    from sandboxes import ProcessSandbox
    from tests.meta_agent.conftest import Bench

DOUBLE = 'def double(x):\n    """Return twice x."""\n    return 2 * x'
SEEDS = [
    Seed("double", DOUBLE, "a.py:1"),
    Seed("double", DOUBLE + "  # again", "b.py:1"),
    Seed("bare", "def bare(x):\n    return x", "a.py:5"),
    Seed("vague", 'def vague(x):\n    """Do it."""\n    return x + 1', "a.py:9"),
]


def reply(request: Request) -> str:
    """Answer every stage: one of three responses is wrong, one has no tests, one is fine."""
    prompt = request.messages[0].content
    if prompt.startswith("Does this docstring"):
        return "No." if "vague" in prompt else "Yes"
    if prompt.startswith("Name two to five"):
        return "doubling, arithmetic\nand more"
    if prompt.startswith("Write one programming task"):
        return "Write a function triple that takes a number and returns it three times as large."
    if prompt.startswith("This function exists") and "harder task" in prompt:
        return "Write a function fourfold that returns four times its number."
    kind = request.sample % 4
    if prompt.startswith("This function exists"):
        body = ("double(double(x))", "4 * x", "double(x)", "double(double(x))")[kind]
        tests = "assert fourfold(1) == 4\nassert fourfold(2) == 8"
        if kind == 3:
            tests += "\nassert double(1) == 2"
        return f"```python\ndef fourfold(x):\n    return {body}\n```\nTests:\n```python\n{tests}\n```"
    code = ("return 3 * x", "return 4 * x", "return 3 * x  # TODO", "return x + x + x")[kind]
    tests = "assert triple(2) == 6" if kind != 2 else "assert True"
    return f"```python\ndef triple(x):\n    {code}\n```\n```python\n{tests}\n```"


class Model:
    """A scripted model as a gateway."""

    def __init__(self) -> None:
        self.llm = ScriptedLLM(reply)

    def complete(self, request: Request, role: str = "agent") -> Completion:
        return self.llm.complete(request)


def synthesis(
    sandbox: ProcessSandbox, folder: Path, heldout: Heldout | None = None, **more: object
) -> Synthesis:
    return Synthesis(Model(), "m", sandbox, folder, heldout or Heldout([]), responses=4, **more)  # type: ignore[arg-type]


def test_the_stages_shrink_and_are_counted(sandbox: ProcessSandbox, tmp_path: Path) -> None:
    harvest = synthesis(sandbox, tmp_path / "s")(SEEDS)
    assert harvest.counts == {
        "functions seen": 4,
        "seed: near duplicate": 1,
        "seed: has no docstring": 1,
        "seed: the docstring does not suffice": 1,
        "after seeds": 1,
        "after concepts": 1,
        "after instructions": 1,
        "responses": 4,
        "response: unfinished": 1,
        "after responses": 3,
        "response: fails its tests": 1,
        "after passing": 2,
        "answer: like another": 1,
        "rows written": 1,
    }
    (row,) = harvest.rows
    assert row.prompt[0].content.startswith("Write a function triple")
    assert row.answer in (
        "```python\ndef triple(x):\n    return 3 * x\n```",
        "```python\ndef triple(x):\n    return x + x + x\n```",
    )
    assert row.source["origin"] == "a.py:1"


def test_a_repetition_asks_nothing_and_gives_the_same(sandbox: ProcessSandbox, tmp_path: Path) -> None:
    first = synthesis(sandbox, tmp_path / "s")
    harvest = first(SEEDS)
    again = synthesis(sandbox, tmp_path / "s")
    assert again(SEEDS) == harvest
    assert again.gateway.llm.calls == 0  # type: ignore[attr-defined]
    (tmp_path / "s" / "passing.json").unlink()
    assert synthesis(sandbox, tmp_path / "s")(SEEDS) == harvest
    assert synthesis(sandbox, tmp_path / "other")(SEEDS) == harvest


def test_what_gives_a_held_out_task_away_is_dropped(
    bench: Bench, sandbox: ProcessSandbox, tmp_path: Path
) -> None:
    heldout = Heldout([whole(bench.domain.name, 0)])
    secret = bench.domain.tasks("test")[0].prompt.replace("\n", "\n    ")
    leak = Seed("leak", f'def leak(x):\n    """{secret.replace(chr(34) * 3, "")}"""\n    return x', "l.py:1")
    harvest = synthesis(sandbox, tmp_path / "s", heldout)([leak, *SEEDS])
    assert harvest.counts["seed: held-out text"] == 1
    assert harvest.counts["after seeds"] == 1


def test_self_invoking_tasks_must_call_their_base(sandbox: ProcessSandbox, tmp_path: Path) -> None:
    harvest = synthesis(sandbox, tmp_path / "s").self_invoking(SEEDS[:1])
    (row,) = harvest.rows
    assert "double(double(x))" in row.answer
    assert DOUBLE in row.prompt[0].content
    assert harvest.counts["response: does not call the base function"] == 1
    assert harvest.counts["response: fails its tests"] == 1
    assert harvest.counts["response: its tests call the base function"] == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("def f(x):\n    '''D.'''\n    return x", ""),
        ("def f(x):\n    return x", "has no docstring"),
        ("def f():\n    '''D.'''\n    return 1", "has no arguments"),
        ("def f(x):\n    '''D.'''\n    print(x)", "returns no value"),
        ("def f(x):\n    '''D.'''\n    import os\n    return os", "imports what is not wanted"),
        ("def f(x):\n    '''D.'''\n    return helper(x)", "needs names from elsewhere"),
        ("def f(x):\n    '''D.'''\n    # FIXME\n    return x", "is unfinished"),
        ("def f(x):\n    '''D.'''\n" + "    x += 1\n" * 150 + "    return x", "is too long"),
        ("x = 1", "is no function"),
        ("def f(", "does not parse"),
    ],
)
def test_which_functions_are_seeds(body: str, reason: str) -> None:
    assert unfit(body) == reason


@pytest.mark.parametrize(
    ("blocks", "found"),
    [
        (["def f(): return 1", "assert f() == 1"], True),
        (["def f(): return 1"], False),
        (["def f(): return 1", "def test():\n    assert f() == 1"], False),
        (["def f(): return 1", "def test():\n    assert f() == 1\ntest()"], True),
        (["def f(): return 1", "print(f())"], False),
        (["x = 1", "assert x"], False),
        (["def f(: return 1", "assert f() == 1"], False),
    ],
)
def test_responses_need_a_solution_and_tests_that_test(blocks: list[str], found: bool) -> None:
    answer = split("Text\n" + "\n".join(f"```python\n{block}\n```" for block in blocks))
    assert (answer == Answer(*blocks[:2])) if found else (answer is None)


def test_functions_are_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "import re\n\n\ndef f(x):\n    return x\n\n\nclass A:\n    def g(self): ...\n"
    )
    (tmp_path / "b.py").write_text("def broken(\n")
    assert list(read_seeds(sorted(tmp_path.glob("*.py")))) == [Seed("f", "def f(x):\n    return x", "a.py:4")]
