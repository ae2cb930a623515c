from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from archive.shrinkage import Levels, levels
from meta_agent.choosing import CERTAINTY, Standings, finalists, knock_out

if TYPE_CHECKING:
    from collections.abc import Sequence


def known(*chances: float) -> Levels:
    """Levels under which program i is the best with these probabilities."""
    counts = [round(1000 * chance) for chance in chances]
    best = np.repeat(np.arange(len(chances)), counts)
    return Levels(np.array(chances), np.eye(len(chances))[best] + 0.1 * np.array(chances))


def test_finalists_are_the_fewest_that_hold_the_best() -> None:
    standing = known(0.02, 0.5, 0.03, 0.44, 0.01)
    assert finalists(standing, range(5), 9) == [1, 3, 2]  # 0.5 + 0.44 is not enough
    assert finalists(standing, range(5), 2) == [1, 3]
    assert finalists(standing, [0, 2], 9) == [2]  # of these two alone
    assert finalists(known(0.97, 0.03), [0, 1], 9) == [0]
    assert finalists(standing, [], 9) == []


def test_standings_leave_out_what_was_not_measured() -> None:
    standings = Standings.of({"a": {"t0": 1.0, "t1": 1.0}, "b": {}, "c": {"t1": 0.0, "t0": 0.0, "t2": 0.0}})
    assert standings.programs == ("a", "c")
    assert standings.rows(["c", "b", "a"]) == [1, 0]
    assert 1 > standings.score("a") > standings.score("c") > 0
    assert standings.score("b") == -1
    assert Standings.of({}).programs == ()


def play(truth: list[float], seats: int, saved: int = 0) -> tuple[list[int], list[int]]:
    """Let programs with these solve rates meet on 60 tasks; return who is left, and on how many each was asked."""
    outcomes = (np.random.default_rng(0).random((len(truth), 64)) < np.array(truth)[:, None]).astype(float)
    seen = np.where(np.arange(64) < 4, outcomes, np.nan)  # four tasks are known from before

    def measure(rows: Sequence[int], start: int, end: int) -> None:
        assert np.isnan(seen[rows, start + 4 : end + 4]).all()
        seen[rows, start + 4 : end + 4] = outcomes[rows, start + 4 : end + 4]

    def standing(asked: int) -> Levels:
        assert np.isnan(seen[:, asked + 4 :]).all()
        return levels(seen)

    rows = [range(len(truth))]
    (left,) = knock_out(standing, rows, measure, seats=[seats], tasks=60, saved=saved, block=5)
    return left, [int((~np.isnan(row)).sum()) - 4 for row in seen]


def test_the_hopeless_are_asked_less_than_the_contenders() -> None:
    left, asked = play([0.9, 0.1, 0.85, 0.1, 0.2], seats=5)
    assert set(left) <= {0, 2}
    assert max(asked[1], asked[3], asked[4]) < min(asked[0], asked[2])


@pytest.mark.parametrize("seats", [1, 2, 3])
@pytest.mark.parametrize("saved", [0, 7, 100])
def test_no_more_is_asked_than_there_are_rollouts(seats: int, saved: int) -> None:
    _, asked = play([0.5] * 12, seats, saved)
    assert sum(asked) <= 60 * seats + saved
    first = sum(n > 0 for n in asked)
    assert first <= max(
        seats, (60 * seats + saved) // 10
    )  # half of them are enough for the first block of five
    assert (
        sum(asked) > 60 * seats + saved - first or min(n for n in asked if n) == 60
    )  # equals go on to the end


def test_what_is_decided_is_not_asked() -> None:
    assert play([0.5], seats=2) == ([0], [0])


def test_the_best_is_lost_no_more_often_than_is_said() -> None:
    kept = 0
    draws = np.random.default_rng(5)
    for _ in range(200):
        truth = np.clip(draws.normal(0.5, 0.1, 10), 0.05, 0.95)
        outcomes = (draws.random((10, 40)) < truth[:, None]).astype(float)
        kept += int(truth.argmax()) in finalists(levels(outcomes), range(10), 10)
    assert kept / 200 >= CERTAINTY - 0.03
