"""The stand-in gives what numpy gives, wherever numpy is there to ask."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meta_agent.adas_compat import arrays

numbers = st.lists(st.integers(-9, 9), min_size=2, max_size=6)
EXPRESSIONS = (
    "np.array(a) + 1", "2 * np.array(a) - np.array(a)", "-np.array(a)", "np.array(a) / 4", "np.array(a) ** 2",
    "np.array(a) > 0", "np.array(a) == np.array(a)[0]", "1 - np.array(a)", "np.array(a)[1:]", "np.array(a)[[0, 1]]",
    "np.array(a)[np.array(a) > 0]", "np.array([a, a]).T", "np.array([a, a])[:, 0]", "np.array([a, a])[1, 1]",
    "np.array([a, a]).shape", "np.array([a, a]).ndim", "np.array([a, a]).size", "np.array([a, a]).flatten()",
    "np.array([a, a]).mean(axis=0)", "np.array([a, a]).sum(axis=1)", "np.array([a, a]).sum(0)", "np.array(a).astype(float)",
    "np.sum(a)", "np.prod(a)", "np.mean(a)", "np.median(a)", "np.var(a)", "np.std(a)", "np.min(a)", "np.max(a)",
    "np.argmax(a)", "np.argmin(a)", "np.argsort(np.array(a) + np.arange(len(a)) / 100)", "np.sort(a)", "np.unique(a)",
    "np.cumsum(a)", "np.dot(a, a)", "np.clip(a, -2, 2)", "np.abs(a)", "np.exp(a)", "np.sqrt(np.abs(a))",
    "np.round(np.array(a) / 7, 2)", "np.floor(np.array(a) / 2)", "np.maximum(a, 0)", "np.minimum(a, a[::-1])",
    "np.where(np.array(a) > 0, a, 0)", "np.where(np.array(a) > 0)[0]", "np.concatenate([a, a])", "np.zeros(3)",
    "np.zeros((2, 2))", "np.ones(2, dtype=int)", "np.full(2, 7)", "np.arange(4)", "np.arange(1, 9, 3)", "np.arange(2, 0)",
    "np.linspace(0, 1, 5)", "np.array_equal(a, a)", "np.any(np.array(a) > 8)", "np.all(np.array(a) < 99)",
    "float(np.mean([]) if len(a) > 99 else np.pi)", "np.array([a, a]).tolist()", "list(np.array(a).copy())",
)  # fmt: skip


def plain(value: Any) -> Any:
    """Return numbers and lists of numbers, whatever module they are from."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def alike(a: Any, b: Any) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(alike, a, b))
    return bool(a == pytest.approx(b))


@pytest.mark.parametrize("expression", EXPRESSIONS)
@settings(max_examples=15, deadline=None)
@given(values=numbers)
def test_the_same_as_numpy(expression: str, values: list[int]) -> None:
    numpy = pytest.importorskip("numpy")
    expected, found = (plain(eval(expression, {"np": np, "a": values})) for np in (numpy, arrays))
    assert alike(found, expected), (found, expected)


def test_changes_in_place() -> None:
    table = arrays.zeros(3)
    table[1] += 2
    table += 1
    assert table.tolist() == [1.0, 3.0, 1.0]
    grid = arrays.zeros((2, 2), dtype=int)
    grid[0, 1] = 5
    assert grid.tolist() == [[0, 5], [0, 0]]


def test_lengths_must_fit() -> None:
    with pytest.raises(ValueError, match="could not be broadcast"):
        arrays.array([1, 2]) + arrays.array([1, 2, 3])


def test_what_is_drawn() -> None:
    draw = arrays.random
    draw.seed(0)
    assert sorted(draw.permutation(5)) == [0, 1, 2, 3, 4]
    assert sorted(draw.choice([3, 1, 2], size=3, replace=False)) == [1, 2, 3]
    assert draw.choice(["a", "b"], p=[0.0, 1.0]) == "b"
    assert draw.choice(2, size=2, replace=False, p=[1.0, 0.0])[0] == 0
    assert 0 <= draw.randint(3) < 3
    assert 3 <= draw.randint(3, 5) < 5
    assert arrays.array(draw.rand(2, 3)).shape == (2, 3)
    assert all(0 <= x < 1 for x in draw.random(10))
    mean = arrays.mean(draw.normal(5, 1, 4000))
    assert mean == pytest.approx(5, abs=0.1)
    random.seed()


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(AttributeError, match="fft"):
        arrays.fft  # type: ignore[attr-defined]  # noqa: B018
