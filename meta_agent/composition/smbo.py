"""Sequential model-based optimisation over a space of designs (DeepArchitect, arXiv 1704.08792)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from meta_agent.composition.space import Choices, Space, Value, at_random, walk

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    import numpy.typing as npt


class SMBO:
    """Draws designs at random and tries the one that a ridge regression on single choices expects most of.

    Args:
        epsilon: how often the next design is any of those drawn instead; also as long as nothing was told.
        samples: designs drawn for each that is tried.
        ridge: penalty; the variance of the noise in a reward over the variance of what one choice adds to it.
    """

    def __init__(
        self, space: Space, *, epsilon: float = 0.1, samples: int = 256, ridge: float = 1e-5
    ) -> None:
        self.space = space
        self.epsilon = epsilon
        self.samples = samples
        self.ridge = ridge
        self._told: list[tuple[Choices, float]] = []

    def ask(self, rng: random.Random) -> Choices:
        """Return the choices of the next design to try: a new one, unless all that were drawn are old."""
        explore = not self._told or rng.random() < self.epsilon
        drawn = [walk(self.space, at_random(rng))[0] for _ in range(self.samples)]
        known = [choices for choices, _ in self._told]
        new = [choices for choices in drawn if choices not in known] or drawn
        return new[0] if explore else new[int(np.argmax(self.expected(new)))]

    def tell(self, choices: Choices, reward: float) -> None:
        """Note what a design was worth."""
        self._told.append((choices, reward))

    def expected(self, designs: Sequence[Choices]) -> npt.NDArray[np.float64]:
        """Return the reward that the regression expects of each design, from what was told so far."""
        features = sorted(
            {feature for choices, _ in self._told for feature in choices.items()},
            key=lambda f: (f[0], str(f[1])),
        )
        column = {feature: i for i, feature in enumerate(features)}
        seen = _one_hot([choices for choices, _ in self._told], column)
        rewards = np.array([reward for _, reward in self._told])
        gram = seen @ seen.T + self.ridge * np.eye(len(rewards))
        weights = seen.T @ np.linalg.solve(gram, rewards - rewards.mean())
        return np.asarray(rewards.mean() + _one_hot(designs, column) @ weights)


def _one_hot(designs: Sequence[Choices], column: dict[tuple[str, Value], int]) -> npt.NDArray[np.float64]:
    rows = np.zeros((len(designs), len(column)))
    for row, choices in zip(rows, designs, strict=True):
        row[[column[feature] for feature in choices.items() if feature in column]] = 1
    return rows
