from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_agent.agents import SEEDS, load_agent
from meta_agent.check import check, fingerprint
from meta_agent.proposers.author import EXAMPLES, tidy

GOOD = "def forward(task, kit):\n    return kit.extract(kit.llm(task.prompt))"


@pytest.mark.parametrize("source", [GOOD, *EXAMPLES.values(), *(load_agent(name).source for name in SEEDS)])
def test_good_programs_pass(source: str) -> None:
    assert check(source) == ""


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def forward(task, kit:\n    return 1", "syntax error in line 1"),
        ("def solve(task, kit):\n    return kit.llm(task.prompt)", "exactly one top-level function forward"),
        (GOOD + "\n\n" + GOOD, "found 2"),
        ("def forward(self, task):\n    return 1", "forward must take exactly (task, kit)"),
        ("async def forward(task, kit):\n    return 1", "no async"),
        ("def forward(task, kit):\n    kit.llm(task.prompt)", "must return the answer"),
        ("def forward(task, kit):\n    return task.prompt", "never calls kit.llm"),
        ("import numpy\n" + GOOD, "cannot import 'numpy'"),
        ("def forward(task, kit):\n    return kit.llm(task.question)", "task has no 'question'"),
        ("def forward(task, kit):\n    return kit.ask(kit.llm(task.prompt))", "kit has no 'ask'"),
        (
            "def forward(task, kit):\n    return kit.llm(task.prompt, temp=1)",
            "kit.llm has no argument 'temp'",
        ),
        ("x = 1\n" * 20_000, "too long"),
        ("\0", "syntax error"),
    ],
)
def test_bad_programs_are_told_why(source: str, words: str) -> None:
    assert words in check(source)


def test_fingerprint_ignores_words_for_people() -> None:
    other = (
        '"""A docstring."""\n# name: x\ndef forward(task, kit):\n    """Do it."""\n'
        "    return kit.extract( kit.llm(task.prompt) )  # so"
    )
    assert fingerprint(GOOD) == fingerprint(other)
    assert fingerprint(GOOD) != fingerprint(GOOD.replace("task.prompt", "task.id"))


def test_tidy_drops_what_small_models_add() -> None:
    assert tidy(GOOD + "\n\nprint(forward(1, 2))\nif __name__ == '__main__':\n    forward(1, 2)\n") == GOOD
    assert tidy("def broken(") == "def broken("


@given(st.text())
def test_check_never_raises(text: str) -> None:
    assert isinstance(check(tidy(text)), str)
