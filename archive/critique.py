"""How a reviser changes answers: whether it keeps what was right, and mends what was wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Revision:
    """Accuracy before and after a revision, taken apart; ``after = before * confidence + (1 - before) * critique``.

    Yang et al. (2024), Confidence v.s. Critique: A Decomposition of Self-Correction Capability for LLMs, arXiv
    2412.19513.
    """

    before: float
    """Mean share of right answers, each question counting once."""
    after: float
    confidence: float | None
    """CL: chance that a right answer stays right; None where none was right."""
    critique: float | None
    """CS: chance that a wrong answer becomes right; None where none was wrong."""
    relative: float | None
    """RSS: where ``after`` lies between the square of ``before`` (0) and what mirrors it (1).

    One half for a reviser that changes nothing; below 0 or above 1 for one that is worse or better than either
    bound. None where ``before`` is 0 or 1.
    """


def revision(questions: Sequence[tuple[Sequence[float], Sequence[float]]]) -> Revision:
    """Return what a revision did, from the samples of each question before and after it, 1 for a right one.

    The samples of a question are in the same order on both sides.

    Raises:
        ValueError: There is no question, one has no sample, or its sides have different numbers.
    """
    if not questions or any(not first or len(first) != len(then) for first, then in questions):
        raise ValueError(
            "expected at least one question, each with equally many samples before and after, not 0"
        )
    n = len(questions)
    before = math.fsum(math.fsum(first) / len(first) for first, _ in questions) / n
    kept = math.fsum(_share(first, then) for first, then in questions) / n
    mended = math.fsum(_share([1 - b for b in first], then) for first, then in questions) / n
    after = kept + mended
    mixed = 0 < before < 1
    return Revision(
        before,
        after,
        confidence=kept / before if before > 0 else None,
        critique=mended / (1 - before) if before < 1 else None,
        relative=(after - before**2) / (2 * before * (1 - before)) if mixed else None,
    )


def _share(held: Sequence[float], then: Sequence[float]) -> float:
    """Return the share of samples that held before and are right then."""
    return math.fsum(h * t for h, t in zip(held, then, strict=True)) / len(held)
