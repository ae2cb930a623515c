from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given

from meta_agent.selectors import Evidence, b4
from tests.meta_agent.selectors.matrices import TWO_THREE_ONE, Row, matrices


def log_marginal(outcomes: list[int], a: float, b: float) -> float:
    hits = sum(outcomes)
    return math.lgamma(hits + a) + math.lgamma(len(outcomes) - hits + b) - math.lgamma(len(outcomes) + a + b)


def posterior(rows: list[Row], right: tuple[int, ...], beta: float, alpha: float) -> float:
    """Return the log posterior, as the model defines it, of "these candidates are right, and the tests they pass"."""
    tests = rows[right[0]]
    others = [row for i, row in enumerate(rows) if i not in right]
    on_right = [passed for row in others for passed, good in zip(row, tests, strict=True) if good]
    on_wrong = [passed for row in others for passed, good in zip(row, tests, strict=True) if not good]
    return (
        log_marginal(list(tests), alpha, 1)
        + log_marginal([int(i in right) for i in range(len(rows))], alpha, 1)
        + log_marginal(on_right, 1, 1)
        + log_marginal(on_wrong, 1, beta)
    )


def consistent(rows: list[Row]) -> list[tuple[int, ...]]:
    """Return every set of candidates that may all be right together: they pass the same tests."""
    everybody = range(len(rows))
    sets = (members for size in range(1, len(rows) + 1) for members in combinations(everybody, size))
    return [members for members in sets if len({rows[i] for i in members}) == 1]


@pytest.mark.parametrize(
    ("beta", "alpha", "scores"),
    [
        (10, 10, [-34.252946, -34.252946, -37.648787, -34.650784, -34.650784, -34.650784]),
        (1e4, 1e3, [-87.602255, -87.602255, -91.746372, -123.783567, -123.783567, -123.783567]),
    ],
)
def test_the_worked_example(beta: float, alpha: float, scores: list[float]) -> None:
    choice = b4(Evidence.of(TWO_THREE_ONE), beta, alpha)
    assert choice.scores == pytest.approx(scores, abs=1e-6)
    assert choice.tied.tolist() == [0, 1]


@pytest.mark.parametrize(("beta", "alpha"), [(10.0, 10.0), (1e4, 1e3)])
def test_300_random_matrices_equal_enumeration(beta: float, alpha: float) -> None:
    """The best of all possible sets of right candidates is one of those that B4 looks at, and none is inside it."""
    rng = np.random.default_rng(34)
    for _ in range(300):
        matrix = rng.random((5, 5)) < rng.random()
        rows = [tuple(row) for row in matrix.astype(int).tolist()]
        scored = {members: posterior(rows, members, beta, alpha) for members in consistent(rows)}
        best = max(scored.values())
        choice = b4(Evidence.of(matrix), beta, alpha)
        assert choice.scores.max() == pytest.approx(best, abs=1e-7)
        maximisers = [set(members) for members, score in scored.items() if score > best - 1e-9]
        assert any(members <= set(choice.tied.tolist()) for members in maximisers)
        for members in maximisers:
            whole = {i for i, row in enumerate(rows) if row == rows[min(members)]}
            assert members == whole


@given(matrices())
def test_every_score_by_its_definition(case: tuple[list[Row], list[bool]]) -> None:
    rows, ran = case
    scores = b4(Evidence.of([list(row) for row in rows], ran=ran), 100, 20).scores
    alive = [row for row, good in zip(rows, ran, strict=True) if good]
    for i, row in enumerate(rows):
        if ran[i] and row:
            members = tuple(j for j, other in enumerate(alive) if other == row)
            assert scores[i] == pytest.approx(posterior(alive, members, 100, 20))
        else:
            assert scores[i] == -math.inf
