"""The tree-structured Parzen estimator over a space of designs, by Optuna (Akiba et al. 2019, arXiv 1907.10902)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meta_agent.composition.space import Choices, Space, Value, made, walk
from meta_agent.errors import UserError

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence


class TPE:
    """Tries the design whose single choices are likelier among the good ones so far than among the others.

    Bergstra et al. (2011), Algorithms for Hyper-Parameter Optimization. It takes more evaluations than the
    regression where choices add up, and assumes less.

    Raises:
        UserError: Optuna is not installed.
    """

    def __init__(self, space: Space) -> None:
        try:
            import optuna
        except ImportError:
            raise UserError(
                'this search needs Optuna: pip install "meta-agent-search[tune]", or use composition instead'
            ) from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.space = space
        self._optuna: Any = optuna
        self._trials: list[Any] = []

    def ask(self, rng: random.Random) -> Choices:
        """Return the choices of the next design to try."""
        study = self._optuna.create_study(
            direction="maximize", sampler=self._optuna.samplers.TPESampler(seed=rng.getrandbits(32))
        )
        study.add_trials(self._trials)
        trial = study.ask()
        return walk(
            self.space, lambda name, options: trial.suggest_categorical(_parameter(name, options), options)
        )[0]

    def tell(self, choices: Choices, reward: float) -> None:
        """Note what a design was worth.

        Raises:
            ValueError: the space has no such design.
        """
        offered: dict[str, Sequence[Value]] = {}
        old = made(choices)

        def pick(name: str, options: Sequence[Value]) -> Value:
            offered[name] = options
            return old(name, options)

        taken = walk(self.space, pick)[0]
        self._trials.append(
            self._optuna.trial.create_trial(
                params={_parameter(name, offered[name]): value for name, value in taken.items()},
                distributions={
                    _parameter(name, options): self._optuna.distributions.CategoricalDistribution(options)
                    for name, options in offered.items()
                },
                value=reward,
            )
        )


def _parameter(name: str, options: Sequence[Value]) -> str:
    """Return Optuna's name of a choice: to Optuna the same name always has the same options."""
    return f"{name}: {', '.join(map(str, options))}"
