from __future__ import annotations

import math
from collections import Counter

from meta_agent.parents import STEEPNESS, Candidate, choose_parents

STRONG = Candidate("strong", {"a": 1.0, "b": 1.0, "c": 0.0}, children=0)
WEAK = Candidate("weak", {"a": 0.0, "b": 0.0, "c": 0.0}, children=0)
OTHER = Candidate("other", {"a": 0.0, "b": 0.0, "c": 1.0}, children=0)


def test_nothing_to_choose_from() -> None:
    assert choose_parents([], "x") == ()
    assert choose_parents([WEAK], "x") == ("weak",)


def test_frequencies_follow_the_published_weights() -> None:
    pool = [STRONG, WEAK, Candidate("parent", STRONG.scores, children=3)]
    middle = 2 / 3
    weights = {c.program: 1 / (1 + math.exp(-STEEPNESS * (c.mean - middle))) / (1 + c.children) for c in pool}
    drawn = Counter(choose_parents(pool, str(i))[0] for i in range(4000))
    for name, weight in weights.items():
        assert abs(drawn[name] / 4000 - weight / sum(weights.values())) < 0.03


def test_the_second_parent_solves_what_the_first_fails() -> None:
    pairs = {choose_parents([STRONG, WEAK, OTHER], str(i)) for i in range(200)}
    assert ("strong", "other") in pairs
    assert not any(pair == ("strong", "weak") for pair in pairs)


def test_equal_draws_are_equal() -> None:
    assert choose_parents([STRONG, WEAK, OTHER], "1/2/3") == choose_parents([STRONG, WEAK, OTHER], "1/2/3")
