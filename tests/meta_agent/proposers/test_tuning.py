from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from meta_agent.agents import SHELF, load_agent
from meta_agent.check import check, fingerprint
from meta_agent.proposers.tuning import TuningProposer, prompts, rewritten
from tests.meta_agent.proposers.members import member, scripted, turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from meta_agent.llm.llm import Request

SOURCE = '''"""A docstring that is long enough to be taken for a prompt."""

ROLE = "Du bist ein sorgfältiger Programmierer."


def forward(task, kit):
    """Another docstring that is long enough."""
    first = kit.llm(f"Solve this whole task in one go:\\n{task.prompt}", system=ROLE)
    shown = kit.llm(f'Kurz: {first["a"]!r:>10} und {task.prompt}, dann ' "mit {Klammern} und \\"Zitat\\".")
    return kit.extract(shown)'''


def test_what_counts_as_a_prompt() -> None:
    found = prompts(SOURCE)
    assert [prompt.text for prompt in found] == [
        "Du bist ein sorgfältiger Programmierer.",
        "Solve this whole task in one go:\n{task.prompt}",
        "Kurz: {first['a']!r:>10} und {task.prompt}, dann mit {Klammern} und \"Zitat\".",
    ]
    assert found[2].blanks == ("{first['a']!r:>10}", "{task.prompt}")


@pytest.mark.parametrize("name", SHELF)
def test_writing_the_same_text_again_changes_nothing(name: str) -> None:
    source = load_agent(name).source
    for prompt in prompts(source):
        again = rewritten(source, prompt, prompt.text)
        assert fingerprint(again) == fingerprint(source)


def test_the_new_text_says_what_it_says_when_it_runs() -> None:
    third = prompts(SOURCE)[2]
    new = rewritten(SOURCE, third, "Say \"{no}\" \\ to\n{task.prompt} 😀 and {first['a']!r:>10}")
    (literal,) = [
        node
        for node in ast.walk(ast.parse(new))
        if isinstance(node, ast.JoinedStr) and "Say" in ast.unparse(node)
    ]
    task = type("Task", (), {"prompt": "T"})
    text = eval(ast.unparse(literal), {"task": task, "first": {"a": 1}})
    assert text == 'Say "{no}" \\ to\nT 😀 and          1'


def test_what_is_missing_is_put_before_it() -> None:
    second = prompts(SOURCE)[1]
    assert 'kit.llm(f"{task.prompt}\\n\\nJust {solve} it.", system=ROLE)'.replace(
        "{solve}", "{{solve}}"
    ) in rewritten(SOURCE, second, "Just {solve} it.")


def author(reply: Callable[[Request], str]) -> tuple[TuningProposer, list[str]]:
    gateway, seen = scripted(reply)
    return TuningProposer(gateway, "meta", description="Sums.", kind="code"), seen


def test_a_program_with_one_prompt_written_anew() -> None:
    proposer, seen = author(lambda _: "```\nAdd the numbers in {task.prompt} with care.\n```")
    parent = member(
        "a",
        "10",
        source='def forward(task, kit):\n    return kit.llm(f"Please add the numbers in {task.prompt} now.")',
    )
    proposal = proposer.propose(turn(parent))
    assert 'kit.llm(f"Add the numbers in {task.prompt} with care.")' in proposal.source
    assert proposal.parents == ("a",)
    assert not check(proposal.source)
    assert "Please add the numbers in {task.prompt} now." in seen[0]
    assert "Keep {task.prompt} as they are." in seen[0]


def test_a_program_without_a_prompt_costs_no_call() -> None:
    proposer, seen = author(lambda _: "unused")
    assert proposer.propose(turn(member("a", "1"))).source
    assert not seen
