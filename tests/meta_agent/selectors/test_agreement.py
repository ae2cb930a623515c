from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given

from meta_agent.selectors import Evidence, functional_consensus, majority, mbr_exec, values_as_numbers
from tests.meta_agent.selectors.matrices import Row, by_candidate, matrices, sets_of

SQUARES = [["1", "4", "9"], ["1", "4", "9"], ["1", "4", "8"], ["1", None, "9"], ["2", "4", "7"]]


def test_functional_consensus_of_the_worked_example() -> None:
    choice = functional_consensus(Evidence.of(outputs=values_as_numbers(SQUARES)))
    assert choice.scores.tolist() == [8, 8, 6, -95, 3]
    assert choice.tied.tolist() == [0, 1]


def test_a_trusted_test_outweighs_all_agreement() -> None:
    passed = [[0, 0], [0, 1], [1, 1], [1, 1], [1, 0]]
    outputs = values_as_numbers(SQUARES)
    assert functional_consensus(Evidence.of(passed, outputs, trusted=[True, False])).scores.tolist() == [
        8 - 10_000, 8 - 10_000, 6, -95, 3,
    ]  # fmt: skip
    both = functional_consensus(Evidence.of(passed, outputs, trusted=[True, True]))
    assert both.scores[0] == 8 - 10_000  # once, however many tests fail
    assert functional_consensus(Evidence.of(passed, outputs)).first == 0


@given(matrices(low=-1, high=2))
def test_by_brute_force(case: tuple[list[Row], list[bool]]) -> None:
    rows, _ = case
    evidence = Evidence.of(outputs=[list(row) for row in rows])
    returning = [any(value >= 0 for value in row) for row in rows]
    sizes = {row: float(len(members)) for row, members in sets_of(rows, returning).items()}
    assert majority(evidence).scores.tolist() == by_candidate(sizes, rows, returning)
    agreed = [
        sum(
            sum(other[j] == value for other in rows) - 1 if value >= 0 else -100
            for j, value in enumerate(row)
        )
        for row in rows
    ]
    assert functional_consensus(evidence).scores.tolist() == agreed
    if rows[0]:
        counts = Counter(row[0] for row in rows if row[0] >= 0)
        assert mbr_exec(evidence).scores.tolist() == [counts[row[0]] for row in rows]


def test_mbr_exec_prefers_the_likelier_of_those_that_agree() -> None:
    evidence = Evidence.of(outputs=[[0], [1], [1], [-1], [2], [1]])
    assert mbr_exec(evidence).tied.tolist() == [1, 2, 5]
    assert mbr_exec(evidence, log_likelihood=[-1.0, -9.0, -7.0, -2.0, -3.0, -7.0]).tied.tolist() == [2, 5]
    assert mbr_exec(evidence, log_likelihood=[0.0, -9.0, -8.0, 0.0, 0.0, -7.0]).first == 5


@pytest.mark.parametrize("selector", [majority, mbr_exec, functional_consensus])
def test_candidates_that_return_nothing_never_win(selector: object) -> None:
    evidence = Evidence.of(outputs=[[-1, -1], [-1, -1], [-1, -1], [4, 4]])
    assert selector(evidence).tied.tolist() == [3]  # type: ignore[operator]


def test_values_are_numbered_by_column() -> None:
    assert values_as_numbers([["a", None], ["b", "a"], ["a", "a"]]) == [[0, -1], [1, 1], [0, 1]]
