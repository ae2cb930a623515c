"""Majority vote, and most-tests-passed with the majority as tie-break."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


def majority(keys: Sequence[Hashable]) -> int:
    """Return the index of the first candidate whose key is the most frequent one; ties go to the earliest.

    A key of None never wins unless every key is None (a candidate that crashed has no behaviour).

    Source: self-consistency, Wang et al. 2022, arXiv 2203.11171.
    """
    counts = Counter(key for key in keys if key is not None)
    if not counts:
        return 0
    return max(range(len(keys)), key=lambda i: (counts[keys[i]] if keys[i] is not None else 0, -i))


def most_passed(passed: Sequence[float], keys: Sequence[Hashable]) -> int:
    """Return the index of the candidate with the highest pass share; among equals, the majority's behaviour."""
    best = max(passed)
    tied = [i for i, share in enumerate(passed) if share == best]
    return tied[majority([keys[i] for i in tied])]
