"""reasoning-gym: about a hundred procedural generators of puzzles, each with a verifier.

Stojanovski et al. 2025, "Reasoning Gym", https://github.com/open-thought/reasoning-gym, Apache-2.0.
Offline; needs the extra ``reasoning-gym``.

A verifier runs on the host and gets the answer as a string, which is untrusted. Some of them pass it to
``eval`` or to ``sympy.parse_expr`` (which evaluates too). Those are offered only where an answer can be held
to characters that cannot name anything (:data:`HARMLESS`); the others are refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import io
import re
import tokenize
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from domains.benchmark import Benchmark, Item
from domains.domain import DomainError, Score, SplitName, Task
from domains.scoring import normal_text
from domains.splits import DEFAULT_SIZES, EVERY, NAMES, checked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandboxes import Json, Sandbox

HARMLESS: Mapping[str, str] = {
    "binary_matrix": r"[\d\s,\[\]]*",
    "countdown": r"(?!.*\*\s*\*)[\d\s+\-*/().]*",
    "n_queens": r"[Q_\s,\[\]'\"]*",
    "number_sorting": r"[\d\s,.\-\[\]'\"]*",
    "puzzle24": r"(?!.*\*\s*\*)[\d\s+\-*/().]*",
    "spiral_matrix": r"[\d\s,\-\[\]]*",
    "string_insertion": r"[A-E\s,\[\]'\"]*",
}
"""Task to the pattern that an answer must match before a verifier that evaluates it may see it."""

LONGEST_ANSWER = 4000
"""Characters an answer may have: verifiers take time that grows with it."""

PATIENCE = 1000
"""Puzzles made in a row without a new one that is wanted, after which there are taken to be no more."""

MADE_AHEAD = 1000
"""Size that generators are told; a few of them make that many puzzles at once and have no more."""

_UNREADABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
)
"""What a verifier raises on an answer that it cannot read."""

_EVALUATES = re.compile(r"\b(?:eval|exec|compile|parse_expr|sympify|__import__|loads)\(")
_JSON = re.compile(r"\bjson\.loads\(")


@dataclass(frozen=True, slots=True, repr=False)
class Verified:
    """An answer marked by a reasoning-gym verifier: right when it gives full credit."""

    verify: Callable[[str], float]
    harmless: str = ""
    """Pattern that the answer must match; empty when the verifier evaluates nothing."""

    def mark(self, answer: Json, _: Sandbox, /) -> Score:
        """Ask the verifier; partial credit counts as wrong."""
        if isinstance(answer, bool) or not isinstance(answer, str | int | float):
            return Score(0.0, "the answer is not text")
        text = self.key(answer)
        if len(text) > LONGEST_ANSWER:
            return Score(0.0, "the answer is too long")
        if self.harmless and not re.fullmatch(self.harmless, text, re.DOTALL):
            return Score(0.0, "the answer is not in the expected form")
        try:
            right = float(self.verify(text)) >= 1
        except _UNREADABLE:
            return Score(0.0, "the answer is not in the expected form")
        return Score(float(right), "right" if right else "wrong answer")

    @staticmethod
    def key(answer: Json) -> str:
        """Return the text without space around it: case and inner spacing may matter to a puzzle."""
        return answer.strip() if isinstance(answer, str) else normal_text(answer)


def reasoning_gym(
    task: str = "", *, sizes: Mapping[SplitName, int] | None = None, seed: int = 0
) -> Benchmark:
    """Generate the puzzles of one reasoning-gym task.

    A puzzle goes to the split that the digest of its question names, so that the same question is never in
    two splits, whatever the sizes; each split is filled in the order of generation.

    Raises:
        DomainError: the extra is not installed, an unknown task, one whose verifier would evaluate the
            answer, or too few different puzzles.

    """
    dataset = _dataset(task, seed)
    items: list[Item] = []
    splits: dict[SplitName, list[str]] = {name: [] for name in NAMES}
    try:
        finite = {name: size for name, size in checked(sizes).items() if size != EVERY}
        puzzles = _puzzles(dataset, {**DEFAULT_SIZES, **finite})
    except DomainError as error:
        raise DomainError(f"reasoning-gym:{task}: {error}") from None
    for split, number, entry in puzzles:
        identity = f"reasoning-gym/{task}/{seed}/{number}"
        target = Verified(partial(dataset.score_answer, entry=entry), HARMLESS.get(task, ""))
        items.append(Item(Task(identity, str(entry["question"]), "answer"), target))
        splits[split].append(identity)
    package = metadata.version("reasoning-gym")
    return Benchmark(
        f"reasoning-gym:{task}",
        f"Each task is a puzzle of the kind {task!r}, made by a program. The answer is a short text in just "
        "the form that the puzzle asks for, and nothing else; a verifier marks it.",
        items,
        splits,
        version=hashlib.sha256(f"{package}:{task}:{seed}".encode()).hexdigest()[:16],
        key=Verified.key,
        parameters=(package, Path(__file__).read_text(encoding="utf-8")),
    )


def _puzzles(dataset: Any, wanted: Mapping[SplitName, int]) -> list[tuple[SplitName, int, dict[str, Any]]]:
    """Return as many different puzzles as wanted, each with its split and number."""
    puzzles: list[tuple[SplitName, int, dict[str, Any]]] = []
    lacking = dict(wanted)
    seen: set[str] = set()
    number = vain = 0
    while any(lacking.values()):
        entry = _generate(dataset, number) if vain < PATIENCE else None
        if entry is None:
            found = ", ".join(f"{name} {wanted[name] - lacking[name]}" for name in NAMES)
            raise DomainError(f"it makes too few different puzzles: {found}; lower the sizes")
        question = str(entry["question"])
        split = _split_of(question)
        if question not in seen and lacking[split]:
            puzzles.append((split, number, entry))
            lacking[split] -= 1
            vain = -1
        seen.add(question)
        number, vain = number + 1, vain + 1
    return puzzles


def _split_of(question: str) -> SplitName:
    place = int.from_bytes(hashlib.sha256(question.encode()).digest()[:8]) % sum(DEFAULT_SIZES.values())
    for name in NAMES:
        if place < DEFAULT_SIZES[name]:
            return name
        place -= DEFAULT_SIZES[name]
    raise AssertionError("the remainder is below the sum of the sizes")


def _dataset(task: str, seed: int) -> Any:
    try:
        from reasoning_gym.factory import DATASETS, create_dataset
    except ImportError:
        raise DomainError(
            "reasoning-gym is not installed: pip install 'meta-agent-search[reasoning-gym]'"
        ) from None
    if task not in DATASETS:
        close = (
            ", ".join(get_close_matches(task, DATASETS, n=5, cutoff=0.4))
            or "such as sudoku, countdown, word_ladder"
        )
        what = f"unknown reasoning-gym task {task!r}" if task else "expected reasoning-gym:TASK"
        raise DomainError(f"{what}; there are {len(DATASETS)}, {close}")
    try:
        # Puzzle n is made from seed + n: seeds far apart keep two data sets from sharing puzzles.
        dataset = create_dataset(task, size=MADE_AHEAD, seed=seed * 1_000_000)
    except (AssertionError, TypeError, ValueError) as error:
        raise DomainError(
            f"reasoning-gym:{task} cannot be made without settings of its own: {error}"
        ) from error
    if task not in HARMLESS and evaluates(dataset):
        raise DomainError(
            f"reasoning-gym:{task} is not offered: its verifier would evaluate the answer as code on the host"
        )
    return dataset


def evaluates(dataset: Any) -> bool:
    """Tell whether the source of a data set's verifier calls something that evaluates text as code."""
    source = inspect.getsource(type(dataset).score_answer)
    return _EVALUATES.search(_JSON.sub("", source)) is not None


def _generate(dataset: Any, number: int) -> dict[str, Any] | None:
    """Return a puzzle, or None when there are no more."""
    with contextlib.redirect_stdout(io.StringIO()):  # one generator prints dots
        try:
            return cast("dict[str, Any]", dataset[number])
        except IndexError:
            return None
