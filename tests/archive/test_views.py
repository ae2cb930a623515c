from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.statistics import pareto
from archive.views import best_so_far, clustered, cost_a_task, front

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archive import Archive, Standing

places = st.integers(0, 4).map(float)


@given(st.lists(st.tuples(places, places), max_size=12))
def test_the_front_is_who_nobody_dominates(points: list[tuple[float, float]]) -> None:
    dominated = [
        any(score >= s and cost <= c and (score > s or cost < c) for score, cost in points) for s, c in points
    ]
    assert pareto(points) == [not beaten for beaten in dominated]


def standings(archive: Archive) -> dict[str, Standing]:
    return {one.evaluation.program: one for one in archive.standings(run="r", split="search")}


def test_the_front_and_the_best_so_far_of_an_archive(filled: Archive) -> None:
    held = standings(filled)
    assert [one.name for one in front(list(held.values()), "tokens")] == ["repair"]
    assert [one.name for one in front(list(held.values()), "calls")] == ["direct", "vote", "plan", "repair"]
    members = filled.members("r")
    steps = best_so_far(members, held)
    assert [(step.position, step.standing.name) for step in steps] == [
        (0, "direct"),
        (1, "vote"),
        (2, "plan"),
        (3, "repair"),
    ]
    assert [step.position for step in best_so_far(members[::-1], held)] == [0]
    assert best_so_far(members, {}) == []


@pytest.mark.parametrize(
    ("unit", "cost"), [("tokens", 15.0), ("calls", 1.0), ("seconds", 2.0), ("usd", pytest.approx(0.1))]
)
def test_what_a_task_costs(filled: Archive, unit: str, cost: float) -> None:
    assert cost_a_task(filled.standings(program=filled.program("direct").id)[0], unit) == cost


def rough(rows: np.ndarray, order: Sequence[int]) -> float:
    return float(sum(np.nanmean(np.abs(rows[a] - rows[b])) for a, b in pairwise(order)))


@given(st.integers(0, 999), st.integers(1, 4))
def test_clustering_puts_like_rows_side_by_side(seed: int, kinds: int) -> None:
    chance = np.random.default_rng(seed)
    patterns = np.unique(chance.integers(0, 2, (kinds, 12)), axis=0).astype(float)
    labels = chance.permutation(np.repeat(np.arange(len(patterns)), 4))
    order = clustered(patterns[labels])
    assert sorted(order) == list(range(len(labels)))
    changes = sum(labels[a] != labels[b] for a, b in pairwise(order))
    assert changes == len(patterns) - 1
    assert rough(patterns[labels], order) <= rough(patterns[labels], range(len(labels)))


def test_clustering_with_gaps_and_with_nothing() -> None:
    gaps = np.array([[1.0, np.nan], [np.nan, 0.0], [1.0, 1.0], [np.nan, np.nan]])
    assert sorted(clustered(gaps)) == [0, 1, 2, 3]
    assert clustered(np.zeros((0, 0))) == []
    assert clustered([[1.0]]) == [0]
