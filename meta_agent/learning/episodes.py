"""What a rollout's trace tells: its turns, in order, each with the answer in it and what the agent then saw of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from meta_agent.agents.kit import extract_answer, extract_code
from meta_agent.learning.tree_values import Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from archive import Program, Rollout
    from domains import Kind, Task
    from meta_agent.learning.judge import Judge


@dataclass(frozen=True, slots=True)
class Turn:
    """One reply of the model."""

    event: int
    """Its place in the trace."""
    system: str
    prompt: str
    reply: str
    answer: str
    """The code in the reply; for a task without code the reply itself. Empty when there is none."""
    temperature: float = 0.0
    feedback: str = ""
    """What a run of exactly this code showed, where the agent ran it and it failed."""

    @property
    def asked(self) -> tuple[str, str]:
        """What the model was asked."""
        return self.system, self.prompt

    @property
    def said(self) -> tuple[str, str, str]:
        """What makes two turns one."""
        return self.system, self.prompt, self.reply


@dataclass(frozen=True, slots=True)
class Episode:
    """A rollout with its turns, and what marking its answer again says."""

    task: Task
    program: Program
    rollout: Rollout
    run: str
    model: str
    right: bool
    turns: tuple[Turn, ...] = field(default=(), repr=False)

    def source(self, turn: Turn | None = None) -> dict[str, object]:
        """Return the provenance of a turn, or of the final answer."""
        where: dict[str, object] = {
            "run": self.run,
            "evaluation": self.rollout.evaluation,
            "program": self.program.id,
            "model": self.model,
            "calls": self.rollout.calls,
        }
        return where if turn is None else {**where, "event": turn.event}


def read_turns(trace: Sequence[dict[str, Any]], kind: Kind) -> tuple[Turn, ...]:
    """Return the model's replies in a trace; one that was cut off is there without an answer."""
    turns = []
    for place, event in enumerate(trace):
        if event.get("op") != "llm":
            continue
        reply = closed(str(event["reply"]))
        whole = event.get("finish", "stop") == "stop"
        answer = _answer(reply, kind) if whole else ""
        feedback = next(
            (
                str(later["feedback"])
                for later in trace[place + 1 :]
                if later.get("op") == "run" and later["code"] == answer and later["feedback"]
            ),
            "",
        )
        turns.append(
            Turn(
                place,
                str(event["system"]),
                str(event["prompt"]),
                reply,
                answer,
                float(event["temperature"]),
                feedback,
            )
        )
    return tuple(turns)


def closed(reply: str) -> str:
    """Return a reply with its last fence closed: generation stops before that."""
    return f"{reply.rstrip()}\n```" if reply.count("```") % 2 else reply


def _answer(reply: str, kind: Kind) -> str:
    if kind == "code":
        code = extract_code(reply)
        return code if "def " in code else ""
    return reply if extract_answer(reply) else ""


def tree(episodes: Iterable[Episode], judge: Judge) -> Step[Turn]:
    """Return the tree of the turns of one task: episodes share their beginnings, draws from one prompt are siblings.

    A visit of a turn is worth what its own answer is, and without one how its episode ends.
    """
    root: Step[Turn] = Step(Turn(-1, "", "", "", ""))
    for episode in episodes:
        above = step = root
        for turn in episode.turns:
            if turn.asked != step.content.asked:
                above = step
            found = next((child for child in above.children if child.content.said == turn.said), None)
            if found is None:
                found = Step(turn, right=bool(turn.answer) and judge.right(episode.task, turn.answer))
                above.children.append(found)
            step = found
            step.visits += 1
            step.total += step.right if turn.answer else episode.right
    return root
