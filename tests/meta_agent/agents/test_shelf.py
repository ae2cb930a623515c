"""What holds for every hand-designed agent: it is on the shelf, runs on both kinds of task, and sees no hidden test."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import meta_agent.agents
from domains import Domain, Task, load_domain
from meta_agent.agents import SHELF, load_agent
from meta_agent.check import check
from tests.meta_agent.agents.conftest import QUESTION, Stage, block

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandboxes import ProcessSandbox

HIDDEN = ("31337", "27182")
VISIBLE = "assert plus_7(1) == 8"


@pytest.fixture(scope="module")
def secretive(tmp_path_factory: pytest.TempPathFactory) -> Domain:
    """Tasks whose hidden tests hold numbers that are nowhere else."""
    rows = [
        {
            "prompt": f'def plus_{k}(x):\n    """Add {k} to x.\n\n    >>> plus_{k}(1)\n    {k + 1}\n    """\n',
            "entry_point": f"plus_{k}",
            "visible_tests": [f"assert plus_{k}(1) == {k + 1}"] if k == 7 else [],
            "tests": [f"assert plus_{k}(31337) == {k + 31337}", f"assert plus_{k}(-27182) == {k - 27182}"],
        }
        for k in (7, 8, 9)
    ]
    file = tmp_path_factory.mktemp("secretive") / "tasks.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_domain(str(file), sizes={"search": 3, "selection": 0, "test": 0})


def right(prompt: str) -> str:
    return block("def plus_7(x):\n    return x + 7")


def wrong(prompt: str) -> str:
    return block("def plus_7(x):\n    return x - 7")


def crashing(prompt: str) -> str:
    return block("def plus_7(x):\n    return missing(x)")


def silent(prompt: str) -> str:
    return ""


def noisy(prompt: str) -> str:
    """Anything, the same for the same prompt."""
    draw = random.Random(prompt)
    words = [
        "```python\n",
        "def plus_7(x):\n",
        "    return x\n",
        "\n```",
        "yes",
        "no",
        "rule_1",
        "\n",
        "Verdict: wrong",
        "(",
        "7",
    ]
    return "".join(draw.choices(words, k=12))


@pytest.mark.parametrize("script", [right, wrong, crashing, silent, noisy])
@pytest.mark.parametrize("name", SHELF)
def test_no_hidden_test_reaches_a_prompt(
    sandbox: ProcessSandbox, secretive: Domain, name: str, script: Callable[[str], str]
) -> None:
    stage = Stage(sandbox, secretive)
    for task in secretive.tasks("search")[:2]:
        played = stage(name, task, script)
        assert played.error is None, played.error
        transcript = json.dumps(played.trace)
        assert "plus_" in transcript
        assert not any(number in transcript for number in HIDDEN)
        if script is right and task.visible_tests:
            assert secretive.score(task, played.answer, sandbox).value == 1.0


@pytest.mark.parametrize("name", SHELF)
def test_questions_are_answered(play: Stage, name: str) -> None:
    def script(prompt: str) -> str:
        if "function solve" in prompt or "`solve`" in prompt:
            return block("def solve(question=''):\n    return 5")
        return "2 and 3 are 5. Verdict: yes\nAnswer: 5"

    played = play(name, QUESTION, script)
    assert played.error is None, played.error
    assert str(played.answer) == "5"


def test_the_shelf_is_the_folder() -> None:
    folder = Path(meta_agent.agents.__file__).parent
    assert sorted(SHELF) == sorted(file.stem for file in folder.glob("[a-z]*.py") if file.stem != "kit")


@pytest.mark.parametrize("name", SHELF)
def test_each_is_a_program_that_says_its_source_and_cost(name: str) -> None:
    program = load_agent(name)
    assert check(program.source) == ""
    assert "Cost: " in program.thought
    assert "20" in program.thought or name == "direct"


def test_task_fields_are_public(secretive: Domain) -> None:
    (task,) = [t for t in secretive.tasks("search") if t.entry_point == "plus_7"]
    assert isinstance(task, Task)
    assert task.visible_tests == (VISIBLE,)
    assert not any(number in json.dumps(task.public()) for number in HIDDEN)
