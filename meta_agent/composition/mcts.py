"""Monte Carlo tree search over a space of designs (DeepArchitect, Negrinho and Gordon 2017, arXiv 1704.08792)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from meta_agent.composition.space import Choices, Space, Value, made, walk

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence


@dataclass
class Node:
    """A state of the walk: what was chosen so far."""

    visits: int = 0
    total: float = 0.0
    """Sum of the rewards of all designs below that were told."""
    children: dict[Value, Node] = field(default_factory=dict)
    """By the option taken here; only options that were tried."""
    exhausted: bool = False
    """Everything below was told: there is nothing left to look for."""


class MCTS:
    """Walks down by UCT, expands one node, goes on at random, and credits the nodes on the way.

    UCT is mean + c sqrt(2 ln n_parent / n_child); an option that was never tried comes first. Branches of which every
    design was told are left out, which the paper does not do: a design's reward does not change.

    Args:
        c: weight of exploration, for rewards between 0 and 1. The paper's 1 suits rewards that fill that range; scores
            of programs differ by less.
    """

    def __init__(self, space: Space, c: float = 0.5) -> None:
        self.space = space
        self.c = c
        self.root = Node()

    def ask(self, rng: random.Random) -> Choices:
        """Return the choices of the next design to try."""
        node: Node | None = self.root

        def pick(_name: str, options: Sequence[Value]) -> Value:
            nonlocal node
            if node is None:
                return rng.choice(options)
            value = self._best(node, options, rng)
            node = node.children.get(value)
            return value

        return walk(self.space, pick)[0]

    def tell(self, choices: Choices, reward: float) -> None:
        """Credit a design to the nodes on its way, and add the first one that is not in the tree yet.

        Raises:
            ValueError: the space has no such design.
        """
        path, counts, old = [self.root], list[int](), made(choices)

        def pick(name: str, options: Sequence[Value]) -> Value:
            value = old(name, options)
            counts.append(len(options))
            if len(path) == len(counts) and (child := path[-1].children.get(value)):
                path.append(child)
            return value

        values = list(walk(self.space, pick)[0].values())
        if len(path) <= len(values):
            path[-1].children[values[len(path) - 1]] = child = Node()
            path.append(child)
        for node in path:
            node.visits += 1
            node.total += reward
        for depth, node in reversed(list(enumerate(path))):
            below = list(node.children.values())
            node.exhausted = depth == len(values) or (
                len(below) == counts[depth] and all(child.exhausted for child in below)
            )

    def _best(self, node: Node, options: Sequence[Value], rng: random.Random) -> Value:
        if untried := [option for option in options if option not in node.children]:
            return rng.choice(untried)
        open_ones = [option for option in options if not node.children[option].exhausted] or options

        def uct(option: Value) -> float:
            child = node.children[option]
            return child.total / child.visits + self.c * math.sqrt(2 * math.log(node.visits) / child.visits)

        highest = max(uct(option) for option in open_ones)
        return rng.choice([option for option in open_ones if uct(option) == highest])
