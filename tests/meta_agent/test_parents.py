from __future__ import annotations

import math
from collections import Counter

import pytest

from meta_agent.parents import FLOOR, STEEPNESS, choose_parents, distance, novelty, weights
from tests.meta_agent.proposers.members import member

STRONG = member("strong", "110")
WEAK = member("weak", "000")
OTHER = member("other", "001")


def test_nothing_to_choose_from() -> None:
    assert choose_parents([], "x") == ()
    assert choose_parents([WEAK], "x") == (WEAK,)


def test_weights_are_those_of_score_novelty_and_children() -> None:
    children = [member(f"child {n}", "000", ("strong", "other")) for n in range(3)]
    pool = [STRONG, OTHER, *children]
    sigmoid = 1 / (1 + math.exp(-STEEPNESS * (2 / 3 - 0)))
    nearest = 2 / 3  # three children that solve nothing
    assert weights(pool)[0] == pytest.approx((FLOOR + nearest) * sigmoid / (1 + 3))
    assert weights(pool)[1] == pytest.approx((FLOOR + 1 / 3) / (1 + math.exp(-STEEPNESS / 3)))


def test_frequencies_follow_the_weights() -> None:
    pool = [STRONG, WEAK, OTHER, member("twin", "110")]
    expected = dict(zip((m.program for m in pool), weights(pool), strict=True))
    drawn = Counter(choose_parents(pool, str(i))[0].program for i in range(4000))
    for name, weight in expected.items():
        assert abs(drawn[name] / 4000 - weight / sum(expected.values())) < 0.03


def test_one_that_behaves_like_many_is_less_novel_than_one_that_does_not() -> None:
    crowd = [member(f"m{n}", "1100") for n in range(5)]
    odd = member("odd", "0011")
    assert novelty(crowd[0], [*crowd, odd]) == 0
    assert novelty(odd, [*crowd, odd]) == 1
    assert novelty(odd, [odd]) == 1


def test_distance_is_that_of_hamming_on_shared_tasks() -> None:
    assert distance(STRONG.scores, OTHER.scores) == 1
    assert distance(STRONG.scores, WEAK.scores) == pytest.approx(2 / 3)
    assert distance({"t0": 1.0, "x": 0.0}, STRONG.scores) == 0
    assert distance({"x": 1.0}, STRONG.scores) == 0.5


def test_the_second_parent_solves_what_the_first_fails() -> None:
    pairs = {tuple(m.name for m in choose_parents([STRONG, WEAK, OTHER], str(i))) for i in range(200)}
    assert ("strong", "other") in pairs
    assert ("strong", "weak") not in pairs


def test_a_task_that_one_of_them_never_met_is_no_gain() -> None:
    dropped = member("dropped", "1")
    assert choose_parents([dropped, WEAK], "x")[1] in (WEAK, dropped)
    pairs = {tuple(m.name for m in choose_parents([dropped, STRONG, WEAK], str(i))) for i in range(200)}
    assert ("dropped", "weak") not in pairs


def test_equal_draws_are_equal() -> None:
    assert choose_parents([STRONG, WEAK, OTHER], "1/2/3") == choose_parents([STRONG, WEAK, OTHER], "1/2/3")
