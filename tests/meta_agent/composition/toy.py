"""The additive toy of the comparisons: six choices of three options, each worth a number drawn uniformly."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from meta_agent.composition import at_random, walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from meta_agent.composition import Choices, Space
    from meta_agent.composition.space import Choose

CHOICES, OPTIONS = 6, 3


def space(choose: Choose) -> str:
    return "".join(str(choose(f"x{i}", range(OPTIONS))) for i in range(CHOICES))


def reward(seed: int) -> Callable[[Choices], float]:
    """Return the mean worth of what was chosen; one design is the best of all."""
    rng = random.Random(f"worth/{seed}")
    worth = {(f"x{i}", option): rng.random() for i in range(CHOICES) for option in range(OPTIONS)}
    return lambda choices: sum(worth[choice] for choice in choices.items()) / CHOICES


class RandomSearch:
    """The control: any design, again and again."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def ask(self, rng: random.Random) -> Choices:
        return walk(self.space, at_random(rng))[0]

    def tell(self, choices: Choices, reward: float) -> None:
        pass


def evaluations(search: object, seed: int, most: int = 5000) -> int:
    """Return after how many evaluations a search hits the best design."""
    worth, rng = reward(seed), random.Random(f"search/{seed}")
    best = max(sum(max(worth({f"x{i}": option}) for option in range(OPTIONS)) for i in range(CHOICES)), 0.0)
    for count in range(1, most + 1):
        choices = search.ask(rng)  # type: ignore[attr-defined]
        value = worth(choices)
        if value >= best - 1e-12:
            return count
        search.tell(choices, value)  # type: ignore[attr-defined]
    return most
