"""Crossover: a part of one program is written anew after the example of another, its mate.

The model is shown both, as in LLM Guided Evolution (Morris et al. 2024, arXiv 2403.11446); who the mate is decides mate
choice (:mod:`meta_agent.proposers.mates`).
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from meta_agent.proposers.author import Author
from meta_agent.proposers.mates import choose_mate, ideal_mates
from meta_agent.proposers.mutation import rewrite, spliced
from meta_agent.proposers.parts import parts
from meta_agent.proposers.proposer import Proposal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from meta_agent.proposers.proposer import Turn


class CrossoverProposer(Author):
    """Lets the first parent choose a mate, and takes something of the one over into the other."""

    name = "crossover"

    def propose(self, turn: Turn) -> Proposal:
        """Choose mate, order and part; ask for the part."""
        rng = random.Random(f"crossover/{turn.draw}")  # noqa: S311
        chooser = turn.parents[0]
        others = [member for member in turn.members if member.program != chooser.program] or [chooser]
        mate = choose_mate(ideal_mates(turn.members)[chooser.program], others, rng)
        base, other = (chooser, mate) if rng.random() < 0.5 else (mate, chooser)
        source = self.outline(base)
        part = rng.choice(parts(source))
        words = (
            f"Another program solves {_solved_beyond(other.scores, base.scores)} tasks that this one fails:\n"
            f"```python\n{self.outline(other)}\n```\nTake over what makes it do so."
        )
        answer = self.complete(rewrite(self.contract, source, part, base.score, words), turn.draw)
        return Proposal(
            name=f"{base.name} x {other.name}"[:60],
            thought=f"{base.name}, with one part after the example of {other.name}",
            source=spliced(source, part, answer),
            parents=(base.program, other.program),
        )


def _solved_beyond(scores: Mapping[str, float], others: Mapping[str, float]) -> int:
    return sum(score == 1 and others.get(task, 1.0) < 1 for task, score in scores.items())
