from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from meta_agent.composition import at_random, made, walk

if TYPE_CHECKING:
    from meta_agent.composition.space import Choose


def tree(choose: Choose) -> str:
    """One choice opens another; one is none."""
    if choose("animal", ("cat", "bird")) == "bird":
        return f"a bird of {choose('feathers', (1, 2, 3))} feathers"
    return f"a {choose('only', ('black',))} cat"


def test_a_choice_opens_others() -> None:
    seen = {walk(tree, at_random(random.Random(n)))[1] for n in range(60)}
    assert seen == {"a black cat", *(f"a bird of {n} feathers" for n in (1, 2, 3))}


def test_what_was_chosen_makes_the_same_design_again() -> None:
    for n in range(20):
        choices, text = walk(tree, at_random(random.Random(n)))
        assert walk(tree, made(choices)) == (choices, text)
        assert "only" not in choices


def test_what_cannot_be_chosen_is_refused() -> None:
    with pytest.raises(ValueError, match=r"feathers: expected one of \(1, 2, 3\), got 9"):
        walk(tree, made({"animal": "bird", "feathers": 9}))
    with pytest.raises(ValueError, match="animal"):
        walk(tree, made({}))
