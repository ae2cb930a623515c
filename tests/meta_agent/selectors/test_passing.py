from __future__ import annotations

import math

import pytest
from hypothesis import given

from meta_agent.selectors import Evidence, biggest_set, codet, max_pass
from tests.meta_agent.selectors.matrices import TWO_THREE_ONE, Row, by_candidate, matrices, sets_of


def test_the_worked_example() -> None:
    evidence = Evidence.of(TWO_THREE_ONE)
    assert max_pass(evidence).scores.tolist() == [3, 3, 4, 1, 1, 1]
    assert max_pass(evidence).tied.tolist() == [2]
    assert biggest_set(evidence).scores.tolist() == [2, 2, 1, 3, 3, 3]
    assert biggest_set(evidence).tied.tolist() == [3, 4, 5]
    scores = [4.242641, 4.242641, 4.0, 1.732051, 1.732051, 1.732051]
    assert codet(evidence).scores == pytest.approx(scores, abs=1e-6)


@given(matrices())
def test_by_brute_force(case: tuple[list[Row], list[bool]]) -> None:
    rows, ran = case
    evidence = Evidence.of([list(row) for row in rows], ran=ran)
    sets = sets_of(rows, ran)
    sizes = {row: float(len(members)) for row, members in sets.items()}
    counted = [float(sum(row)) if good else -math.inf for row, good in zip(rows, ran, strict=True)]
    assert max_pass(evidence).scores.tolist() == counted
    assert biggest_set(evidence).scores.tolist() == by_candidate(sizes, rows, ran)
    products = {row: math.sqrt(len(sets[row])) * sum(row) for row in sets if any(row)}
    assert codet(evidence).scores == pytest.approx(by_candidate(products, rows, ran))


def test_a_repeated_test_counts_as_often_as_it_was_drawn() -> None:
    assert codet(Evidence.of([[1, 0], [0, 1]])).tied.tolist() == [0, 1]
    assert codet(Evidence.of([[1, 0, 0], [0, 1, 1]])).tied.tolist() == [1]


def test_codet_ties_are_exact() -> None:
    """Eight candidates with three tests score what two candidates with six do, though the roots differ in floats."""
    rows = [[1] * 3 + [0] * 6] * 8 + [[0] * 3 + [1] * 6] * 2
    assert codet(Evidence.of(rows)).tied.tolist() == list(range(10))


def test_codet_never_chooses_a_candidate_that_passes_nothing() -> None:
    assert codet(Evidence.of([[0, 0]] * 9 + [[1, 0]])).tied.tolist() == [9]
    assert codet(Evidence.of([[0, 0]] * 3)).tied.tolist() == [0, 1, 2]
