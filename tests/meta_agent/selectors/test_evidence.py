from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from meta_agent.selectors import SELECTORS, Choice, Evidence
from meta_agent.selectors.evidence import consensus_sets
from tests.meta_agent.selectors.matrices import Row, matrices, sets_of

INF = float("inf")


def choice(*scores: float) -> Choice:
    return Choice(np.array(scores))


def test_a_choice_is_the_mean_over_its_ties_and_the_first_of_them() -> None:
    tie = choice(1.0, 3.0, 2.0, 3.0)
    assert tie.tied.tolist() == [1, 3]
    assert tie.first == 1
    assert tie.mean([0.0, 1.0, 0.0, 0.5]) == 0.75


def test_nothing_to_choose_is_a_choice_among_all() -> None:
    assert choice(-INF, -INF).tied.tolist() == [0, 1]
    assert choice(-INF, -1e9).tied.tolist() == [1]


def test_sums_in_another_order_tie() -> None:
    assert choice(0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1).tied.tolist() == [0, 1]
    assert choice(1.0, 1.0 + 1e-9).tied.tolist() == [1]


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"passed": []},
        {"passed": [[1], [0]], "ran": [True]},
        {"passed": [[1], [0]], "trusted": [True, False]},
        {"passed": [[1], [0]], "outputs": [[1]]},
        {"passed": [1, 0]},
    ],
)
def test_evidence_must_fit(parts: dict[str, list[object]]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        Evidence.of(**parts)


@given(matrices())
def test_consensus_sets_by_brute_force(case: tuple[list[Row], list[bool]]) -> None:
    rows, ran = case
    sets = consensus_sets(np.array(rows, bool).reshape(len(rows), -1), np.array(ran))
    expected = sets_of(rows, ran)
    assert dict(zip(map(tuple, sets.rows), sets.sizes, strict=True)) == {
        row: len(members) for row, members in expected.items()
    }
    for row, members in expected.items():
        assert all(
            tuple(sets.rows[sets.member[np.flatnonzero(sets.held).tolist().index(i)]]) == row for i in members
        )


@pytest.mark.parametrize("name", SELECTORS)
@given(matrices())
def test_every_selector_chooses_somebody(name: str, case: tuple[list[Row], list[bool]]) -> None:
    """Whatever ran or did not, with tests or without: there is a choice, and the order of candidates does not matter."""
    rows, ran = case
    for kind in ("passed", "outputs"):
        forth = SELECTORS[name](Evidence.of(**{kind: rows}, ran=ran))
        back = SELECTORS[name](Evidence.of(**{kind: rows[::-1]}, ran=ran[::-1]))
        assert 0 <= forth.first < len(rows)
        assert sorted(len(rows) - 1 - i for i in back.tied) == forth.tied.tolist()
        assert not np.isnan(forth.scores).any()
