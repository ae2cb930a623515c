"""Meta Agent Search (Hu, Lu and Clune 2024, arXiv 2408.08435), made for small models.

As in ADAS a proposal is written, reflected on twice, and repaired with the real error. Unlike ADAS the prompt is
short, shows one or two parents instead of the whole archive, asks for code only (the name and the idea are comments
in it), and gives each proposal a direction to explore, because a small model left alone writes the same program again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from meta_agent.check import check
from meta_agent.proposers.author import Author, advice, read_program
from meta_agent.proposers.proposer import Proposal

if TYPE_CHECKING:
    from meta_agent.proposers.proposer import Turn

IDEA_QUESTION = "Does it follow the direction ({direction}), and is there a mistake in its logic?"
KIT_QUESTION = (
    "Check every line: does each prompt contain task.prompt, does each kit call exist and get the right arguments, "
    "is kit.extract applied to replies, does every path return the answer?"
)

DIRECTIONS = {
    "code": (
        "sample several solutions with temperature 0.8 and n, then choose with kit.select",
        "run the code and repair it in a loop of at most three rounds, showing kit.llm the feedback",
        "write two solutions in clearly different ways, run both, and repair only the better one",
        "ask for edge cases first, then write the solution with these edge cases in the prompt",
        "let one kit.llm call write, a second one review with a list of mistakes, and a third one rewrite",
        "ask first for the examples in the task to be worked through by hand, then write the code",
        "split the task into helper functions first, then write the whole solution from them",
        "write a simple slow solution, then an improved one, and keep the one that passes more tests",
        "try a direct solution; only when its tests fail spend more calls on a plan and new samples",
        "give the model different roles as system prompts, collect one solution from each, and use kit.vote",
    ),
    "answer": (
        "sample several solutions with temperature 0.8 and n, then choose with kit.vote",
        "solve, then check the solution with a second call that looks for a mistake, then correct it",
        "restate the question with its given quantities first, then solve from the restatement",
        "solve it in two different ways and, when they disagree, let a third call decide",
        "write small Python arithmetic as the reasoning, then give the answer",
        "split the question into sub-questions, answer each, then combine",
        "give the model different roles as system prompts, collect one answer from each, and use kit.vote",
        "estimate the size of the answer first, solve, and solve again when the result does not fit",
    ),
    "patch": (
        "run kit.repo.test() on each patch, and repair it in a loop of at most three rounds, showing kit.llm the feedback",
        "sample several patches with temperature 0.8 and n, test each, and return the one with the best score",
        "show kit.llm the code of kit.repo.suspects(3), ask for the bug in one sentence, then for the whole corrected function",
        "ask for the corrected function of the first suspect, and put it in place with kit.repo.rewrite(name, code)",
        "ask first what the failing tests expect and what the code does instead, then for the whole corrected function",
        "let one kit.llm call write a patch, a second one review it against the failing tests, and a third one rewrite it",
        "take the most common of several patches with kit.vote; when it fails the tests, try the next suspect",
        "write the smallest change first; only when tests still fail ask for a larger one with the feedback",
    ),
}


class ReflectiveProposer(Author):
    """Writes whole programs in a given direction, and looks at them again."""

    name = "reflective"

    @property
    def directions(self) -> tuple[str, ...]:
        """What a program can be asked to do, in turn."""
        return DIRECTIONS[self.kind]

    def propose(self, turn: Turn) -> Proposal:
        """Write a new program from the first parent, in a given direction; the second parent is told in a line."""
        direction = self._direction(turn.draw)
        prompt = f"{self.contract}\n\nExample of the form:\n```python\n{self.example}\n```\n\n"
        for parent in turn.parents[:1]:
            prompt += f"This program scores {parent.score:.0%}:\n```python\n# name: {parent.name}\n{self.outline(parent)}\n```\n"
            prompt += "".join(f"It failed on a task: {line}\n" for line in parent.failures[:2])
        for parent in turn.parents[1:2]:
            prompt += (
                f"Another one, {parent.name}, solves tasks on which it fails ({parent.score:.0%} in all).\n"
            )
        prompt += f"\n{_order(direction)}"
        blank = Proposal(
            name=direction[:40],
            thought="",
            source="",
            direction=direction,
            parents=tuple(parent.program for parent in turn.parents),
        )
        return read_program(self.complete(prompt, turn.draw), blank)

    def reflect(self, proposal: Proposal, step: int, draw: int) -> Proposal:
        """Improve a proposal: first its idea, then its use of the kit.

        The author may answer KEEP, which costs one token instead of a program; an answer that is no program is dropped.
        """
        answer = self.complete(
            f"{self.contract}\n\nA new program:\n```python\n{proposal.source}\n```\n\n"
            + (IDEA_QUESTION.format(direction=proposal.direction) if step == 1 else KIT_QUESTION)
            + "\nIf nothing needs a change, reply with the word KEEP only. Otherwise reply with the whole program.",
            draw,
        )
        improved = read_program(answer, proposal)
        return improved if not check(improved.source) or check(proposal.source) else proposal

    def repair(self, proposal: Proposal, error: str, attempt: int, draw: int) -> Proposal:
        """Have it corrected; from the second time on, have another one written, in another direction.

        A small model that did not see its mistake the first time writes the same program again.
        """
        if attempt == 1:
            return super().repair(proposal, error, attempt, draw)
        other = replace(proposal, direction=self._direction(draw + attempt))
        prompt = (
            f"{self.contract}\n\nExample of the form:\n```python\n{self.example}\n```\n\n"
            f"Another program failed with: {error.strip()[-200:]}\n{advice(error)}{_order(other.direction)}"
        )
        return read_program(self.complete(prompt, draw + 100_000 * attempt), other)

    def _direction(self, draw: int) -> str:
        return self.directions[draw % len(self.directions)]


def _order(direction: str) -> str:
    return (
        f"Write a new program that works differently. It must do this: {direction}.\n"
        "Do not repeat a program above. Begin with a '# name:' and an '# idea:' comment, then "
        "def forward(task, kit). Keep it under 20 lines."
    )
