from __future__ import annotations

import random

import pytest

from meta_agent.proposers.rest_mcts import BRANCHES, ROOT, Tree


def chain(length: int) -> Tree:
    return Tree(
        {f"n{i}": 0.5 for i in range(length)}, {f"n{i}": f"n{i - 1}" if i else ROOT for i in range(length)}
    )


def random_tree(seed: int) -> Tree:
    rng = random.Random(seed)
    nodes = [f"n{i}" for i in range(rng.randint(1, 40))]
    parents = {node: rng.choice([ROOT, *nodes[:i]]) for i, node in enumerate(nodes)}
    return Tree({node: rng.random() for node in nodes}, parents)


def test_process_values_of_a_straight_right_path() -> None:
    targets = chain(4).targets({"n3"})
    assert [targets[f"n{i}"] for i in range(4)] == [0.25, 0.5, 0.75, 1.0]


def test_process_value_of_a_wrong_sibling() -> None:
    tree = chain(4)
    tree.add("wrong", "n1", 0.5)
    assert tree.targets({"n3"})["wrong"] == pytest.approx(1 / 3)
    tree.add("further", "wrong", 0.5)
    assert tree.targets({"n3"})["further"] == pytest.approx(1 / 3 - (2 / 3) / 3)


def test_process_values_are_between_0_and_1() -> None:
    for seed in range(200):
        tree = random_tree(seed)
        ends = set(random.Random(seed).sample(sorted(tree.scores), k=min(2, len(tree.scores))))
        targets = tree.targets(ends)
        assert targets[ROOT] == 0
        assert all(0 <= target <= 1 for target in targets.values())
        first = next(iter(ends))
        assert targets[first] == pytest.approx(1) or any(_leads(tree, first, end) for end in ends - {first})


def _leads(tree: Tree, node: str, end: str) -> bool:
    """Whether a node is above or below another right end, where the nearest end decides."""

    def above(one: str) -> set[str]:
        return {one, *(above(tree.parents[one]) if tree.parents[one] != ROOT else ())}

    return node in above(end) or end in above(node)


def test_without_a_right_end_nothing_has_a_process_value() -> None:
    assert set(chain(3).targets(set()).values()) == {0.0}


def test_visits_and_values() -> None:
    tree = Tree({"a": 0.4, "b": 0.2, "c": 0.8, "d": 0.6}, {"a": ROOT, "b": ROOT, "c": "a", "d": "c"})
    assert tree.visits() == {ROOT: 4, "a": 3, "b": 1, "c": 2, "d": 1}
    values = tree.values()
    assert values["b"] == pytest.approx(0.2)
    assert values["d"] == pytest.approx(0.6)
    assert values["c"] == pytest.approx((0.8 + 0.6) / 2)
    assert values["a"] == pytest.approx(((0.4 + 0.8) / 2 + 2 * values["c"]) / 3)


def test_values_by_brute_force() -> None:
    for seed in range(50):
        tree = random_tree(seed)
        values, visits = tree.values(), tree.visits()

        def below(node: str, tree: Tree = tree) -> list[str]:
            return [node, *(lower for child in tree.children[node] for lower in below(child))]

        for node, score in tree.scores.items():
            lower = below(node)
            assert visits[node] == len(lower)
            own = (score + max(tree.scores[other] for other in lower)) / 2
            children = sum(visits[child] * values[child] for child in tree.children[node])
            assert values[node] == pytest.approx((own + children) / len(lower))


def test_selection_fills_a_node_before_it_goes_below() -> None:
    tree = Tree({"a": 0.5}, {"a": ROOT})
    for n in range(BRANCHES):
        assert tree.select() == "a"
        tree.add(f"child {n}", "a", 0.9 if n == 1 else 0.1)
    assert tree.select() == "child 1"


def test_a_barred_node_is_passed_by() -> None:
    tree = Tree({"a": 0.9, "b": 0.1}, {"a": ROOT, "b": ROOT})
    assert tree.select() == "a"
    assert tree.select({"a"}) == "b"
    assert tree.select({"a", "b"}) == "a"


def test_a_good_branch_is_visited_most_and_no_branch_never() -> None:
    tree = Tree({"good": 0.8, "bad": 0.2}, {"good": ROOT, "bad": ROOT})
    for n in range(60):
        node = tree.select()
        tree.add(f"n{n}", node, tree.scores[node])
    visits = tree.visits()
    assert visits["good"] > 2 * visits["bad"] > 2
