from __future__ import annotations

from collections import Counter

import pytest

from meta_agent.proposers.bandit import PATIENCE, Play, choose_proposer, quarantine

NAMES = ("good", "bad", "new")


def plays(proposer: str, rewards: list[float]) -> list[Play]:
    return [Play(proposer, "p", reward, broken=not reward) for reward in rewards]


def test_without_a_record_all_are_equal() -> None:
    drawn = Counter(choose_proposer(NAMES, [], str(n)) for n in range(3000))
    assert all(900 < drawn[name] < 1100 for name in NAMES)


def test_the_record_decides_and_the_unknown_is_tried() -> None:
    record = [*plays("good", [0.9] * 10), *plays("bad", [0.1] * 10)]
    drawn = Counter(choose_proposer(NAMES, record, str(n)) for n in range(1000))
    assert drawn["good"] > drawn["new"] > drawn["bad"]
    assert drawn["new"] > 100


def test_shares_are_the_probabilities_of_being_best() -> None:
    # Beta(2, 1) against Beta(1, 2): the first is larger with probability 5 / 6.
    record = [*plays("good", [1.0]), *plays("bad", [0.0])]
    drawn = Counter(choose_proposer(("good", "bad"), record, str(n)) for n in range(6000))
    assert drawn["good"] / 6000 == pytest.approx(5 / 6, abs=0.02)


def test_equal_draws_are_equal() -> None:
    record = plays("good", [0.4, 0.6])
    assert [choose_proposer(NAMES, record, str(n)) for n in range(50)] == [
        choose_proposer(NAMES, record, str(n)) for n in range(50)
    ]


def test_a_parent_from_which_nothing_runs_is_set_aside_for_this_proposer() -> None:
    broken = [Play("a", "barren", 0.0, broken=True)] * PATIENCE
    assert quarantine(broken[1:], "a") == frozenset()
    assert quarantine(broken, "a") == {"barren"}
    assert quarantine(broken, "b") == frozenset()
    assert quarantine([*broken, Play("a", "barren", 0.2, broken=False)], "a") == frozenset()
