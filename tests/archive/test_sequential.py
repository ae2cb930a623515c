from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.sequential import STAKES, confidence_sequence, incumbents, log_capital

scores = st.sampled_from([0.0, 0.25, 0.5, 1.0])


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30), st.floats(-0.9, 0.9))
def test_the_capital_is_the_mean_of_products_of_bets(differences: list[float], mean: float) -> None:
    path = log_capital(np.array(differences), mean)
    for n in range(1, len(differences) + 1):
        products = [
            math.prod(1 - stake * (d - mean) / (1 - mean) for d in differences[:n]) for stake in STAKES
        ]
        assert math.exp(path[n - 1]) == pytest.approx(sum(products) / len(products), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("win", [0.1, 0.25, 0.5])
def test_without_a_difference_the_capital_is_a_fair_game(win: float) -> None:
    """Enumerate all courses of eight pairs with equal chances of winning and losing: the expected capital is 1."""
    chances = {1.0: win, -1.0: win, 0.0: 1 - 2 * win}
    courses = np.array(list(product(chances, repeat=8)))
    weights = np.array([math.prod(chances[d] for d in course) for course in courses])
    capital = np.exp(log_capital(courses))
    assert weights @ capital == pytest.approx(np.ones(8))
    for risk in (0.05, 0.2):
        ever = (capital >= 1 / risk).any(axis=1)
        assert weights @ ever <= risk


def test_a_clear_loser_is_found_soon_and_a_winner_never() -> None:
    lost = log_capital(np.full(20, -1.0)) >= -math.log(0.05)
    assert lost.argmax() == 6  # the mean of (1 + stake) ** 7 over the stakes is the first above 20
    assert not (log_capital(np.full(500, 1.0)) > 0).any()


@given(
    st.lists(st.sampled_from([-1.0, -0.5, 0.0, 1.0]), min_size=1, max_size=40),
    st.sampled_from([0.01, 0.05, 0.2]),
)
def test_the_bounds_invert_the_test(differences: list[float], risk: float) -> None:
    values = np.array(differences)
    low, high = confidence_sequence(values, risk)
    assert -1 <= low <= values.mean() + 1e-9
    assert values.mean() - 1e-9 <= high <= 1
    assert (high <= 0) == (log_capital(values)[-1] >= -math.log(risk))
    if high < 1:
        assert log_capital(values, high)[-1] == pytest.approx(-math.log(risk), abs=1e-6)
    assert confidence_sequence(-values, risk) == pytest.approx((-high, -low))


def test_the_bounds_cover_the_true_mean_at_all_times_at_once() -> None:
    """A bound misses the true mean when the capital that is bet against it has ever grown to 1 / risk."""
    values = np.random.default_rng(7).choice([-1.0, 0.0, 1.0], size=(4000, 100), p=[0.3, 0.5, 0.2])
    for seen, mean in ((values, -0.1), (-values, 0.1)):
        missed = (log_capital(seen, mean) >= -math.log(0.1)).any(axis=1)
        assert 0.01 < missed.mean() <= 0.1


@settings(max_examples=50)
@given(st.integers(1, 5), st.integers(1, 12), st.data())
def test_who_leads_on_a_task_is_decided_before_it(rivals: int, tasks: int, data: st.DataObject) -> None:
    rows = [data.draw(st.lists(scores, min_size=tasks, max_size=tasks)) for _ in range(rivals)]
    matrix = np.array(rows)
    found = incumbents(matrix)
    for t in range(tasks):
        weights = [math.exp(sum(row[:t])) for row in rows]
        expected = sum(w * row[t] for w, row in zip(weights, rows, strict=True)) / sum(weights)
        assert found[t] == pytest.approx(expected)


def test_a_rival_that_was_dropped_no_longer_leads() -> None:
    nan = math.nan
    matrix = np.array([[1.0, 1.0, nan, nan], [0.0, 0.0, 1.0, 0.0]])
    assert incumbents(matrix) == pytest.approx([0.5, math.e / (1 + math.e), 1.0, 0.0])
