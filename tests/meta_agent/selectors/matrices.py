"""Small matrices of candidates, and slow, plain ways to look at them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = tuple[int, ...]

TWO_THREE_ONE = [
    (1, 1, 1, 0, 0),
    (1, 1, 1, 0, 0),
    (1, 1, 0, 1, 1),
    (0, 1, 0, 0, 0),
    (0, 1, 0, 0, 0),
    (0, 1, 0, 0, 0),
]
"""Three consensus sets over five tests: two candidates, one, and three."""


@st.composite
def matrices(draw: st.DrawFn, low: int = 0, high: int = 1) -> tuple[list[Row], list[bool]]:
    """Rows of small numbers, and which candidate ran; rows are often equal."""
    width = draw(st.integers(0, 5))
    pool = draw(
        st.lists(
            st.lists(st.integers(low, high), min_size=width, max_size=width).map(tuple),
            min_size=1,
            max_size=4,
        )
    )
    rows = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=8))
    ran = draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    return rows, ran


def sets_of(rows: Sequence[Row], held: Sequence[bool]) -> dict[Row, list[int]]:
    """Return the candidates of each row, among those that are held."""
    found: dict[Row, list[int]] = defaultdict(list)
    for i, (row, wanted) in enumerate(zip(rows, held, strict=True)):
        if wanted and row:
            found[row].append(i)
    return found


def by_candidate(scores: dict[Row, float], rows: Sequence[Row], held: Sequence[bool]) -> list[float]:
    """Return the score of each candidate's row, minus infinity for those that are not held."""
    return [
        scores[row] if wanted and row in scores else -float("inf")
        for row, wanted in zip(rows, held, strict=True)
    ]
