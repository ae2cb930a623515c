"""Which lines to suspect, given which tests ran over them and which of those failed."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Mapping

Place = TypeVar("Place", bound="Hashable")


def ochiai(failing: int, passing: int, failed: int) -> float:
    """Return how suspicious a line is, from 0 to 1, that so many failing and passing tests run over.

    ``failed`` counts the failing tests in all; without one nothing is suspicious. Abreu, Zoeteweij, van Gemund
    (2006), An Evaluation of Similarity Coefficients for Software Fault Localization, PRDC 39-46.
    """
    return failing / math.sqrt(failed * (failing + passing)) if failing and failed else 0.0


def suspects(covered: Mapping[str, Collection[Place]], failed: Collection[str]) -> list[tuple[Place, float]]:
    """Return the places that failing tests run over, the most suspicious first, then in their order.

    ``covered`` has the places that each test, by name, runs over: lines, or whole functions; they must be sortable
    together. ``failed`` names the tests that failed.
    """
    failing = Counter(place for test in covered if test in failed for place in set(covered[test]))
    passing = Counter(place for test in covered if test not in failed for place in set(covered[test]))
    total = sum(test in failed for test in covered)
    scored = [(place, ochiai(count, passing[place], total)) for place, count in sorted(failing.items())]
    return sorted(scored, key=lambda suspect: -suspect[1])
