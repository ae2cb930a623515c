"""A domain made of tasks and of what their answers are compared with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from domains.domain import DomainError, Score, SplitName, Task
from domains.guard import impossible, shown
from domains.scoring import STOPPED, Target, scorer_digest
from domains.splits import Pool, deal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sandboxes import Json, Sandbox


@dataclass(frozen=True, slots=True)
class Item:
    """A task and its hidden half."""

    task: Task
    target: Target


class Benchmark:
    """A :class:`~domains.domain.Domain` over a fixed collection of items.

    Args:
        name: as :func:`~domains.load_domain` takes it.
        description: two or three sentences for the meta agent.
        items: all tasks with their hidden halves, at least one.
        splits: ids of the tasks of each split.
        version: digest of the data; by default of what the items ask and compare with, in any order.
        key: canonical text of an answer; that of the first item's target by default.
        parameters: whatever else decides a mark, beside :mod:`domains.scoring`.

    """

    def __init__(
        self,
        name: str,
        description: str,
        items: Iterable[Item],
        splits: Mapping[SplitName, Sequence[str]],
        *,
        version: str = "",
        key: Callable[[Json], str] | None = None,
        parameters: Sequence[object] = (),
    ) -> None:
        by_id = {item.task.id: item for item in items}
        self.name = name
        self.description = description
        self.version = version or _digest(by_id)
        self.scorer = scorer_digest(*parameters)
        self._tasks = {split: tuple(by_id[task].task for task in ids) for split, ids in splits.items()}
        self._targets = {task: item.target for task, item in by_id.items()}
        self._marks: dict[tuple[str, bytes], Score] = {}
        self._key = key or next(iter(self._targets.values())).key

    def tasks(self, split: SplitName) -> tuple[Task, ...]:
        """Return the tasks of a split, in their fixed order; the splits are pairwise disjoint."""
        return self._tasks[split]

    def score(self, task: Task, answer: Json, sandbox: Sandbox) -> Score:
        """Mark an answer; never raises for a bad answer, whatever its type.

        The same text again gets the same mark without being executed, unless a limit ended it.
        """
        if not isinstance(answer, str):
            return self._targets[task.id].mark(answer, sandbox)
        seen = task.id, hashlib.sha256(answer.encode("utf-8", "surrogatepass")).digest()
        known = self._marks.get(seen)
        if known is not None:
            return replace(known, cpu_s=0.0)
        score = self._targets[task.id].mark(answer, sandbox)
        if score.reason not in STOPPED:
            self._marks[seen] = score
        return score

    def key(self, answer: Json) -> str:
        """Return a canonical text of an answer, equal for answers that mean the same (used for voting)."""
        return self._key(answer)

    def shown(self, task: Task, sandbox: Sandbox) -> bool:
        """Return whether the agent is shown all that its answer is compared with."""
        return shown(task, self._targets[task.id], sandbox)

    def canary(self, task: Task, answer: Json, sandbox: Sandbox) -> Score:
        """Mark an answer by what no answer can meet: more than 0 means that marking was cheated."""
        target = impossible(self._targets[task.id])
        return target.mark(answer, sandbox) if target else Score(0.0, "no canary for tasks of this kind")


def from_pools(
    name: str,
    description: str,
    pools: Sequence[tuple[Mapping[SplitName, int], Sequence[Item]]],
    *,
    sizes: Mapping[SplitName, int] | None,
    seed: int,
    key: Callable[[Json], str] | None = None,
) -> Benchmark:
    """Make a benchmark of items that :func:`domains.splits.deal` hands out.

    Args:
        name: as for :class:`Benchmark`.
        description: as for :class:`Benchmark`.
        pools: the relative sizes of the parts of a pool, and its items; a split belongs to one pool.
        sizes: tasks wanted per split.
        seed: decides the order of the tasks.
        key: as for :class:`Benchmark`.

    Raises:
        DomainError: sizes that cannot be had.

    """
    items = [item for _, pool in pools for item in pool]
    try:
        splits = deal([Pool([item.task.id for item in pool], shares) for shares, pool in pools], sizes, seed)
    except DomainError as error:
        raise DomainError(f"{name}: {error}") from None
    return Benchmark(name, description, items, splits, key=key)


def _digest(items: Mapping[str, Item]) -> str:
    content = [[items[task].task.public(), asdict(items[task].target)] for task in sorted(items)]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
