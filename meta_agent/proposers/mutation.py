"""Mutation: one part of a program is written anew (LLM Guided Evolution, Morris et al. 2024, arXiv 2403.11446).

Now and then by Evolution of Thought: the model is shown a change that made another program better, says why, and
applies the same principle here.
"""

from __future__ import annotations

import difflib
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meta_agent.agents.kit import extract_code
from meta_agent.proposers.author import Author
from meta_agent.proposers.parts import parts, replaced, text
from meta_agent.proposers.proposer import Proposal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meta_agent.proposers.parts import Part
    from meta_agent.proposers.proposer import Example, Turn

EVOLUTION_OF_THOUGHT = 0.25
"""How often a mutation is asked for by example, once there is one."""
BEST = 10
"""Improvements that are shown, the largest ones."""
LONGEST = 1200
"""Characters of a change that is shown."""
INSTRUCTIONS = (
    "Make the prompt in it say more exactly what is wanted, with one concrete hint.",
    "Make it use what is known already (earlier replies, test feedback) that it does not use yet.",
    "Make it try more than one way and keep the better one.",
    "Make it check what it got before it goes on.",
    "Make it simpler and cheaper: fewer calls or shorter prompts for the same purpose.",
    "Give the model a role in it that fits the task, as a system prompt.",
    "Make it do more when the first attempt fails, and nothing more when it works.",
)


@dataclass(frozen=True, slots=True)
class Improvement:
    """A change that made a program better than the one it was made from."""

    before: str
    after: str
    """The lines that changed."""
    low: float
    high: float
    """Scores before and after."""


class MutationProposer(Author):
    """Writes one part of the first parent anew."""

    name = "mutation"

    def propose(self, turn: Turn) -> Proposal:
        """Choose a part at random, and ask for it by instruction or by example."""
        rng = random.Random(f"mutation/{turn.draw}")  # noqa: S311
        parent = turn.parents[0]
        source = self.outline(parent)
        part = rng.choice(parts(source))
        examples = self.improvements(turn.members)
        if examples and rng.random() < EVOLUTION_OF_THOUGHT:
            shown = rng.choice(examples)
            idea = f"what took another program from {shown.low:.0%} to {shown.high:.0%}"
            words = (
                f"Elsewhere this change raised the share of solved tasks from {shown.low:.0%} to {shown.high:.0%}. "
                f"Before:\n```python\n{shown.before}\n```\nAfter:\n```python\n{shown.after}\n```\n"
                "Say in one line why it helped. Then apply the same principle to the marked part."
            )
        else:
            idea = words = rng.choice(INSTRUCTIONS)
        answer = self.complete(rewrite(self.contract, source, part, parent.score, words), turn.draw)
        return Proposal(
            name=f"{parent.name.removesuffix(' changed')} changed"[:60],
            thought=f"{parent.name} with one part changed: {idea}",
            source=spliced(source, part, answer),
            parents=(parent.program,),
        )

    def improvements(self, members: Sequence[Example]) -> list[Improvement]:
        """Return the changes that made a program better than its first parent, the largest gain first."""
        by_id = {member.program: member for member in members}
        pairs = [(by_id[m.parents[0]], m) for m in members if m.parents and m.parents[0] in by_id]
        better = sorted(
            ((before, after) for before, after in pairs if after.score > before.score),
            key=lambda pair: pair[0].score - pair[1].score,
        )
        return [
            Improvement(*changed(self.outline(before), self.outline(after)), before.score, after.score)
            for before, after in better[:BEST]
        ]


def changed(before: str, after: str) -> tuple[str, str]:
    """Return the lines that are only in the one and only in the other, shortened."""
    old, new = before.splitlines(), after.splitlines()
    spans = [
        code
        for code in difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes()
        if code[0] != "equal"
    ]
    gone = "\n".join(line for _, a, b, _, _ in spans for line in old[a:b])
    come = "\n".join(line for _, _, _, a, b in spans for line in new[a:b])
    return gone[:LONGEST], come[:LONGEST]


def rewrite(contract: str, source: str, part: Part, score: float, words: str) -> str:
    """Return the prompt that asks for one part of a program."""
    return (
        f"{contract}\n\nThis program scores {score:.0%}:\n```python\n{source}\n```\n\n"
        f"This part of it is to be written anew:\n```python\n{text(source, part)}\n```\n\n{words}\n"
        "Keep the names that the rest of the program uses. Reply with the new part alone, in one ```python block."
    )


def spliced(source: str, part: Part, answer: str) -> str:
    """Return the program with the part in an answer; an answer that is a whole program is taken as one."""
    new = extract_code(answer)
    return new if "def forward(" in new else replaced(source, part, new)
