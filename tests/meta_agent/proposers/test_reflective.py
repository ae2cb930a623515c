from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from meta_agent.llm import FREE, Backend, Gateway, ScriptedLLM
from meta_agent.proposers import Example, Proposal, ReflectiveProposer, Turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from meta_agent.llm.llm import Request

PROGRAM = "# name: Twice\n# idea: ask twice\ndef forward(task, kit):\n    return kit.vote([kit.llm(task.prompt), kit.llm(task.prompt)])"
OTHER = PROGRAM.replace("Twice", "Thrice")
PARENT = Example(
    program="a",
    name="Alpha",
    source='"""Docs."""\n\ndef forward(task, kit):\n    return kit.llm(task.prompt)',
    scores={"1": 1.0, "2": 0.0},
    failures=("timeout",),
)
BEFORE = Proposal(name="Twice", thought="ask twice", source=PROGRAM, direction="ask more than once")


def author(reply: Callable[[Request], str]) -> tuple[ReflectiveProposer, list[Request]]:
    seen: list[Request] = []

    def record(request: Request) -> str:
        seen.append(request)
        return reply(request)

    gateway = Gateway(lambda _model: Backend(ScriptedLLM(record), None, FREE))
    return ReflectiveProposer(gateway, "meta", description="Sums.", kind="code"), seen


def turn(draw: int) -> Turn:
    return Turn(members=(PARENT,), parents=(PARENT,), draw=draw)


def test_a_proposal_is_read_from_a_code_block() -> None:
    proposer, seen = author(
        lambda _: f"Here it is:\n```python\n{PROGRAM}\n\nprint(forward(1, 2))\n```\nEnjoy."
    )
    proposal = proposer.propose(turn(3))
    assert (proposal.name, proposal.thought, proposal.source) == ("Twice", "ask twice", PROGRAM)
    assert proposal.direction == proposer.directions[3]
    assert proposal.parents == ("a",)
    prompt = seen[0].messages[-1].content
    assert "This program scores 50%" in prompt
    assert "# name: Alpha" in prompt
    assert "It failed on a task: timeout" in prompt
    assert "Docs." not in prompt
    assert seen[0].sample == 3


def test_equal_directions_are_drawn_anew() -> None:
    proposer, seen = author(lambda _: PROGRAM)
    n = len(proposer.directions)
    proposer.propose(turn(1))
    proposer.propose(turn(1 + n))
    assert seen[0].messages == seen[1].messages
    assert seen[0].key() != seen[1].key()


def test_reflection_may_keep_improve_or_fail() -> None:
    for reply, expected in (
        ("KEEP", PROGRAM),
        (f"```python\n{OTHER}\n```", OTHER),
        ("```python\ndef forward(:\n```", PROGRAM),
    ):
        proposer, _ = author(lambda _, reply=reply: reply)  # type: ignore[misc]
        assert proposer.reflect(BEFORE, 1, 0).source == expected


def test_a_repair_sees_the_error_and_is_drawn_anew_each_time() -> None:
    proposer, seen = author(lambda _: f"```python\n{OTHER}\n```")
    assert proposer.repair(BEFORE, "ZeroDivisionError: x", 1, 0).name == "Thrice"
    proposer.repair(BEFORE, "ZeroDivisionError: x", 2, 0)
    assert "ZeroDivisionError: x" in seen[0].messages[-1].content
    assert PROGRAM in seen[0].messages[-1].content
    assert seen[0].sample != seen[1].sample


def test_a_second_repair_is_another_program_in_another_direction() -> None:
    proposer, seen = author(lambda _: f"```python\n{OTHER}\n```")
    failed = replace(BEFORE, direction=proposer.directions[0])
    again = proposer.repair(failed, "IndexError: x", 2, 0)
    assert again.source == OTHER
    assert again.direction == proposer.directions[2]
    prompt = seen[0].messages[-1].content
    assert PROGRAM not in prompt
    assert proposer.example in prompt
    assert proposer.directions[2] in prompt
    assert "IndexError: x" in prompt


def test_answers_have_their_own_contract() -> None:
    gateway = Gateway(lambda _model: Backend(ScriptedLLM(lambda _: PROGRAM), None, FREE))
    proposer = ReflectiveProposer(gateway, "meta", description="Sums.", kind="answer")
    assert "kit.run" not in proposer.contract
    assert "Answer: " in proposer.contract


def test_an_error_comes_with_advice_for_a_small_model() -> None:
    proposer, seen = author(lambda _: f"```python\n{PROGRAM}\n```")
    for attempt, error in enumerate(
        ("UnboundLocalError: local variable 'code'", "ZeroDivisionError: zero"), 1
    ):
        proposer.repair(BEFORE, error, attempt, draw=0)
    assert "before the loop" in seen[0].messages[-1].content
    assert "before the loop" not in seen[1].messages[-1].content
