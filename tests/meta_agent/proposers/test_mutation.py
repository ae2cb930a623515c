from __future__ import annotations

from typing import TYPE_CHECKING

from meta_agent.check import check
from meta_agent.proposers.mutation import BEST, EVOLUTION_OF_THOUGHT, MutationProposer, changed
from tests.meta_agent.proposers.members import PLAIN, member, scripted, turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from meta_agent.llm.llm import Request

BETTER = PLAIN.replace("kit.llm(task.prompt)", "kit.vote(kit.llm(task.prompt, n=3))")


def author(reply: Callable[[Request], str]) -> tuple[MutationProposer, list[str]]:
    gateway, seen = scripted(reply)
    return MutationProposer(gateway, "meta", description="Sums.", kind="code"), seen


def test_one_part_changes_and_the_others_stay() -> None:
    proposer, seen = author(lambda _: "```python\nreply = kit.llm('new ' + task.prompt)\n```")
    parts = set()
    for draw in range(20):
        proposal = proposer.propose(turn(member("a", "10"), draw=draw))
        assert not check(proposal.source) or "return" not in proposal.source
        assert proposal.parents == ("a",)
        lines = proposal.source.splitlines()
        parts.add(lines.index("    reply = kit.llm('new ' + task.prompt)"))
    assert len(parts) == 2
    assert "scores 50%" in seen[0]


def test_an_answer_that_is_a_whole_program_is_one() -> None:
    proposer, _ = author(lambda _: f"```python\n{BETTER}\n```")
    assert proposer.propose(turn(member("a"))).source == BETTER


def test_nothing_is_taught_before_something_got_better() -> None:
    proposer, seen = author(lambda _: "```python\npass\n```")
    worse = member("b", "00", parents=("a",))
    for draw in range(40):
        proposer.propose(turn(member("a", "10"), worse, draw=draw))
    assert not [prompt for prompt in seen if "same principle" in prompt]


def test_what_made_a_program_better_is_taught_now_and_then() -> None:
    proposer, seen = author(lambda _: "```python\npass\n```")
    better = member("b", "11", parents=("a",), source=BETTER)
    for draw in range(400):
        proposer.propose(turn(member("a", "10"), better, draw=draw))
    taught = [prompt for prompt in seen if "same principle" in prompt]
    assert abs(len(taught) / 400 - EVOLUTION_OF_THOUGHT) < 0.07
    assert "from 50% to 100%. Before:\n```python\n    reply = kit.llm(task.prompt)\n" in taught[0]
    assert "kit.vote(kit.llm(task.prompt, n=3))" in taught[0]


def test_the_largest_gains_are_the_ones_taught() -> None:
    proposer, _ = author(lambda _: "")
    children = [member(f"c{n}", "1" * n + "0" * (20 - n), parents=("a",)) for n in range(20)]
    improvements = proposer.improvements([member("a", "0" * 20), *children])
    assert [round(20 * one.high) for one in improvements] == list(range(19, 19 - BEST, -1))


def test_what_changed() -> None:
    assert changed("a\nb\nc", "a\nx\ny\nc") == ("b", "x\ny")
    assert changed("a", "a") == ("", "")
