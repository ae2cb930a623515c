"""Texts that say the same: equal ones, and near ones by their runs of five words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

RUN = 5
ALIKE = 0.7
"""Jaccard similarity from which a text is a near duplicate, as SelfCodeAlign takes it for code."""

_WORD = re.compile(r"\w+|[^\w\s]")


class Seen:
    """Remembers texts by group (a task, say) and tells whether a new one repeats an older one of its group.

    Similarities are exact; within a group of some hundred texts no sketch (MinHash) is needed.
    """

    def __init__(self, alike: float = ALIKE) -> None:
        self.alike = alike
        self._groups: dict[str, list[frozenset[tuple[str, ...]]]] = {}

    def repeats(self, group: str, text: str) -> bool:
        """Tell whether the text is a near duplicate of one of its group; if not, remember it."""
        said = frozenset(runs(_WORD.findall(text), RUN))
        known = self._groups.setdefault(group, [])
        if any(len(said & other) >= self.alike * len(said | other) for other in known):
            return True
        known.append(said)
        return False


def runs(words: Sequence[str], n: int) -> set[tuple[str, ...]]:
    """Return all runs of ``n`` words; of fewer words the one run of all."""
    n = min(n, len(words))
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}
