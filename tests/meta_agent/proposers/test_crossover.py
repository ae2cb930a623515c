from __future__ import annotations

from meta_agent.proposers.crossover import CrossoverProposer
from tests.meta_agent.proposers.members import PLAIN, member, scripted, turn

OTHER = PLAIN.replace("task.prompt", "'other' + task.prompt")


def test_both_are_shown_and_both_are_parents_in_either_order() -> None:
    gateway, seen = scripted(lambda _: "```python\nreply = kit.llm('child ' + task.prompt)\n```")
    proposer = CrossoverProposer(gateway, "meta", description="Sums.", kind="code")
    orders = set()
    for draw in range(20):
        proposal = proposer.propose(turn(member("a", "1100"), member("b", "0011", source=OTHER), draw=draw))
        orders.add(proposal.parents)
        assert "child" in proposal.source
    assert orders == {("a", "b"), ("b", "a")}
    assert all(PLAIN in prompt and ast_like(OTHER) in prompt for prompt in seen)
    assert "solves 2 tasks that this one fails" in seen[0]


def ast_like(source: str) -> str:
    import ast

    return ast.unparse(ast.parse(source))


def test_one_alone_is_its_own_mate() -> None:
    gateway, _ = scripted(lambda _: "```python\npass\n```")
    proposer = CrossoverProposer(gateway, "meta", description="Sums.", kind="code")
    assert proposer.propose(turn(member("a", "1"))).parents == ("a", "a")
