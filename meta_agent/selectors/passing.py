"""Selectors that count passed tests and candidates that pass the same ones."""

from __future__ import annotations

import numpy as np

from meta_agent.selectors.evidence import Choice, Evidence, consensus_sets


def max_pass(evidence: Evidence) -> Choice:
    """Prefer the candidate that passes most tests."""
    counts = evidence.passed.sum(axis=1).astype(float)
    return Choice(np.where(evidence.ran, counts, -np.inf))


def biggest_set(evidence: Evidence) -> Choice:
    """Prefer the largest group of candidates that pass the same tests, whether many or none.

    The comparison that B4's authors (arXiv 2409.08692) call MBR-exec; that of its own paper compares outputs,
    see :func:`meta_agent.selectors.mbr_exec`.
    """
    sets = consensus_sets(evidence.passed, evidence.ran)
    return sets.choice(sets.sizes)


def codet(evidence: Evidence) -> Choice:
    """Prefer many candidates that pass the same many tests: the root of their number times the tests they pass.

    CodeT, Chen et al. 2022, arXiv 2207.10397. A candidate that passes no test is not chosen.
    """
    sets = consensus_sets(evidence.passed, evidence.ran)
    passes = sets.rows.sum(axis=1)
    # Root of the product, not product with the root: 8 x 3 tests and 2 x 6 tests are then one number.
    return sets.choice(np.where(passes > 0, np.sqrt(sets.sizes * passes**2), -np.inf))
