"""What is right and what is wrong when the host compares values, against Python's own ``==``."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandboxes import Call, Exchange, cases, guest

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
HASHABLE = st.recursive(
    SCALARS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=6
)
VALUES = st.recursive(
    HASHABLE,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(HASHABLE, inner, max_size=3)
        | st.sets(HASHABLE, max_size=4)
    ),
    max_leaves=12,
)


def answered(value: object) -> object:
    return json.loads(json.dumps({"value": guest.encode(value)}))


@given(VALUES)
def test_a_value_equals_itself(value):
    assert cases.call_failure(Call((), value), answered(value)) == ""


@given(VALUES, VALUES)
def test_it_agrees_with_python(one, other):
    assert (cases.call_failure(Call((), one), answered(other)) == "") is (one == other)


ALIKE = st.sampled_from(
    [0, 1, True, False, 1.0, 0.0, 2, "1", b"1", bytearray(b"1"), 2**70, float(2**70), 10**400, None]
)
ALIKE_HASHABLE = ALIKE.filter(lambda value: not isinstance(value, bytearray))
CONFUSING = st.recursive(
    ALIKE,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.sets(ALIKE_HASHABLE, max_size=3)
        | st.frozensets(st.frozensets(ALIKE_HASHABLE, max_size=2) | ALIKE_HASHABLE, max_size=3)
        | st.dictionaries(ALIKE_HASHABLE, inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=6,
)


@given(CONFUSING, CONFUSING)
def test_it_agrees_with_python_on_what_is_easily_confused(one, other):
    assert (cases.call_failure(Call((), one), answered(other)) == "") is (one == other)


@pytest.mark.parametrize(
    ("expected", "answer", "equal"),
    [
        (1, 1.0, True), (1, True, True), ((1, 2), [1, 2], False), ({2, 1}, {1, 2}, True),
        ({"b": 1, "a": [2]}, {"a": [2], "b": 1}, True), ({"a": 1}, {"a": 2}, False), ("1", 1, False), ([], None, False),
        (1 << 70, 1 << 70, True), (1 << 70, 1, False), (b"a", "a", False), (0.1 + 0.2, 0.3, False),
        (float("inf"), float("inf"), True), ([[1]], [[1], []], False),
    ],
)  # fmt: skip
def test_values(expected, answer, equal):
    assert (cases.call_failure(Call((), expected), answered(answer)) == "") is equal


def test_a_tolerance_holds_at_every_depth():
    call = Call((), {"a": [0.3, (1.0, "x")]}, tolerance=1e-6)
    assert cases.call_failure(call, answered({"a": [0.1 + 0.2, (1 + 1e-9, "x")]})) == ""
    assert cases.call_failure(call, answered({"a": [0.30001, (1.0, "x")]})) != ""
    assert cases.call_failure(Call((), True, tolerance=0.5), answered(0.9)) != ""


FORGED = [
    None, 1, "value", [], {}, {"value": {}}, {"value": {"set": 1}}, {"value": {"dict": [1]}}, {"value": {"dict": [[1]]}},
    {"value": {"a": 1, "b": 2}}, {"raised": None}, {"raised": [5]}, {"value": {"set": [[1]]}}, {"value": {"tuple": {}}},
]  # fmt: skip


@pytest.mark.parametrize("answer", FORGED)
@pytest.mark.parametrize("expected", [{1}, {1: 2}, (1,), frozenset({1}), [1], 1, None])
def test_forged_answers_are_wrong_and_nothing_breaks(answer, expected):
    assert cases.call_failure(Call((), expected), answer)


def test_tests_that_are_data():
    tests = ["assert f(1, -2.5, [{'a': (1,)}]) == {1, 2}", "assert f() == None"]
    assert cases.as_calls(tests, "f") == [Call((1, -2.5, [{"a": (1,)}]), {1, 2}), Call((), None)]
    for other in ("assert f(x) == 1", "assert f(1) != 1", "assert f(1) == 1, 'why'", "assert g(1) == 1", "assert f(a=1) == 1",
                  "assert 1 == f(1)", "assert f(*[1]) == 1", "assert f(1) == f(2)", "f(1)", "assert f(1) == 1; f(2)", "(",
                  "assert f(1) == 1 == 1", "assert f(1)", "assert x.f(1) == 1", "assert f(1) == ..."):  # fmt: skip
        assert cases.as_calls([*tests, other], "f") is None, other


def test_outputs():
    assert cases.exchange_failure(Exchange("", "a  \nb\n\n"), "a\nb") == ""
    assert cases.exchange_failure(Exchange("", ""), "\n") == ""
    assert cases.exchange_failure(Exchange("", "a b"), "a  b") != ""
    assert cases.exchange_failure(Exchange("", "a"), "") != ""
