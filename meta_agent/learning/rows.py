"""What a model can be trained on: one row a lesson, with what must hold of it and where it comes from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from meta_agent.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from meta_agent.llm.llm import Message

Kind = Literal["sft", "repair", "preference", "splice", "meta"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What executing an answer must say."""

    answer: str
    right: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One lesson.

    ========== ==========================================================================================
    sft        task -> right answer
    repair     task, wrong code and its error -> right code
    preference a better and a worse answer to one prompt
    splice     a conversation that goes wrong, notices it, and goes right
    meta       what a meta agent was asked -> the program it wrote
    ========== ==========================================================================================
    """

    kind: Kind
    form: str
    """The variety: ``distilled``, ``explain``, ``fast-slow``, ..."""
    domain: str
    task: str
    """Id of the task; for a program, of none."""
    prompt: tuple[Message, ...]
    """For a splice the whole conversation."""
    answer: str = ""
    worse: str = ""
    """The rejected answer of a preference."""
    past: str = ""
    """Earlier code inside the prompt of a repair, of which training may hide a share."""
    wrong: float = 0.0
    """The chance that a preference is the wrong way round."""
    train: tuple[bool, ...] = ()
    """For each message of a splice whether it is learned."""
    verdicts: tuple[Verdict, ...] = ()
    """What must hold when everything is executed again."""
    source: dict[str, object] = field(default_factory=dict)
    """Where it comes from."""

    @property
    def id(self) -> str:
        """Digest of what is trained on."""
        parts = [self.kind, *(m.content for m in self.prompt), self.answer, self.worse]
        return hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def text(self) -> str:
        """Everything a model would read."""
        return "\n".join([*(m.content for m in self.prompt), self.answer, self.worse])

    def as_json(self) -> dict[str, object]:
        """Return the columns that TRL reads for this kind, and the provenance as one JSON text."""
        about = {
            "id": self.id,
            "form": self.form,
            "domain": self.domain,
            "task": self.task,
            "source": json.dumps(self.source, sort_keys=True),
        }
        asked = [{"role": m.role, "content": m.content} for m in self.prompt]
        if self.kind == "splice":
            return {"messages": asked, "train": list(self.train), **about}
        if self.kind == "preference":
            chosen, rejected = _assistant(self.answer), _assistant(self.worse)
            return {"prompt": asked, "chosen": chosen, "rejected": rejected, "wrong": self.wrong, **about}
        lesson: dict[str, object] = {"prompt": asked, "completion": _assistant(self.answer)}
        return {**lesson, **({"past": self.past} if self.kind == "repair" else {}), **about}


def _assistant(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def read_rows(folder: Path, kind: Kind) -> list[dict[str, object]]:
    """Return the rows of one kind of a data folder, as they were written; none when there are none.

    Raises:
        UserError: The folder is not one that ``adas learn data`` wrote, or a line is broken.
    """
    if not (folder / "card.json").is_file():
        raise UserError(f"{folder} has no card.json: expected a folder that `adas learn data` wrote")
    file = folder / f"{kind}.jsonl"
    if not file.is_file():
        return []
    try:
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        raise UserError(f"{file} is broken ({error}): write it again with `adas learn data`") from None
