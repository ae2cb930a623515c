from __future__ import annotations

from dataclasses import replace

from meta_agent.proposers.tree import TreeProposer
from tests.meta_agent.proposers.members import PLAIN, member, scripted, turn

WRITTEN = f"# name: Edited\n# idea: ask again\n{PLAIN}"
FAMILY = (
    member("seed", "1000"),
    member("better", "1110", parents=("seed",)),
    member("worse", "0000", parents=("seed",)),
    member("other", "1100"),
)


def tree() -> tuple[TreeProposer, list[str]]:
    gateway, seen = scripted(lambda _: f"```python\n{WRITTEN}\n```")
    return TreeProposer(gateway, "meta", description="Sums.", kind="code"), seen


def test_the_model_is_told_which_edits_led_where() -> None:
    proposer, seen = tree()
    proposal = proposer.propose(turn(*FAMILY))
    assert (proposal.name, proposal.thought, proposal.source) == ("Edited", "ask again", WRITTEN)
    assert "An edit that led to the best program so far: the idea of better\n" in seen[0]
    assert "An edit that led away from it: the idea of worse\n" in seen[0]
    assert "other" not in seen[0].split("led away")[1].split("Make one")[0]


def test_earlier_slots_are_in_flight() -> None:
    proposer, _ = tree()
    chosen = [proposer.propose(turn(*FAMILY, draw=slot, slot=slot)).parents[0] for slot in range(8)]
    assert len(set(chosen)) > 2
    assert all(chosen.count(program) <= 3 for program in chosen)


def test_a_barred_program_is_not_edited() -> None:
    proposer, _ = tree()
    (first,) = proposer.propose(turn(*FAMILY)).parents
    (second,) = proposer.propose(replace(turn(*FAMILY), barred=frozenset({first}))).parents
    assert first != second
