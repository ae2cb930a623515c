"""Intervals and paired tests for scores between 0 and 1; standard library only, deterministic.

Scores that are all 0 or 1 get the exact or near-exact methods for proportions, others Student's t and a
sign-flip test.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

Z95 = 1.959963984540054
"""97.5% quantile of the standard normal distribution."""
SIGNIFICANCE = 0.05
"""A p-value below this is called a difference."""

_EXACT_FLIPS = 30
_RANDOM_FLIPS = 20_000
_TIE = 1e-9  # sums of differences that are this close are the same sum in another order of addition


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95% interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Paired:
    """Two programs compared on the same tasks; the difference is the first mean minus the second."""

    n: int
    """Shared tasks."""
    first: float
    second: float
    difference: float
    low: float
    """Lower end of the 95% interval of the difference."""
    high: float
    p: float
    """Two-sided p value for "no difference"."""
    wins: int
    """Tasks on which the first scored higher."""
    losses: int
    test: Literal["exact McNemar", "sign flip"]


def wilson(successes: int, n: int) -> Interval:
    """Return the 95% score interval of a proportion.

    E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA
    22:209-212. Without continuity correction, as recommended by Brown, Cai, DasGupta (2001), Statistical
    Science 16:101-133.

    Raises:
        ValueError: Not 0 <= successes <= n, or n is 0.
    """
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"expected 0 <= successes <= n and n > 0, got {successes} of {n}")
    p, z2 = successes / n, Z95 * Z95
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(p, low, high)


def mean_interval(scores: Sequence[float]) -> Interval:
    """Return the mean and its 95% interval: Wilson's when all are 0 or 1, else Student's t within 0 to 1.

    Raises:
        ValueError: There is no score.
    """
    return interval_from_sums(len(scores), math.fsum(scores), math.fsum(s * s for s in scores))


def interval_from_sums(n: int, total: float, squares: float) -> Interval:
    """Return :func:`mean_interval` of scores of which only number, sum and sum of squares are known.

    Scores between 0 and 1 are all 0 or 1 exactly when the two sums are equal. A single fractional score says
    nothing of its spread: its interval is 0 to 1.
    """
    if squares == total:
        return wilson(round(total), n)
    mean = total / n
    if n == 1:
        return Interval(mean, 0.0, 1.0)
    variance = max(0.0, (squares - total * mean) / (n - 1))
    half = student_t(n - 1) * math.sqrt(variance / n)
    return Interval(mean, max(0.0, mean - half), min(1.0, mean + half))


@cache
def student_t(freedom: int) -> float:
    """Return the 97.5% quantile of Student's t with ``freedom`` (a whole number) degrees of freedom.

    Bisects the closed form of the distribution for whole degrees of freedom: Abramowitz and Stegun (1964),
    26.7.3-4.
    """
    if freedom < 1:
        raise ValueError(f"expected at least one degree of freedom, got {freedom}")
    low, high = Z95, 12.8  # the quantiles for infinitely many degrees and (above) for one
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _inside_t(middle, freedom) < 0.95 else (low, middle)
    return (low + high) / 2


def _inside_t(t: float, freedom: int) -> float:
    """Return P(-t < T < t)."""
    angle = math.atan2(t, math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term, total = (cosine, cosine) if odd else (1.0, 1.0)
    if freedom == 1:
        total = 0.0
    for k in range(2 + odd, freedom - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def pareto(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Return for each (score, cost) whether no other has as much score for less cost, or more for as much."""
    front: set[tuple[float, float]] = set()
    best = -math.inf
    for cost, less in sorted((cost, -score) for score, cost in points):
        if -less > best:
            best = -less
            front.add((best, cost))
    return [point in front for point in points]


def pass_at_k(n: int, right: int, k: int) -> float:
    """Return the probability that at least one of ``k`` samples, drawn without replacement from ``n``, is right.

    The unbiased estimate of pass@k: Chen et al. (2021), Evaluating Large Language Models Trained on Code, arXiv
    2107.03374.

    Raises:
        ValueError: Not 0 <= right <= n, or not 1 <= k <= n.
    """
    if not (0 <= right <= n and 1 <= k <= n):
        raise ValueError(f"expected 0 <= right <= n and 1 <= k <= n, got {right} right of {n}, k = {k}")
    return 1 - math.comb(n - right, k) / math.comb(n, k)


def best_of_k(scores: Sequence[float], right: Sequence[float], k: int) -> float:
    """Return how right the best-scored of ``k`` samples, drawn without replacement, is on average; exact.

    Each sample is weighted by the share of draws in which it comes first. Singhi et al. (2025), When To Solve,
    When To Verify, arXiv 2504.01005, shuffle equal scores a hundred times; here they share their places evenly,
    which is what shuffling tends to.

    Raises:
        ValueError: Scores and rights are not of the same samples, or not 1 <= k <= their number.
    """
    n = len(scores)
    if n != len(right) or not 1 <= k <= n:
        raise ValueError(f"expected 1 <= k <= samples, got {n} scores, {len(right)} rights, k = {k}")
    places: dict[float, list[float]] = {}
    for score, worth in sorted(zip(scores, right, strict=True), key=itemgetter(0), reverse=True):
        places.setdefault(score, []).append(worth)
    total, place = Fraction(0), 0
    for worths in places.values():
        # Draws whose best falls into this tie: those without any better sample, less those without the tie too.
        draws = math.comb(n - place, k) - math.comb(n - place - len(worths), k)
        total += draws * Fraction(math.fsum(worths)) / len(worths)
        place += len(worths)
    return float(total / math.comb(n, k))


def mcnemar(wins: int, losses: int) -> float:
    """Return the two-sided exact p value of ``wins`` against ``losses`` where two programs differ.

    Q. McNemar (1947), Psychometrika 12:153-157, in its exact form: under no difference each such task is a
    fair coin.
    """
    n, extreme = wins + losses, min(wins, losses)
    tail = term = 1
    for k in range(extreme):
        term = term * (n - k) // (k + 1)  # n over k + 1
        tail += term
    return min(1.0, float(Fraction(2 * tail, 2**n)))


def sign_flip(differences: Sequence[float]) -> float:
    """Return the two-sided p value of Fisher's randomisation test on paired differences.

    Under no difference each sign is a fair coin; p is the share of sign patterns whose sum is at least as far
    from 0 as the one observed (R. A. Fisher (1935), The Design of Experiments, section 21). Exact for up to
    30 differences that are not 0; beyond that 20,000 patterns drawn with a fixed seed, and (k + 1) / (N + 1)
    as in Phipson and Smyth (2010), Statistical Applications in Genetics and Molecular Biology 9:39, so that p
    is never 0.
    """
    moved = [d for d in differences if d]
    observed = abs(math.fsum(moved)) - _TIE
    if observed <= 0:
        return 1.0
    if len(moved) > _EXACT_FLIPS:
        return (1 + _random_flips(moved, observed)) / (_RANDOM_FLIPS + 1)
    half = len(moved) // 2
    first, second = _flips(moved[:half]), sorted(_flips(moved[half:]))
    beyond = sum(
        len(second) - bisect_left(second, observed - a) + bisect_right(second, -observed - a) for a in first
    )
    return beyond / (len(first) * len(second))


def _flips(differences: Sequence[float]) -> list[float]:
    """Return the sum under every pattern of signs."""
    sums = [0.0]
    for d in differences:
        sums = [s + d for s in sums] + [s - d for s in sums]
    return sums


def _random_flips(differences: Sequence[float], observed: float) -> int:
    """Count random sign patterns that reach ``observed`` either way; eight signs a table look-up."""
    tables = [_flips(differences[i : i + 8]) for i in range(0, len(differences), 8)]
    draw = random.Random(0).randbytes  # noqa: S311
    count = 0
    for _ in range(_RANDOM_FLIPS):
        total = sum(table[byte % len(table)] for table, byte in zip(tables, draw(len(tables)), strict=True))
        count += abs(total) >= observed
    return count


def paired(first: Sequence[float], second: Sequence[float]) -> Paired:
    """Compare two programs by their scores on the same tasks, in the same order.

    All scores 0 or 1: exact McNemar test, and Newcombe's interval for a paired difference (R. G. Newcombe
    (1998), Statistics in Medicine 17:2635-2650, method 10: score intervals combined, with his correction of
    phi). Otherwise: sign-flip test, and Student's t interval of the differences, within -1 to 1.

    Raises:
        ValueError: The two have different lengths, or no task.
    """
    n = len(first)
    if n != len(second) or n == 0:
        raise ValueError(f"expected scores of the same tasks, got {n} and {len(second)}")
    differences = [a - b for a, b in zip(first, second, strict=True)]
    wins, losses = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    mean_a, mean_b = math.fsum(first) / n, math.fsum(second) / n
    difference = math.fsum(differences) / n
    if all(s in (0, 1) for s in (*first, *second)):
        both = sum(a == b == 1 for a, b in zip(first, second, strict=True))
        low, high = newcombe(both, wins, losses, n - both - wins - losses)
        return Paired(
            n, mean_a, mean_b, difference, low, high, mcnemar(wins, losses), wins, losses, "exact McNemar"
        )
    low, high = _t_interval(differences)
    return Paired(n, mean_a, mean_b, difference, low, high, sign_flip(differences), wins, losses, "sign flip")


def _t_interval(differences: Sequence[float]) -> tuple[float, float]:
    n = len(differences)
    if n == 1:
        return -1.0, 1.0
    mean = math.fsum(differences) / n
    variance = math.fsum((d - mean) ** 2 for d in differences) / (n - 1)
    half = student_t(n - 1) * math.sqrt(variance / n)
    return max(-1.0, mean - half), min(1.0, mean + half)


def newcombe(both: int, first_only: int, second_only: int, neither: int) -> tuple[float, float]:
    """Return the 95% interval of the difference of two paired proportions: Newcombe (1998), method 10.

    The arguments count the tasks that both programs solved, only the first, only the second, and neither.
    """
    n = both + first_only + second_only + neither
    a, b = wilson(both + first_only, n), wilson(both + second_only, n)
    phi = _phi(both, first_only, second_only, neither)
    difference = (first_only - second_only) / n
    down = _distance(a.mean - a.low, b.high - b.mean, phi)
    up = _distance(a.high - a.mean, b.mean - b.low, phi)
    return difference - down, difference + up


def _distance(x: float, y: float, phi: float) -> float:
    return math.sqrt(max(0.0, x * x - 2 * phi * x * y + y * y))


def _phi(both: int, first_only: int, second_only: int, neither: int) -> float:
    """Return the correlation of two paired proportions, a positive one reduced by half a task."""
    margins = (both + first_only) * (second_only + neither) * (both + second_only) * (first_only + neither)
    if margins == 0:
        return 0.0
    cross = both * neither - first_only * second_only
    n = both + first_only + second_only + neither
    corrected = cross if cross <= 0 else max(cross - n / 2, 0)
    return corrected / math.sqrt(margins)
