from __future__ import annotations

import math

import numpy as np
import pytest

from archive.winrate import minimax, win_rates


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ([[0.5, 0.9, 0.1], [0.1, 0.5, 0.9], [0.9, 0.1, 0.5]], [1 / 3, 1 / 3, 1 / 3]),
        ([[0.5, 0.8, 0.3], [0.2, 0.5, 0.9], [0.7, 0.1, 0.5]], [4 / 9, 2 / 9, 3 / 9]),
        (
            [[0.5, 0.6, 0.7], [0.4, 0.5, 0.8], [0.3, 0.2, 0.5]],
            [1, 0, 0],
        ),  # beats everybody: Condorcet's winner
    ],
)
def test_the_mixture_is_the_equilibrium(rates: list[list[float]], expected: list[float]) -> None:
    weights = minimax(np.array(rates))
    assert weights == pytest.approx(expected, abs=0.01)
    assert (np.array(rates) @ weights).max() <= 0.5 + 0.005  # nobody beats it


def test_copies_of_a_weak_program_do_not_change_who_leads() -> None:
    cycle = np.array([[0.5, 0.9, 0.1], [0.1, 0.5, 0.9], [0.9, 0.1, 0.5]])
    copies = 5
    rates = np.full((3 + copies, 3 + copies), 0.5)
    rates[:3, :3] = cycle
    rates[:3, 3:], rates[3:, :3] = 0.95, 0.05
    weights = minimax(rates)
    assert weights[:3] == pytest.approx([1 / 3] * 3, abs=0.01)


def test_win_rates_count_shared_tasks_and_halve_ties() -> None:
    nan = math.nan
    rates = win_rates(np.array([[1.0, 1.0, 0.0, 0.5], [1.0, 0.0, nan, 0.5], [nan, nan, nan, nan]]))
    assert rates[0, 1] == pytest.approx(2 / 3)
    assert rates[1, 0] == pytest.approx(1 / 3)
    assert rates[0, 2] == rates[2, 0] == rates[0, 0] == 0.5
    assert rates + rates.T == pytest.approx(np.ones((3, 3)))
