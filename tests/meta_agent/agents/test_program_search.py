"""CoGEX: defined leaves run for real, undefined ones are emulated, and the program that does best on examples wins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains import Task
from tests.meta_agent.agents.conftest import BAD, DOUBLE, GOOD, QUESTION, block

if TYPE_CHECKING:
    from tests.meta_agent.agents.conftest import Stage

PROGRAM = block(
    "def add(a, b):\n    return a + b\n\ndef solve(question):\n    return add(*read_numbers(question))"
)
EXAMPLES = [
    {"input": "How many apples are 1 and 1 apples?", "output": "2"},
    {"input": "How many apples are 4 and 2 apples?", "output": "6"},
]


def emulator(prompt: str) -> str:
    """Know the numbers in a question; nothing else is ever asked of it."""
    call = prompt.rpartition("value of the call `read_numbers(")[2]
    return str([int(word) for word in call.split() if word.isdigit()])


def test_a_program_runs_with_emulated_leaves(play: Stage) -> None:
    played = play("program_search", QUESTION, lambda p: emulator(p) if "read_numbers(" in p else PROGRAM)
    assert played.answer == "5"
    assert all("`add(" not in prompt for prompt in played.prompts)
    partial = [event for event in played.trace if event["op"] == "run_partial"]
    assert partial[0]["values"] == {
        "the call `read_numbers('How many apples are 2 and 3 apples?')`": "[2, 3]"
    }


def test_the_program_that_does_best_on_the_examples_answers(play: Stage) -> None:
    product = PROGRAM.replace("a + b", "a * b")
    largest = PROGRAM.replace("a + b", "max(a, b)")
    programs = iter([product, largest, PROGRAM, product])
    task = Task("q", QUESTION.prompt, "answer", metadata={"examples": EXAMPLES})
    played = play("program_search", task, lambda p: emulator(p) if "read_numbers(" in p else next(programs))
    assert played.logs == ["program scores: [1.0, 0.0, 0.0, 0.0]"]
    assert played.answer == "5"
    assert "1 and 1 apples" in played.prompts[0]
    assert "2 and 3 apples" not in played.prompts[0]


def test_programs_that_fail_leave_a_plain_answer(play: Stage) -> None:
    played = play(
        "program_search", QUESTION, lambda p: "Answer: 5" if "write a last line" in p else block("def f(:")
    )
    assert (played.answer, played.error) == ("5", None)


def test_a_code_answer_gets_its_missing_leaves_written(play: Stage) -> None:
    sketch = block("def double(x):\n    return add(x, x)")
    leaves = block("def add(a, b):\n    return a + b")
    played = play("program_search", DOUBLE, lambda p: leaves if "functions are missing: add" in p else sketch)
    assert played.logs == ["program scores: [1.0, 1.0, 1.0, 1.0]"]
    assert play.sandbox.check(played.answer, ["assert double(4) == 8"]).passed == (True,)


def test_code_that_fails_its_examples_is_dropped(play: Stage) -> None:
    assert "2 * x" in play("program_search", DOUBLE, [BAD, BAD, GOOD, BAD]).answer


def test_undefined_calls(play: Stage) -> None:
    code = "import re\nfrom math import gcd as g\ndef f(a, key):\n    b = key(a)\n    return b(re.sub(1), g(1), h(i(2)), len(a))"
    assert play.helper("program_search", "undefined_calls", code, "def given(): pass") == ["h", "i"]
    assert play.helper("program_search", "undefined_calls", "given()\ndef f(:", "x") == []
