from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_agent.fault_localisation import ochiai, suspects


def test_worked_values() -> None:
    assert ochiai(failing=2, passing=1, failed=2) == pytest.approx(0.816497, abs=1e-6)
    assert ochiai(failing=1, passing=3, failed=2) == pytest.approx(0.353553, abs=1e-6)
    assert ochiai(failing=0, passing=4, failed=0) == 0
    assert ochiai(failing=0, passing=0, failed=3) == 0


def test_lines_of_a_failing_test_are_ranked() -> None:
    covered = {"ok": [1, 2], "bad": [1, 3, 3], "worse": [1, 3, 4], "fine": [1]}
    assert suspects(covered, {"bad", "worse"}) == [
        (3, pytest.approx(1)),
        (1, pytest.approx(2 / math.sqrt(2 * 4))),
        (4, pytest.approx(1 / math.sqrt(2))),
    ]
    assert suspects(covered, set()) == []


@given(st.dictionaries(st.text(max_size=2), st.sets(st.integers(0, 5))), st.sets(st.text(max_size=2)))
def test_suspects_by_definition(covered: dict[str, set[int]], failed: set[str]) -> None:
    ranked = suspects(covered, failed)
    assert [score for _, score in ranked] == sorted((score for _, score in ranked), reverse=True)
    for line, score in ranked:
        hit = [test for test in covered if line in covered[test]]
        failing = sum(test in failed for test in hit)
        assert score == pytest.approx(failing / math.sqrt(len(failed & covered.keys()) * len(hit)))
        assert 0 < score <= 1
