"""B4: the optimal choice when the tests are themselves only plausible."""

from __future__ import annotations

import math

import numpy as np

from meta_agent.selectors.evidence import Choice, Evidence, Floats, consensus_sets

_log_gamma = np.frompyfunc(math.lgamma, 1, 1)


def b4(evidence: Evidence, beta: float = 1e4, alpha: float = 1e3) -> Choice:
    """Prefer the candidates that are most probably right, given which of them passes which test.

    Chen et al. 2024, B4: Towards Optimal Assessment of Plausible Code Solutions with Plausible Tests, arXiv
    2409.08692. The model: a right candidate passes a test exactly when the test is right; a wrong one passes a
    right test with a probability of which nothing is known, and a wrong test with one drawn from Beta(1, ``beta``),
    a small one. The shares of right candidates and of right tests are drawn from Beta(``alpha``, 1). The score of
    a consensus set is the logarithm of the probability, up to a constant, that this set is the right candidates
    and the tests it passes are the right tests.

    The defaults are the authors'. On CodeGen-16B samples for HumanEval an ``alpha`` of 100 did a little better.
    """
    n, m = evidence.ran.sum(), evidence.passed.shape[1]
    sets = consensus_sets(evidence.passed, evidence.ran)
    others = n - sets.sizes
    passes = sets.rows.sum(axis=1)
    # The candidates outside a set, on the tests that the set passes and on those that it fails.
    on_passed = sets.rows @ (sets.sizes @ sets.rows) - sets.sizes * passes
    on_failed = sets.sizes @ passes - sets.sizes * passes - on_passed
    return sets.choice(
        _log_marginal(passes, m, alpha, 1)
        + _log_marginal(sets.sizes, n, alpha, 1)
        + _log_marginal(on_passed, others * passes, 1, 1)
        + _log_marginal(on_failed, others * (m - passes), 1, beta)
    )


def _log_marginal(successes: Floats, trials: Floats | float, a: float, b: float) -> Floats:
    """Return the log of the Beta function at ``(successes + a, failures + b)``.

    That is the probability of the trials when that of a success is drawn from Beta(a, b), up to a constant.
    """
    terms = (
        _log_gamma(successes + a)
        + _log_gamma(trials - successes + b)
        - _log_gamma(trials + np.float64(a + b))
    )
    return np.asarray(terms, float)
