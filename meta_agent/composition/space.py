"""Spaces of designs as trees of choices (DeepArchitect, Negrinho and Gordon 2017, arXiv 1704.08792).

A space is a function that makes its design while it chooses: what was chosen before decides what is asked next, so
that a choice opens new ones. Whoever hands in the chooser decides how the tree is walked: at random, by a search, or
by choices that were made before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    import random

Value = str | int | float
V = TypeVar("V", str, int, float)
Choices = dict[str, Value]
"""What was chosen, by the name of the choice, in the order of the choosing."""


class Choose(Protocol):
    """Takes one of the options of a named choice."""

    def __call__(self, name: str, options: Sequence[V]) -> V:
        """Return one of ``options``; a name is asked at most once on the way to a design."""


Space = Callable[[Choose], str]
"""Makes a design, as text, from what it chooses."""
Pick = Callable[[str, Sequence[Value]], Value]
"""Decides where there is more than one option."""


def walk(space: Space, pick: Pick) -> tuple[Choices, str]:
    """Return the choices that ``pick`` makes on its way through a space, and the design that comes of them.

    Where there is one option only there is no choice: it is taken and not recorded.
    """
    choices: Choices = {}

    def choose(name: str, options: Sequence[V]) -> V:
        if len(options) == 1:
            return options[0]
        value = pick(name, options)
        choices[name] = value
        return options[options.index(value)]

    return choices, space(choose)


def at_random(rng: random.Random) -> Pick:
    """Return a pick of any option, each as likely as the others."""
    return lambda _name, options: rng.choice(options)


def made(choices: Mapping[str, Value]) -> Pick:
    """Return a pick of what was chosen before.

    Raises:
        ValueError: when picking, for a choice that was not made, or whose option does not exist any more.
    """

    def pick(name: str, options: Sequence[Value]) -> Value:
        if choices.get(name) not in options:
            raise ValueError(f"{name}: expected one of {options}, got {choices.get(name)!r}")
        return choices[name]

    return pick
