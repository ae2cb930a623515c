"""Whether a new model takes the place of the old one: only if it wins, paired, on a sealed set, with fresh seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from archive.statistics import SIGNIFICANCE, Paired, paired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meta_agent.learning.sampling import Drawn


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate decided, and on what."""

    round: int
    old: str
    new: str
    seed: int
    """Of the draws of both, used for nothing before."""
    decision: Literal["promoted", "rolled back"]
    difference: Paired
    """New less old, a task at a time."""


def decide(
    number: int, seed: int, old: str, new: str, before: Sequence[Drawn], after: Sequence[Drawn]
) -> Decision:
    """Promote the new model when its mean is higher and chance explains that in less than 5% of cases.

    Raises:
        ValueError: the two were not measured on the same tasks with as many draws.
    """
    if [(d.domain, d.task.id, len(d.rights)) for d in before] != [
        (d.domain, d.task.id, len(d.rights)) for d in after
    ]:
        raise ValueError("both models must be measured on the same tasks, with as many draws")
    difference = paired([d.score for d in after], [d.score for d in before])
    wins = difference.difference > 0 and difference.p < SIGNIFICANCE
    return Decision(number, old, new, seed, "promoted" if wins else "rolled back", difference)
