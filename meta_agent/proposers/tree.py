"""Tree search over edits: which program to edit next is decided as in ReST-MCTS* (Zhang et al. 2024, arXiv 2406.03816).

The archive is the tree: an edge is an edit, the value of a node its measured score and what was found below it. The
model is told which edits led to the best program and which led away from it, by their process values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meta_agent.proposers.author import Author, read_program
from meta_agent.proposers.proposer import Proposal
from meta_agent.proposers.rest_mcts import ROOT, Tree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from meta_agent.proposers.proposer import Example, Turn

LESSONS = 2
"""Earlier edits that are told, of each sort."""


class TreeProposer(Author):
    """Edits the program that the tree search has chosen."""

    name = "tree"

    def propose(self, turn: Turn) -> Proposal:
        """Choose a program, and ask for one edit of it in view of earlier ones."""
        members = {member.program: member for member in turn.members}
        tree = Tree(
            {member.program: member.score for member in turn.members},
            {member.program: member.parents[0] if member.parents else ROOT for member in turn.members},
        )
        lessons = _lessons(tree, members)
        in_flight = [f"slot {slot}" for slot in range(turn.slot)]
        for slot in in_flight:  # as if it had neither gained nor lost
            node = tree.select({*turn.barred, *in_flight})
            tree.add(slot, node, tree.scores[node])
        node = tree.select({*turn.barred, *in_flight})
        parent = members[node]
        source = f"# name: {parent.name}\n{self.outline(parent)}"
        answer = self.complete(
            f"{self.contract}\n\nThis program scores {parent.score:.0%}:\n```python\n{source}\n```\n"
            + "".join(f"It failed on a task: {line}\n" for line in parent.failures[:2])
            + lessons
            + "\nMake one change that lets it solve more tasks. Begin with a '# name:' and an '# idea:' comment that "
            "tells the change, then the whole program.",
            turn.draw,
        )
        blank = Proposal(
            name=f"{parent.name.removesuffix(' edited')} edited"[:60], thought="", source="", parents=(node,)
        )
        return read_program(answer, blank)


def _lessons(tree: Tree, members: Mapping[str, Example]) -> str:
    """Return what earlier edits did: one line each for those that moved the process value most, either way."""
    highest = max(tree.scores.values(), default=0.0)
    targets = tree.targets({node for node, score in tree.scores.items() if score == highest})
    moves = {
        node: targets[node] - targets[parent]
        for node, parent in tree.parents.items()
        if parent != ROOT and members[node].thought
    }
    order = sorted(moves, key=lambda node: moves[node])
    helped = [node for node in reversed(order) if moves[node] > 0][:LESSONS]
    hurt = [node for node in order if moves[node] < 0][:LESSONS]
    return "".join(
        [f"An edit that led to the best program so far: {members[node].thought}\n" for node in helped]
        + [f"An edit that led away from it: {members[node].thought}\n" for node in hurt]
    )
