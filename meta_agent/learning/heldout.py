"""What no model may be trained on: the tasks of every selection and test split, and texts that give them away."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from domains import EVERY, load_domain
from meta_agent.learning.duplicates import runs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from domains import Domain, SplitName, Task

RUN = 10
"""Words in a row that give a held-out prompt away."""
SHORT = 5
"""Words in a row of which prompts are compared; fewer words in an example are nobody's own."""
ALIKE = 0.7
"""Share of runs of five words in common (Jaccard) from which two prompts are one."""

_WORD = re.compile(r"\w+")
_SPLITS: tuple[SplitName, ...] = ("search", "selection", "test")


def whole(name: str, seed: int) -> Domain:
    """Load a domain with every task in the split whose part it belongs to."""
    return load_domain(name, sizes=dict.fromkeys(_SPLITS, EVERY), seed=seed)


class Heldout:
    """The held-out tasks of some domains, by id and by text.

    A text gives a task away when it has ten words in a row of its prompt (or all of a shorter one) or the words of one
    of its examples, unless a search task has them too.
    """

    def __init__(self, domains: Iterable[Domain]) -> None:
        self._tasks: set[tuple[str, str]] = set()
        self._prompts: list[frozenset[tuple[str, ...]]] = []
        marks: set[tuple[str, ...]] = set()
        common: set[tuple[str, ...]] = set()
        for domain in domains:
            for task in domain.tasks("search"):
                common |= _marks(task)
            for split in _SPLITS[1:]:
                for task in domain.tasks(split):
                    marks |= _marks(task)
                    self._tasks.add((domain.name, task.id))
                    self._prompts.append(frozenset(_runs(task.prompt, SHORT)))
        self._marks: dict[int, set[tuple[str, ...]]] = defaultdict(set)
        for mark in marks - common:
            self._marks[len(mark)].add(mark)

    def __len__(self) -> int:
        """Return the number of held-out tasks."""
        return len(self._tasks)

    def holds(self, domain: str, task: Task) -> bool:
        """Tell whether a task is held out, or asks nearly what a held-out one asks."""
        if (domain, task.id) in self._tasks:
            return True
        asked = frozenset(_runs(task.prompt, SHORT))
        return any(len(asked & other) >= ALIKE * len(asked | other) for other in self._prompts)

    def given_away(self, text: str) -> bool:
        """Tell whether a text gives a held-out task away."""
        words = tuple(_WORD.findall(text.lower()))
        return any(
            words[i : i + n] in marks for n, marks in self._marks.items() for i in range(len(words) - n + 1)
        )


def _marks(task: Task) -> set[tuple[str, ...]]:
    examples = {tuple(_WORD.findall(test.lower())) for test in task.visible_tests}
    return _runs(task.prompt, RUN) | {words for words in examples if len(words) >= SHORT}


def _runs(text: str, n: int) -> set[tuple[str, ...]]:
    words = tuple(_WORD.findall(text.lower()))
    return runs(words, n) if words else set()
