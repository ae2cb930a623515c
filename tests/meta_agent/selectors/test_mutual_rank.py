from __future__ import annotations

import pytest
from hypothesis import given

from meta_agent.selectors import Evidence, max_pass, mutual_rank
from tests.meta_agent.selectors.matrices import Row, matrices

AGREEING = [[1, 1, 1, 0, 0, 0]] * 3 + [[0, 0, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("rounds", "scores"),
    [
        (1, [0.760563, 0.760563, 0.760563, 1, 0.281690]),
        (2, [1, 1, 1, 6.1 / 8.735, 3.1675 / 8.735]),
        (10, [1, 1, 1, 0.518456, 0.338245]),
        (1000, [1, 1, 1, 0.512680, 0.338922]),
    ],
)
def test_the_worked_example(rounds: int, scores: list[float]) -> None:
    """Counting prefers the fourth; mutual ranking the three that agree."""
    assert mutual_rank(Evidence.of(AGREEING), rounds=rounds).scores == pytest.approx(scores, abs=1e-6)


@given(matrices())
def test_one_round_ranks_by_passed_tests(case: tuple[list[Row], list[bool]]) -> None:
    rows, ran = case
    evidence = Evidence.of([list(row) for row in rows], ran=ran)
    if rows[0] and any(ran):
        counts, scores = max_pass(evidence).scores, mutual_rank(evidence, rounds=1).scores
        credit = 0.15 + 0.85 * counts
        assert scores == pytest.approx(credit / credit.max())


@given(matrices())
def test_by_brute_force(case: tuple[list[Row], list[bool]]) -> None:
    rows, ran = case
    alive = [row for row, good in zip(rows, ran, strict=True) if good]
    code, tests = [1.0] * len(alive), [1.0] * len(rows[0])
    for _ in range(10):
        code, tests = (
            [
                0.15 * c + 0.85 * sum(t for t, e in zip(tests, row, strict=True) if e)
                for c, row in zip(code, alive, strict=True)
            ],
            [
                0.15 * t + 0.85 * sum(c for c, row in zip(code, alive, strict=True) if row[j])
                for j, t in enumerate(tests)
            ],
        )
    scores = mutual_rank(Evidence.of([list(row) for row in rows], ran=ran)).scores
    if rows[0] and alive:
        assert [s for s, good in zip(scores, ran, strict=True) if good] == pytest.approx(
            [c / max(code) for c in code]
        )


def test_credit_stays_finite() -> None:
    scores = mutual_rank(Evidence.of([[1] * 300] * 299 + [[0] * 300]), rounds=5000).scores
    assert scores[0] == 1.0
    assert scores[-1] == pytest.approx(0.0, abs=1e-300)
