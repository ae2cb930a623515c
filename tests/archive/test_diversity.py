from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.diversity import (
    behaviour_classes,
    behaviour_entropy,
    distinct_n,
    mean_distance,
    profile,
    syntax,
    token_similarity,
    vendi_score,
)

WORDS = ["alpha", "beta", "gamma", "delta"]


@pytest.mark.parametrize("n", [1, 2, 7])
def test_vendi_of_items_all_alike_and_all_different(n: int) -> None:
    assert vendi_score(np.ones((n, n))) == pytest.approx(1)
    assert vendi_score(np.eye(n)) == pytest.approx(n)
    assert vendi_score(token_similarity(["same words"] * n)) == pytest.approx(1)
    assert vendi_score(token_similarity([f"word{i}" for i in range(n)])) == pytest.approx(n)


def test_vendi_between_two_items() -> None:
    """Eigenvalues (1 + s) / 2 and (1 - s) / 2; the score is the exponential of their entropy."""
    for s in (0.1, 0.5, 0.9):
        high, low = (1 + s) / 2, (1 - s) / 2
        expected = math.exp(-high * math.log(high) - low * math.log(low))
        assert vendi_score([[1, s], [s, 1]]) == pytest.approx(expected)


def test_vendi_counts_classes_by_their_sizes() -> None:
    """Items of unlike classes: the exponential of the entropy of class sizes."""
    texts = ["alpha"] * 3 + ["beta"]
    assert vendi_score(token_similarity(texts)) == pytest.approx(4 / 27**0.25)


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join), min_size=1, max_size=8))
def test_vendi_lies_between_one_and_the_number_of_items(texts: list[str]) -> None:
    score = vendi_score(token_similarity(texts))
    assert 1 - 1e-9 <= score <= len(set(texts)) + 1e-9
    assert vendi_score(token_similarity(texts * 2)) == pytest.approx(score)


@pytest.mark.parametrize("matrix", [[], [[1, 0]], [[2, 0], [0, 1]]])
def test_vendi_wants_a_similarity(matrix: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="square matrix"):
        vendi_score(matrix)


def test_distinct_n() -> None:
    assert distinct_n(["a b a", "b a"], 1) == 2 / 5
    assert distinct_n(["a b a", "b a"], 2) == 2 / 3
    assert distinct_n(["a", "b"], 2) == 0
    identical, different = ["f(x) + 1"] * 5, [f"f{i} g{i}" for i in range(5)]
    assert distinct_n(identical, 1) == 6 / 30  # as few as there can be
    assert distinct_n(different, 1) == 1


@pytest.mark.parametrize(
    ("source", "branching"),
    [
        ("x = 1", 1),
        ("if a:\n    b\nelif c:\n    d\nelse:\n    e", 3),
        ("for x in y:\n    while x and y or z:\n        pass", 5),
        ("[a for a in b if a if b]", 4),
        ("try:\n    a\nexcept ValueError:\n    b\nexcept KeyError:\n    c\nfinally:\n    d", 3),
        ("match a:\n    case 1:\n        b\n    case _:\n        c", 3),
        ("assert a if b else c", 3),
        ("def f():\n    async def g():\n        async for a in b: pass", 2),
    ],
)
def test_cyclomatic_complexity(source: str, branching: int) -> None:
    size = syntax(source)
    assert size is not None
    assert size[1] == branching


def test_syntax_counts_nodes_and_leaves_other_texts_alone() -> None:
    assert syntax("x") == (4, 1)  # module, expression, name, load
    for text in ("the answer is 4", "x = '\0'", "(" * 5000, "-" * 100_000 + "1"):
        assert syntax(text) is None


def test_a_filter_buys_quality_with_diversity() -> None:
    texts = ["return a + b", "return b + a", "return a - b", "return a * b", "return a + b", "if a: return b"]
    outcomes = [[1, 1], [1, 1], [0, 1], [0, 0], [1, 1], [0, 0]]
    whole = profile(texts, outcomes)
    kept = [i for i, row in enumerate(outcomes) if all(row)]
    verified = profile([texts[i] for i in kept], [outcomes[i] for i in kept])
    assert (whole.verified, verified.verified) == (0.5, 1.0)
    assert verified.difficulty == 0 < whole.difficulty == pytest.approx(5 / 12)
    assert (verified.behaviours, whole.behaviours) == (1, 3)
    assert verified.vendi < whole.vendi
    assert (verified.duplicates, whole.duplicates) == (pytest.approx(1 / 3), pytest.approx(1 / 6))


@given(st.data(), st.integers(1, 8))
def test_a_subset_has_no_more_behaviours(data: st.DataObject, n: int) -> None:
    row = st.lists(st.integers(0, 1), min_size=3, max_size=3)
    outcomes = data.draw(st.lists(row, min_size=n, max_size=n))
    kept = data.draw(st.sets(st.integers(0, n - 1)))
    assert behaviour_classes([outcomes[i] for i in kept]) <= behaviour_classes(outcomes)


def test_profile_of_texts_that_are_no_programs() -> None:
    told = profile(["the answer is 4", "it is 5, I think"], [[1.0], [0.0]], verified=[False, False])
    assert (told.nodes, told.branching, told.verified, told.n, told.tokens) == (None, None, 0.0, 2, 5)
    with pytest.raises(ValueError, match="expected outcomes of each text"):
        profile(["a"], [])
    with pytest.raises(ValueError, match="expected outcomes of each text"):
        profile(["a"], [[]])


def test_entropy_and_distance_of_behaviours() -> None:
    alike, halves, all_unlike = [[1, 0]] * 4, [[1, 0]] * 2 + [[0, 1]] * 2, [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert [behaviour_entropy(rows) for rows in (alike, halves, all_unlike)] == pytest.approx([0, 1, 2])
    assert mean_distance(alike) == 0
    assert mean_distance(halves) == pytest.approx(4 / 6)  # 4 of 6 pairs differ in both columns
    assert mean_distance(all_unlike) == pytest.approx((2 * 1 + 4 * 0.5) / 6)
    assert mean_distance([[1.0]]) == mean_distance([[], []]) == 0
