"""What running the candidates showed, and what a selector made of it.

Every selector takes :class:`Evidence` and returns a :class:`Choice`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Rows: TypeAlias = npt.ArrayLike
Floats: TypeAlias = "npt.NDArray[np.float64]"
Integers: TypeAlias = "npt.NDArray[np.intp]"
Flags: TypeAlias = "npt.NDArray[np.bool_]"

_TIE = 1e-12  # relative; scores this close are one score, computed in another order of addition


@dataclass(frozen=True, eq=False)
class Evidence:
    """Candidates (rows) on tests and on inputs (columns). A program or a test that was drawn twice is there twice."""

    passed: Flags
    """Candidates x tests: which passes which."""
    outputs: Integers
    """Candidates x inputs: equal numbers in a column are equal values, a negative number is no value."""
    ran: Flags
    """Candidates that could be executed at all; the others are never selected by their tests."""
    trusted: Flags
    """Tests that came with the task; the others were made up by a model."""

    @classmethod
    def of(
        cls,
        passed: Rows | None = None,
        outputs: Rows | None = None,
        ran: Rows | None = None,
        trusted: Rows | None = None,
    ) -> Evidence:
        """Return evidence of what is given: no tests or no inputs otherwise, every candidate ran, no test is trusted.

        Raises:
            ValueError: There is no candidate, or the parts are not about the same candidates and tests.
        """
        n = len(np.asarray(next((part for part in (passed, outputs, ran) if part is not None), ())))
        tests = np.zeros((n, 0), bool) if passed is None else np.asarray(passed, bool)
        evidence = cls(
            tests,
            np.zeros((n, 0), np.intp) if outputs is None else np.asarray(outputs, np.intp),
            np.ones(n, bool) if ran is None else np.asarray(ran, bool),
            np.zeros(tests.shape[-1], bool) if trusted is None else np.asarray(trusted, bool),
        )
        shapes = [part.shape for part in (evidence.passed, evidence.outputs, evidence.ran, evidence.trusted)]
        m, k = tests.shape[-1], evidence.outputs.shape[-1]
        if n == 0 or shapes != [(n, m), (n, k), (n,), (m,)]:
            raise ValueError(f"passed, outputs, ran and trusted do not fit each other: {shapes}")
        return evidence


@dataclass(frozen=True, eq=False)
class Choice:
    """The score of each candidate."""

    scores: Floats
    """Higher is better; -inf for a candidate that must not be chosen."""

    @property
    def tied(self) -> Integers:
        """The candidates that share the best score; all of them when none may be chosen."""
        best = self.scores.max()
        if best == -np.inf:
            return np.arange(len(self.scores))
        return np.flatnonzero(self.scores >= best - _TIE * max(1.0, abs(best)))

    @property
    def first(self) -> int:
        """The earliest of the tied candidates."""
        return int(self.tied[0])

    def mean(self, worth: Sequence[float] | Floats | Flags) -> float:
        """Return the mean worth of the tied candidates, such as the share of them that is right."""
        return float(np.asarray(worth, float)[self.tied].mean())


@dataclass(frozen=True, eq=False)
class Sets:
    """Consensus sets: the largest groups of candidates with identical rows."""

    rows: Floats
    """The row of each set."""
    sizes: Floats
    """Candidates in each set."""
    member: Integers
    """The set of each candidate that is in one."""
    held: Flags
    """Which candidates are in a set."""

    def choice(self, scores: Floats) -> Choice:
        """Give each candidate the score of its set."""
        spread = np.full(len(self.held), -np.inf)
        spread[self.held] = scores[self.member]
        return Choice(spread)


def consensus_sets(rows: Flags | Integers, held: Flags) -> Sets:
    """Group the held candidates by their rows; rows without a column say nothing, so that nobody is held."""
    held = held & (rows.shape[1] > 0)
    seen = np.ascontiguousarray(rows[held])
    keys = [row.tobytes() for row in seen]  # ten times faster than numpy.unique of rows
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    member = np.array([numbers[key] for key in keys], np.intp)
    sizes = np.bincount(member).astype(float)
    distinct = seen[[keys.index(key) for key in numbers]].astype(float)
    return Sets(distinct, sizes, member, held)
