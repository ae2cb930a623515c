from __future__ import annotations

import random
from statistics import median

import pytest

from meta_agent.composition import MCTS, SMBO, TPE, at_random, made, walk
from meta_agent.composition.mcts import Node
from tests.meta_agent.composition.toy import CHOICES, OPTIONS, RandomSearch, evaluations, reward, space

# Recipe 4.3: median evaluations until the best of 729 designs is hit, 40 seeds: 515 at random, 219 and 34 by the two.
WITHIN = 1.2


def test_random_search_needs_its_half_life() -> None:
    counts = [evaluations(RandomSearch(space), seed) for seed in range(200)]
    assert 515 / WITHIN < median(counts) < 515 * WITHIN


def test_tree_search_reaches_the_optimum() -> None:
    assert median(evaluations(MCTS(space), seed) for seed in range(100)) <= 219 * WITHIN


def test_the_regression_reaches_the_optimum() -> None:
    assert median(evaluations(SMBO(space), seed) for seed in range(40)) <= 34 * WITHIN


def test_optuna_reaches_the_optimum() -> None:
    assert median(evaluations(TPE(space), seed) for seed in range(9)) <= 100


def test_visits_add_up() -> None:
    search, rng, worth = MCTS(space), random.Random(1), reward(1)
    for _ in range(300):
        choices = search.ask(rng)
        search.tell(choices, worth(choices))
    assert search.root.visits == sum(child.visits for child in search.root.children.values()) == 300
    nodes = list(search.root.children.values())
    while nodes:
        node = nodes.pop()
        assert node.visits == 1 + sum(child.visits for child in node.children.values())
        nodes += node.children.values()


def test_an_exhausted_space_was_seen_whole() -> None:
    def small(choose: object) -> str:
        return f"{choose('a', (0, 1))}{choose('b', (0, 1, 2))}"  # type: ignore[operator]

    search, rng, seen = MCTS(small), random.Random(0), set()
    for _ in range(60):
        if search.root.exhausted:
            break
        choices, text = walk(small, made(search.ask(rng)))
        seen.add(text)
        search.tell(choices, 0.5)
    assert search.root.exhausted
    assert len(seen) == 6


def test_telling_a_design_that_was_not_asked_for() -> None:
    search = MCTS(space)
    search.tell({f"x{i}": 0 for i in range(CHOICES)}, 1.0)
    assert (search.root.visits, search.root.children[0].total) == (1, 1.0)
    assert search.root.children[0] == Node(1, 1.0)
    with pytest.raises(ValueError, match="x0: expected one of"):
        search.tell({"x0": OPTIONS}, 1.0)


def test_untried_options_come_first_and_then_the_better_one() -> None:
    search, rng = MCTS(space), random.Random(0)
    first = set()
    for _ in range(OPTIONS):
        choices = search.ask(rng)
        first.add(choices["x0"])
        search.tell(choices, float(choices["x0"] == 2))
    assert first == set(range(OPTIONS))
    assert search.ask(rng)["x0"] == 2


def test_the_regression_knows_an_additive_reward() -> None:
    search, rng, worth = SMBO(space), random.Random(0), reward(3)
    for _ in range(40):
        choices = walk(space, at_random(rng))[0]
        search.tell(choices, worth(choices))
    unseen = [walk(space, at_random(rng))[0] for _ in range(20)]
    assert search.expected(unseen) == pytest.approx([worth(choices) for choices in unseen], abs=1e-3)


def test_the_regression_asks_for_what_it_does_not_know() -> None:
    search, rng, worth = SMBO(space), random.Random(0), reward(0)
    asked = []
    for _ in range(30):
        asked.append(search.ask(rng))
        search.tell(asked[-1], worth(asked[-1]))
    assert all(asked.count(choices) == 1 for choices in asked)
