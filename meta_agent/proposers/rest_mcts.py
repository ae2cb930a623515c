"""The values of ReST-MCTS* (Zhang et al. 2024, arXiv 2406.03816), for a tree whose nodes are programs.

There a node is a partial solution whose quality a value model guesses; here it is a program whose score was measured,
an edge is an edit, and what a roll-out would show is shown by the programs below.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from meta_agent.learning.tree_values import step_value

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

EXPLORATION = 0.7
LOOKAHEAD = 0.5
BRANCHES = 3
ROOT = ""
"""The node above all programs without a parent; it is no program itself."""


class Tree:
    """Who was made from whom, and what each is worth.

    Args:
        scores: node -> score from 0 to 1, parents before their children.
        parents: node -> the node that it was made from; one that is not in ``scores`` stands for :data:`ROOT`.
    """

    def __init__(self, scores: Mapping[str, float], parents: Mapping[str, str]) -> None:
        self.scores = dict(scores)
        self.parents: dict[str, str] = {}
        self.children: dict[str, list[str]] = {ROOT: []}
        for node in self.scores:
            parent = parents[node] if parents[node] in self.children else ROOT
            self.parents[node] = parent
            self.children[parent].append(node)
            self.children[node] = []

    def add(self, node: str, parent: str, score: float) -> None:
        """Put a new node under another one."""
        self.scores[node], self.parents[node], self.children[node] = score, parent, []
        self.children[parent].append(node)

    def visits(self) -> dict[str, int]:
        """Return how many programs each node and those below it are; the root itself is none."""
        count = dict.fromkeys(self.children, 0)
        for node in reversed(self.scores):
            count[node] += 1
            count[self.parents[node]] += count[node]
        return count

    def values(self) -> dict[str, float]:
        """Return V of each node.

        A node's own value is moved half way (:data:`LOOKAHEAD`) to the best score below it, as after a roll-out; then
        V is the mean of it and of the V of the children, weighted by visits.
        """
        visits = self.visits()
        best, sums = dict(self.scores), dict.fromkeys(self.children, 0.0)
        values = {}
        for node in reversed(self.scores):
            own = (1 - LOOKAHEAD) * self.scores[node] + LOOKAHEAD * best[node]
            values[node] = (own + sums[node]) / visits[node]
            parent = self.parents[node]
            sums[parent] += visits[node] * values[node]
            best[parent] = max(best.get(parent, 0.0), best[node])
        return values

    def select(self, barred: Collection[str] = ()) -> str:
        """Return the node to expand next: down by V + c sqrt(2 ln n_parent / n_child) to one with room for a child.

        ``barred`` nodes get no child; when nothing else is left, the answer is the best of all.
        """
        visits, values = self.visits(), self.values()

        def room(node: str) -> bool:
            return node not in barred and len(self.children[node]) < BRANCHES

        open_below: dict[str, bool] = dict.fromkeys(self.children, False)
        for node in reversed(self.scores):
            open_below[node] |= room(node)
            open_below[self.parents[node]] |= open_below[node]
        if not open_below[ROOT]:
            return max(self.scores, key=lambda node: self.scores[node])
        node = ROOT
        while node == ROOT or not room(node):
            bonus = 2 * math.log(visits[node])
            node = max(
                (child for child in self.children[node] if open_below[child]),
                key=lambda child: values[child] + EXPLORATION * math.sqrt(bonus / visits[child]),
            )
        return node

    def targets(self, ends: Collection[str]) -> dict[str, float]:
        """Return the process value of each node, given the right ends: 0 at the root, 1 at an end that is reached.

        Each step moves it by a part of what is left to 1, as :func:`~meta_agent.learning.tree_values.step_value` says.
        """
        steps = self._steps(ends)
        targets, left = {ROOT: 0.0}, {ROOT: steps.get(ROOT, 0)}
        for node, parent in self.parents.items():
            right = node in steps
            left[node] = steps[node] if right else left[parent]
            targets[node] = step_value(targets[parent], left[node], right=right)
        return targets

    def _steps(self, ends: Collection[str]) -> dict[str, int]:
        """Return the steps to the nearest right end at or below each node that leads to one."""
        steps = dict.fromkeys(ends, 0)
        for node in reversed(self.scores):
            if node in steps:
                parent = self.parents[node]
                steps[parent] = min(steps.get(parent, steps[node] + 1), steps[node] + 1)
        return steps
