from __future__ import annotations

import math
from itertools import combinations, permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.statistics import (
    Z95,
    best_of_k,
    interval_from_sums,
    mcnemar,
    mean_interval,
    newcombe,
    paired,
    pareto,
    pass_at_k,
    sign_flip,
    student_t,
    wilson,
)

scores = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def rounded(low: float, high: float, digits: int = 4) -> tuple[float, float]:
    return round(low, digits), round(high, digits)


@pytest.mark.parametrize(
    ("successes", "n", "expected"),
    [  # Newcombe (1998), Statistics in Medicine 17:857-872, Table I, method 3
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_wilson_gives_the_published_intervals(successes: int, n: int, expected: tuple[float, float]) -> None:
    interval = wilson(successes, n)
    assert rounded(interval.low, interval.high) == expected


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_inverts_the_score_test(pair: tuple[int, int]) -> None:
    k, n = pair
    interval = wilson(k, n)
    assert 0 <= interval.low <= interval.mean <= interval.high <= 1
    for end in (interval.low, interval.high):
        if 0 < end < 1:
            assert abs(k / n - end) / math.sqrt(end * (1 - end) / n) == pytest.approx(Z95, rel=1e-9)
    mirrored = wilson(n - k, n)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize(("k", "n"), [(0, 0), (-1, 3), (4, 3)])
def test_wilson_refuses_nonsense(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        wilson(k, n)


@pytest.mark.parametrize(
    ("freedom", "expected"),  # any table of Student's t, column 0.975
    [
        (1, 12.706),
        (2, 4.303),
        (3, 3.182),
        (4, 2.776),
        (5, 2.571),
        (10, 2.228),
        (29, 2.045),
        (30, 2.042),
        (120, 1.980),
    ],
)
def test_student_t_gives_the_tabled_quantiles(freedom: int, expected: float) -> None:
    assert student_t(freedom) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("freedom", [1, 2, 3, 6, 7, 25, 60])
def test_student_t_agrees_with_the_integral_of_its_density(freedom: int) -> None:
    quantile, steps = student_t(freedom), 20_000
    constant = math.gamma((freedom + 1) / 2) / (math.sqrt(freedom * math.pi) * math.gamma(freedom / 2))
    width = quantile / steps
    density = [constant * (1 + (i * width) ** 2 / freedom) ** (-(freedom + 1) / 2) for i in range(steps + 1)]
    simpson = width / 3 * (density[0] + density[-1] + 4 * sum(density[1:-1:2]) + 2 * sum(density[2:-1:2]))
    assert simpson == pytest.approx(0.475, abs=1e-7)


def test_student_t_needs_a_degree_of_freedom() -> None:
    with pytest.raises(ValueError, match="freedom"):
        student_t(0)


def test_mean_interval_by_hand() -> None:
    interval = mean_interval([0.2, 0.4, 0.9])  # mean 0.5, variance 0.13, half 4.302653 * sqrt(0.13 / 3)
    assert interval.mean == pytest.approx(0.5)
    assert rounded(interval.low, interval.high) == (0.0, 1.0)
    interval = mean_interval([0.4, 0.5, 0.5, 0.6])  # variance 0.02 / 3, half 3.182446 * sqrt(0.02 / 12)
    assert rounded(interval.low, interval.high) == (0.3701, 0.6299)
    assert mean_interval([1.0, 0.0, 1.0]) == wilson(2, 3)
    assert rounded(mean_interval([0.5]).low, mean_interval([0.5]).high) == (0.0, 1.0)


@given(scores)
def test_mean_interval_holds_the_mean(values: list[float]) -> None:
    interval = mean_interval(values)
    assert 0 <= interval.low <= interval.mean + 1e-12
    assert interval.mean - 1e-12 <= interval.high <= 1
    sums = interval_from_sums(len(values), sum(values), sum(v * v for v in values))
    assert (sums.low, sums.high) == pytest.approx((interval.low, interval.high), abs=1e-6)


def test_mcnemar_gives_a_published_value() -> None:
    # Airway hyper-responsiveness: Fagerland, Lydersen, Laake (2014), Statistics in Medicine 33:2850-2875
    assert mcnemar(1, 7) == pytest.approx(0.0703125)
    low, high = newcombe(both=1, first_only=1, second_only=7, neither=12)
    assert rounded(low, high, 3) == (-0.507, -0.026)


@given(st.integers(0, 11), st.integers(0, 11))
def test_mcnemar_equals_enumeration(wins: int, losses: int) -> None:
    n = wins + losses
    outcomes = [abs(2 * sum(coins) - n) >= abs(wins - losses) for coins in product((0, 1), repeat=min(n, 14))]
    if n <= 14:
        assert mcnemar(wins, losses) == pytest.approx(sum(outcomes) / len(outcomes))
    assert mcnemar(wins, losses) == mcnemar(losses, wins)


def test_mcnemar_stays_finite_for_thousands_of_tasks() -> None:
    assert 0 <= mcnemar(10_000, 20_000) < 1e-100
    assert mcnemar(5000, 5000) == 1.0


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-20, 20), max_size=12))
def test_sign_flip_equals_enumeration(tenths: list[int]) -> None:
    differences = [d / 20 for d in tenths]
    flips = [
        sum(s * d for s, d in zip(signs, tenths, strict=True))
        for signs in product((1, -1), repeat=len(tenths))
    ]
    expected = sum(abs(f) >= abs(sum(tenths)) for f in flips) / len(flips)
    assert sign_flip(differences) == pytest.approx(expected)


def test_sign_flip_of_many_tasks_agrees_with_the_exact_test() -> None:
    assert sign_flip([0.5] * 40 + [-0.5] * 20) == pytest.approx(mcnemar(40, 20), abs=0.003)
    assert sign_flip([0.25] * 33) == pytest.approx(1 / 20_001)
    assert sign_flip([]) == sign_flip([0.0] * 50) == 1.0


def test_newcombe_covers_the_truth_about_95_times_in_100() -> None:
    """All tables of 25 tasks, weighted by their probability: the interval holds the true difference often enough."""
    n = 25
    tables = [
        (both, a, b, n - both - a - b)
        for both in range(n + 1)
        for a in range(n + 1 - both)
        for b in range(n + 1 - both - a)
    ]
    intervals = [newcombe(*table) for table in tables]
    log = [math.lgamma(i + 1) for i in range(n + 1)]
    for truth in ((0.4, 0.2, 0.1, 0.3), (0.25, 0.25, 0.25, 0.25), (0.6, 0.1, 0.1, 0.2)):
        covered = 0.0
        for table, (low, high) in zip(tables, intervals, strict=True):
            if low <= truth[1] - truth[2] <= high:
                weights = sum(k * math.log(p) - log[k] for k, p in zip(table, truth, strict=True))
                covered += math.exp(log[n] + weights)
        assert 0.93 < covered < 0.985


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_newcombe_is_symmetric_and_holds_the_difference(both: int, a: int, b: int, neither: int) -> None:
    if both + a + b + neither == 0:
        return
    low, high = newcombe(both, a, b, neither)
    mirrored = newcombe(both, b, a, neither)
    assert (-mirrored[1], -mirrored[0]) == pytest.approx((low, high))
    assert -1 <= low <= (a - b) / (both + a + b + neither) <= high <= 1


def test_paired_of_solved_and_unsolved() -> None:
    first = [1.0] * 8 + [0.0] * 13
    second = [1.0] * 1 + [0.0] * 7 + [1.0] + [0.0] * 12
    result = paired(first, second)
    assert (result.n, result.wins, result.losses, result.test) == (21, 7, 1, "exact McNemar")
    assert result.p == pytest.approx(0.0703125)
    assert rounded(result.low, result.high, 3) == (0.026, 0.507)
    assert (result.first, result.second) == pytest.approx((8 / 21, 2 / 21))
    assert result.difference == pytest.approx(6 / 21)


def test_paired_of_fractions() -> None:
    result = paired([0.5, 0.75, 1.0], [0.25, 0.25, 0.75])  # differences 1/4, 1/2, 1/4
    assert result.test == "sign flip"
    assert result.p == 0.25
    assert (result.wins, result.losses) == (3, 0)
    half = 4.302653 * math.sqrt(1 / 48 / 3)
    assert (result.low, result.high) == pytest.approx((1 / 3 - half, 1 / 3 + half), abs=1e-6)
    alone = paired([0.5], [0.2])
    assert (alone.low, alone.high, alone.p) == (-1.0, 1.0, 1.0)


@pytest.mark.parametrize(("first", "second"), [([], []), ([1.0], []), ([1.0], [0.0, 1.0])])
def test_paired_refuses_different_tasks(first: list[float], second: list[float]) -> None:
    with pytest.raises(ValueError, match="same tasks"):
        paired(first, second)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20))
def test_paired_turns_round(pairs: list[tuple[float, float]]) -> None:
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    forth, back = paired(a, b), paired(b, a)
    assert forth.p == pytest.approx(back.p)
    assert (forth.low, forth.high) == pytest.approx((-back.high, -back.low))
    assert 0 < forth.p <= 1
    assert forth.low - 1e-9 <= forth.difference <= forth.high + 1e-9


@given(st.lists(st.booleans(), min_size=1, max_size=7), st.integers(1, 7))
def test_pass_at_k_equals_enumeration(right: list[bool], k: int) -> None:
    if k > len(right):
        return
    draws = list(combinations(right, k))
    assert pass_at_k(len(right), sum(right), k) == pytest.approx(sum(map(any, draws)) / len(draws))


def test_pass_at_k_of_many_samples() -> None:
    assert pass_at_k(100_000, 1, 1000) == pytest.approx(0.01)
    assert pass_at_k(5, 0, 5) == 0
    assert pass_at_k(5, 1, 5) == 1


@pytest.mark.parametrize(("n", "right", "k"), [(5, 6, 1), (5, -1, 1), (5, 2, 0), (5, 2, 6), (0, 0, 1)])
def test_pass_at_k_refuses_what_cannot_be(n: int, right: int, k: int) -> None:
    with pytest.raises(ValueError, match="expected 0 <= right <= n"):
        pass_at_k(n, right, k)


def test_best_of_k_of_the_worked_example() -> None:
    assert best_of_k([5, 4, 3, 2, 1], [1, 0, 1, 0, 0], 2) == pytest.approx(0.6)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=5), st.integers(1, 5))
def test_best_of_k_equals_enumeration(samples: list[tuple[int, int]], k: int) -> None:
    """All ways to break the ties, all draws: the mean of the right ones among the best."""
    if k > len(samples):
        return
    worth = [
        max((samples[i][0], order[i], samples[i][1]) for i in draw)[2]
        for order in permutations(range(len(samples)))
        for draw in combinations(range(len(samples)), k)
    ]
    chance = best_of_k([score for score, _ in samples], [right for _, right in samples], k)
    assert chance == pytest.approx(sum(worth) / len(worth))


def test_best_of_k_by_scores_that_know_is_pass_at_k() -> None:
    right = [1, 0, 0, 1, 0, 0, 0, 0]
    for k in range(1, 9):
        assert best_of_k(right, right, k) == pytest.approx(pass_at_k(8, 2, k))
        assert best_of_k([0] * 8, right, k) == pytest.approx(2 / 8)


@pytest.mark.parametrize(
    ("scores", "right", "k"), [([], [], 1), ([1.0], [1], 2), ([1.0], [1], 0), ([1.0], [], 1)]
)
def test_best_of_k_refuses_what_cannot_be(scores: list[float], right: list[float], k: int) -> None:
    with pytest.raises(ValueError, match="expected 1 <= k <= samples"):
        best_of_k(scores, right, k)


points = st.tuples(st.sampled_from([0.1, 0.2, 0.3]), st.sampled_from([1.0, 2.0, 3.0]))


@given(st.lists(points, min_size=1, max_size=8))
def test_the_front_is_what_no_other_beats(found: list[tuple[float, float]]) -> None:
    front = pareto(found)
    assert any(front)
    for (score, cost), on_it in zip(found, front, strict=True):
        beaten = [(s, c) for s, c in found if (s > score and c <= cost) or (s == score and c < cost)]
        assert on_it == (not beaten)
