"""A domain made of tasks and of what their answers are compared with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from domains.domain import DomainError, Score, SplitName, Task
from domains.scoring import Target, scorer_digest
from domains.splits import Pool, split
from sandboxes import Json, Sandbox


@dataclass(frozen=True, slots=True)
class Item:
    """A task and its hidden half."""

    task: Task
    target: Target


class Benchmark:
    """A :class:`~domains.domain.Domain` over fixed lists of items.

    Args:
        name: as :func:`~domains.load_domain` takes it.
        description: two or three sentences for the meta agent.
        pools: items, and the shares in which the splits divide them; see :mod:`domains.splits`.
        key: canonical text of an answer; that of the first item's target by default.
        sizes: tasks wanted per split.
        seed: decides the order of the tasks.
        parameters: whatever else decides a mark, beside :mod:`domains.scoring`.

    Raises:
        DomainError: sizes that cannot be had.

    """

    def __init__(
        self,
        name: str,
        description: str,
        pools: Sequence[tuple[Mapping[SplitName, int], Sequence[Item]]],
        *,
        sizes: Mapping[SplitName, int] | None,
        seed: int,
        key: Callable[[Json], str] | None = None,
        parameters: Sequence[object] = (),
    ) -> None:
        items = {item.task.id: item for _, pool in pools for item in pool}
        try:
            ids = split([Pool([item.task.id for item in pool], shares) for shares, pool in pools], sizes, seed)
        except DomainError as error:
            raise DomainError(f"{name}: {error}") from None
        self.name = name
        self.description = description
        self.version = _digest(items.values())
        self.scorer = scorer_digest(*parameters)
        self._tasks = {split_name: tuple(items[task].task for task in chosen) for split_name, chosen in ids.items()}
        self._targets = {task: item.target for task, item in items.items()}
        self._key = key or next(iter(self._targets.values())).key

    def tasks(self, split: SplitName) -> tuple[Task, ...]:
        """Return the tasks of a split, in their fixed order; the splits are pairwise disjoint."""
        return self._tasks[split]

    def score(self, task: Task, answer: Json, sandbox: Sandbox) -> Score:
        """Mark an answer; never raises for a bad answer, whatever its type."""
        return self._targets[task.id].mark(answer, sandbox)

    def key(self, answer: Json) -> str:
        """Return a canonical text of an answer, equal for answers that mean the same (used for voting)."""
        return self._key(answer)


def _digest(items: Iterable[Item]) -> str:
    """Digest what is asked and what it is compared with: the same from whatever place the data came."""
    content = [[item.task.public(), asdict(item.target)] for item in items]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
