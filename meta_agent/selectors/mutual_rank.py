"""CodeDPO's mutual ranking: good candidates pass good tests, good tests are passed by good candidates."""

from __future__ import annotations

import numpy as np

from meta_agent.selectors.evidence import Choice, Evidence, consensus_sets


def mutual_rank(evidence: Evidence, damping: float = 0.85, rounds: int = 10) -> Choice:
    """Prefer the candidate with the highest credit after ``rounds`` of exchange with the tests.

    Zhang et al. 2024, CodeDPO: Aligning Code Models with Self Generated and Verified Source Code, arXiv
    2410.05605. All start with credit 1; in each round everybody keeps ``1 - damping`` of its credit and gets
    ``damping`` times that of its partners. One round ranks by passed tests; infinitely many rank by the principal
    left singular vector of the pass matrix. The best candidate's score is 1.
    """
    sets = consensus_sets(evidence.passed, evidence.ran)
    code, tests = np.ones(len(sets.sizes)), np.ones(sets.rows.shape[1])
    for _ in range(rounds):
        code, tests = (
            (1 - damping) * code + damping * sets.rows @ tests,
            (1 - damping) * tests + damping * (sets.sizes * code) @ sets.rows,
        )
        most = code.max(initial=0.0) or 1.0
        code, tests = code / most, tests / most
    return sets.choice(code)
