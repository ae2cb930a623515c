"""Selectors by agreement of outputs: what candidates return on shared inputs, without an expected value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from meta_agent.selectors.evidence import Choice, Evidence, Floats, consensus_sets

if TYPE_CHECKING:
    import numpy.typing as npt

CRASH = -100.0
"""Functional consensus: for each input on which a candidate returns nothing."""
BROKEN = -10_000.0
"""Functional consensus: once, for failing any trusted test."""


def majority(evidence: Evidence) -> Choice:
    """Prefer the behaviour, over all inputs, that most candidates share; one that never returns has none.

    Self-consistency, Wang et al. 2022, arXiv 2203.11171.
    """
    sets = consensus_sets(evidence.outputs, evidence.outputs.max(axis=1, initial=-1) >= 0)
    return sets.choice(sets.sizes)


def mbr_exec(evidence: Evidence, log_likelihood: npt.ArrayLike | None = None) -> Choice:
    """Prefer the candidate whose value on the first input most candidates share, then the likelier one.

    MBR-exec, Shi et al. 2022, arXiv 2204.11454, which executes one call. ``log_likelihood`` holds one number a
    candidate (default: all alike). The whole part of a score is the number of candidates that agree.
    """
    if not evidence.outputs.shape[1]:
        return Choice(np.full(len(evidence.ran), -np.inf))
    agreeing = _agreeing(evidence)[:, 0]
    if log_likelihood is None:
        return Choice(agreeing)
    rank = np.unique(np.asarray(log_likelihood), return_inverse=True)[1]
    return Choice(agreeing + rank / len(agreeing))


def functional_consensus(evidence: Evidence) -> Choice:
    """Prefer the candidate that agrees most often with the others, input by input, and fails least.

    FunCoder, Chen et al. 2024, arXiv 2405.20092.
    """
    returned = evidence.outputs >= 0
    scores = np.where(returned, _agreeing(evidence) - 1, CRASH).sum(axis=1)
    broken = ~evidence.passed[:, evidence.trusted].all(axis=1)
    return Choice(scores + BROKEN * broken)


def _agreeing(evidence: Evidence) -> Floats:
    """Count, for each candidate and input, the candidates with the same value, itself included; 0 without one."""
    counts = np.zeros(evidence.outputs.shape)
    for column, values in zip(counts.T, evidence.outputs.T, strict=True):
        returned = values >= 0
        column[returned] = np.bincount(values[returned])[values[returned]]
    return counts
