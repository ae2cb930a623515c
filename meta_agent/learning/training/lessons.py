"""Rows as tokens: what is read, and which of it is learned.

A chat is rendered by the model's own template, as both engines render it. Prompt and answer are tokenised apart,
because an engine tokenises a prompt alone.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from meta_agent.errors import UserError
from meta_agent.learning.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import TypeAlias

    from meta_agent.learning.training.settings import Method, TrainSettings

    Chat: TypeAlias = list[dict[str, str]]

REVISE = "Improve the answer above. Give the improved answer in the same form."
"""Asks the reviser of SRPO."""
SEQUENCES: dict[Method, int] = {"dpo": 2, "rpo": 2, "sppo": 2, "srpo": 6}


@dataclass(frozen=True, slots=True)
class Tokens:
    """One sequence."""

    ids: tuple[int, ...]
    learned: tuple[bool, ...]
    """Which tokens count in a loss."""
    past: tuple[bool, ...] = ()
    """Which tokens are earlier code; empty: none."""

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.ids + other.ids, self.learned + other.learned)


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one row is for the model: one sequence to learn, or several to compare."""

    sequences: tuple[Tokens, ...]
    """Of a preference: the better and the worse answer; for SRPO also the revisions; last a damaged answer, if any."""
    wrong: float = 0.0
    degree: int = 0
    """How much was taken out of the damaged answer."""

    @property
    def length(self) -> int:
        """Tokens of the longest sequence."""
        return max(len(tokens.ids) for tokens in self.sequences)


class Renderer:
    """Turns chats into tokens with a model's tokenizer and template."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def asked(self, chat: Chat, past: str = "") -> Tokens:
        """Return a prompt, ready for the answer; ``past`` marks the earlier code in it."""
        text = self._text(chat)
        if not past:
            return self._read(text)
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        start = text.find(past)
        end = start + len(past) if start >= 0 else start
        marks = tuple(start <= a and b <= end and a < b for a, b in encoded["offset_mapping"])
        return Tokens(tuple(encoded["input_ids"]), (False,) * len(marks), marks)

    def answered(self, text: str) -> Tokens:
        """Return an answer, all of it learned, with the token that ends it."""
        ids = (*self._ids(text), self.tokenizer.eos_token_id)
        return Tokens(ids, (True,) * len(ids))

    def talk(self, chat: Chat, learned: Sequence[bool]) -> Tokens:
        """Return a whole conversation, of which only some of the assistant's turns are learned.

        Raises:
            UserError: The template changes what was said before when a turn is added.
        """
        tokens, so_far = Tokens((), ()), ""
        for place, message in enumerate(chat):
            if message["role"] != "assistant":
                continue
            head = self._text(chat[:place])
            if not head.startswith(so_far):
                raise UserError("the model's chat template rewrites earlier turns: leave kinds=splice out")
            turn = self.answered(message["content"])
            if not learned[place]:
                turn = replace(turn, learned=(False,) * len(turn.ids))
            tokens += self._read(head[len(so_far) :]) + turn
            so_far = f"{head}{message['content']}{self.tokenizer.eos_token}"
        return tokens

    def _text(self, chat: Chat) -> str:
        return str(self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))

    def _read(self, text: str) -> Tokens:
        ids = self._ids(text)
        return Tokens(ids, (False,) * len(ids))

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])


def read_lessons(
    folder: Path,
    renderer: Renderer,
    settings: TrainSettings,
    report: Callable[[str], None] = lambda _: None,
    keep: Callable[[dict[str, object]], bool] = lambda _: True,
) -> list[Lesson]:
    """Return the lessons of a data folder, those of at most ``settings.length`` tokens, of rows that are to be kept.

    Raises:
        UserError: There is none.
    """
    if settings.method == "sft":
        lessons = [
            _single(row, renderer, settings)
            for kind in settings.kinds
            for row in read_rows(folder, kind)
            if keep(row)
        ]
    else:
        rows = list(filter(keep, read_rows(folder, "preference")))
        lessons = [_compared(row, renderer, settings, number) for number, row in enumerate(rows)]
    fitting = [lesson for lesson in lessons if lesson.length <= settings.length]
    if len(fitting) < len(lessons):
        report(
            f"{len(lessons) - len(fitting)} of {len(lessons)} rows are longer than {settings.length} tokens"
        )
    if not fitting:
        wanted = "preference" if settings.method != "sft" else ", ".join(settings.kinds)
        raise UserError(
            f"{folder} has no {wanted} rows of at most {settings.length} tokens: nothing to learn"
        )
    return fitting


def in_order(lessons: Sequence[Lesson], settings: TrainSettings, hidden: int) -> list[Lesson]:
    """Return the lessons of all epochs in the order in which they are learned.

    The order, and which tokens of earlier code are hidden (replaced by the token ``hidden``), depend on seed, epoch and
    place alone: a training that was cut off goes on with the very same rows.
    """
    ordered: list[Lesson] = []
    for epoch in range(settings.epochs):
        draw = random.Random(f"{settings.seed}/{epoch}")  # noqa: S311
        places = draw.sample(range(len(lessons)), len(lessons))
        ordered.extend(_hide(lessons[place], settings.hide, hidden, draw) for place in places)
    return ordered[: settings.steps * settings.batch] if settings.steps else ordered


def _hide(lesson: Lesson, share: float, hidden: int, draw: random.Random) -> Lesson:
    (tokens, *others) = lesson.sequences
    if not any(tokens.past) or not share:
        return lesson
    ids = tuple(
        hidden if past and draw.random() < share else token
        for token, past in zip(tokens.ids, tokens.past, strict=True)
    )
    return replace(lesson, sequences=(replace(tokens, ids=ids), *others))


def _single(row: dict[str, object], renderer: Renderer, settings: TrainSettings) -> Lesson:
    if "messages" in row:
        return Lesson((renderer.talk(cast("Chat", row["messages"]), cast("list[bool]", row["train"])),))
    asked = renderer.asked(_prompt(row, settings), str(row.get("past", "")))
    answer = renderer.answered(_said(row["completion"]))
    whole = asked + answer
    return Lesson((replace(whole, past=(*asked.past, *(False,) * len(answer.ids))) if asked.past else whole,))


def _compared(row: dict[str, object], renderer: Renderer, settings: TrainSettings, number: int) -> Lesson:
    chat, better, worse = _prompt(row, settings), _said(row["chosen"]), _said(row["rejected"])
    sequences = [renderer.asked(chat) + renderer.answered(text) for text in (better, worse)]
    if settings.method == "srpo":
        revisions = ((better, worse), (worse, better), (better, better), (worse, worse))
        sequences += [
            renderer.asked(
                [*chat, {"role": "assistant", "content": before}, {"role": "user", "content": REVISE}]
            )
            + renderer.answered(answer)
            for answer, before in revisions
        ]
    degree = 0
    if settings.degree_weight:
        draw = random.Random(f"{settings.seed}/degree/{number}")  # noqa: S311
        damaged, degree = damage(better, draw.randrange(settings.degrees), draw)
        sequences.append(renderer.asked(chat) + renderer.answered(damaged))
    return Lesson(tuple(sequences), float(cast("float", row["wrong"])), degree)


def damage(answer: str, parts: int, draw: random.Random) -> tuple[str, int]:
    """Take lines out of an answer; return what is left and how many went, at most all but one."""
    lines = answer.split("\n")
    gone = set(draw.sample(range(len(lines)), min(parts, len(lines) - 1)))
    return "\n".join(line for place, line in enumerate(lines) if place not in gone), len(gone)


def _prompt(row: dict[str, object], settings: TrainSettings) -> Chat:
    return [{"role": "user", "content": ""}] if settings.response_only else cast("Chat", row["prompt"])


def _said(turns: object) -> str:
    (turn,) = cast("Chat", turns)
    return turn["content"]
