"""Where self-consistency and generative verification cross, computed exactly for a solver and a verifier that are known.

One right and one wrong answer, solutions right with probability ``p``, verdicts "yes" with probability ``tpr`` on a right
solution and ``fpr`` on a wrong one: recipe of Singhi et al. 2025, arXiv 2504.01005.
"""

from __future__ import annotations

from itertools import accumulate, product
from math import comb
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.meta_agent.agents.conftest import Stage

BUDGET, RATIO = 8, 0.5


def binomial(n: int, p: float) -> list[float]:
    return [comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


def majority(solutions: int, p: float) -> float:
    """Return the accuracy of the majority; a tie is worth one half."""
    return sum(
        w * ((2 * right > solutions) + (2 * right == solutions) / 2)
        for right, w in enumerate(binomial(solutions, p))
    )


def verified(solutions: int, verdicts: int, p: float, tpr: float, fpr: float) -> float:
    """Return the accuracy of the solution with most "yes", drawn among those that tie."""
    yes, no = binomial(verdicts, tpr), binomial(verdicts, fpr)
    below_yes, below_no = ([0.0, *accumulate(mass)] for mass in (yes, no))
    accuracy = 0.0
    for right, weight in enumerate(binomial(solutions, p)):
        wrong = solutions - right
        for most, a, b in product(range(verdicts + 1), range(1, right + 1), range(wrong + 1)):
            best = comb(right, a) * yes[most] ** a * below_yes[most] ** (right - a)
            best *= comb(wrong, b) * no[most] ** b * below_no[most] ** (wrong - b)
            accuracy += weight * best * a / (a + b)
    return accuracy


def best_verified(budget: int, p: float, tpr: float, fpr: float) -> float:
    return max(
        verified(s, v, p, tpr, fpr)
        for s in range(1, budget + 1)
        for v in range(1, 2 * budget + 1)
        if s * (1 + v) <= budget
    )


def enumerated(solutions: int, verdicts: int, p: float, tpr: float, fpr: float) -> float:
    """Return what :func:`verified` returns, by going through every outcome."""
    accuracy = 0.0
    one = [
        (right, sum(said), (p if right else 1 - p) * _chance(said, tpr if right else fpr))
        for right in (True, False)
        for said in product((True, False), repeat=verdicts)
    ]
    for outcome in product(one, repeat=solutions):
        most = max(said for _, said, _ in outcome)
        top = [right for right, said, _ in outcome if said == most]
        weight = 1.0
        for _, _, chance in outcome:
            weight *= chance
        accuracy += weight * sum(top) / len(top)
    return accuracy


def _chance(said: tuple[bool, ...], yes: float) -> float:
    chance = 1.0
    for word in said:
        chance *= yes if word else 1 - yes
    return chance


@pytest.mark.parametrize(("solutions", "verdicts"), [(1, 2), (2, 2), (3, 1), (3, 2)])
def test_the_formula_is_the_enumeration(solutions: int, verdicts: int) -> None:
    assert verified(solutions, verdicts, 0.4, 0.8, 0.3) == pytest.approx(
        enumerated(solutions, verdicts, 0.4, 0.8, 0.3)
    )


def test_the_curves_cross_once_in_the_budget() -> None:
    ahead = [best_verified(budget, 0.6, 0.65, 0.4) > majority(budget, 0.6) for budget in (4, 8, 16, 32, 64)]
    assert ahead == [True, False, False, False, False]  # verification leads where a majority cannot form yet
    assert all(
        best_verified(budget, 0.45, 0.65, 0.4) > majority(budget, 0.45) for budget in (4, 8, 16, 32, 64)
    )


def test_the_agents_plan_is_on_the_right_side_of_the_crossing(play: Stage) -> None:
    """Two that agree among three are likely where solutions are mostly right, and then the majority is ahead."""
    solutions, verdicts = play.helper("solve_or_verify", "plan_budget", BUDGET, RATIO, False)
    assert play.helper("solve_or_verify", "plan_budget", BUDGET, RATIO, True) == [BUDGET, 0]
    gain = {
        p: verified(solutions, verdicts, p, 0.6, 0.5) - majority(BUDGET, p) for p in (0.3, 0.45, 0.6, 0.7)
    }
    assert gain[0.3] > 0.1
    assert gain[0.45] > 0
    assert gain[0.6] < 0
    assert gain[0.7] < -0.1
