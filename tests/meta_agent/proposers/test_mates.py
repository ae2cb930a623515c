from __future__ import annotations

import random
from collections import Counter

from meta_agent.parents import distance
from meta_agent.proposers.mates import choose_mate, ideal_mates
from tests.meta_agent.proposers.members import member

POPULATION = [member(f"m{n}", f"{n:06b}") for n in range(0, 64, 5)]


def test_one_who_wishes_for_its_own_kind_takes_the_most_alike() -> None:
    chooser = POPULATION[3]
    others = [m for m in POPULATION if m is not chooser]
    mate = choose_mate(chooser.scores, others, random.Random(0), candidates=len(others))
    assert distance(chooser.scores, mate.scores) == min(distance(chooser.scores, m.scores) for m in others)


def test_where_all_are_as_far_chance_decides() -> None:
    alike = [member(f"m{n}", "000") for n in range(8)]
    for seed in range(50):
        mate = choose_mate({"t0": 1.0, "t1": 1.0, "t2": 1.0}, alike, random.Random(seed), candidates=4)
        assert mate is random.Random(seed).sample(alike, 4)[0]


def test_what_a_mate_is_worth_does_not_matter() -> None:
    wanted = {"t0": 0.0, "t1": 0.0}
    mate = choose_mate(wanted, [member("best", "11"), member("worst", "00")], random.Random(0), candidates=2)
    assert mate.name == "worst"


def test_the_first_wish_for_their_opposite() -> None:
    assert ideal_mates([member("a", "1010")])["a"] == {"t0": 0.0, "t1": 1.0, "t2": 0.0, "t3": 1.0}


def test_a_wish_is_inherited_and_mutates() -> None:
    solved = "1" * 20
    mother, father = member("mother", solved), member("father", "0" * 20)
    children = [member(f"child {n}", solved, ("mother", "father")) for n in range(200)]
    ideals = ideal_mates([mother, father, *children])
    share = sum(sum(ideals[child.program].values()) for child in children) / (200 * 20)
    assert 0.45 < share < 0.55
    heirs = [member(f"heir {n}", solved, ("mother",)) for n in range(200)]
    flips = Counter(sum(ideal_mates([mother, heir])[heir.program].values()) for heir in heirs)
    assert 0.7 < sum(flips[n] * n for n in flips) / 200 < 1.3
    assert ideals == ideal_mates([mother, father, *children])
