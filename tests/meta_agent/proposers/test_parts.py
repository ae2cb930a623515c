from __future__ import annotations

import pytest

from meta_agent.agents import SHELF, load_agent
from meta_agent.proposers.parts import parts, replaced, text

SOURCE = '''"""Doc."""

import re

ROUNDS = 2


def forward(task, kit):
    """Doc."""
    code = kit.llm(task.prompt)
    for _ in range(ROUNDS):
        if kit.run(code):
            break
        code = kit.llm("again")
    return clean(code)


def clean(code):
    return code.strip()'''


def test_the_parts_of_a_program() -> None:
    assert [text(SOURCE, part).split("\n")[0] for part in parts(SOURCE)] == [
        "ROUNDS = 2",
        "code = kit.llm(task.prompt)",
        "for _ in range(ROUNDS):",
        "return clean(code)",
        "def clean(code):",
    ]


@pytest.mark.parametrize("name", SHELF)
def test_a_part_that_does_not_change_leaves_the_program_as_it_was(name: str) -> None:
    source = load_agent(name).source.rstrip("\n")
    for part in parts(source):
        assert replaced(source, part, text(source, part)) == source


def test_a_new_part_takes_the_indentation_of_the_old_one() -> None:
    part = parts(SOURCE)[2]
    new = replaced(SOURCE, part, "        while True:\n            break\n")
    assert "\n    while True:\n        break\n    return clean(code)" in new
    assert "for _ in" not in new
