"""Docstring examples of many shapes become assert lines."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.examples import visible_tests


def examples_of(docstring: str, parameters: str = "x") -> tuple[str, ...]:
    return visible_tests(f'def f({parameters}):\n    """{docstring}\n    """\n', "f")


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        (">>> f(1)\n    2", ("assert f(1) == 2",)),
        (">>> f(1)\n    [1,\n     2]", ("assert f(1) == [1, 2]",)),
        (">>> f([])\n\n    >>> f([1])\n    1", ("assert f([]) is None", "assert f([1]) == 1")),
        (">>> f(1) == 2", ("assert f(1) == 2",)),
        (">>> round(f([1, 2]), 2) # near\n    -0.5", ("assert round(f([1, 2]), 2) == -0.5",)),
        (">>> g(1)\n    2", ()),
        (">>> f(open('x'))\n    2", ()),
        ("f(1) == 2\n    f(2) == 3", ("assert f(1) == 2", "assert f(2) == 3")),
        ("f('a') = 'b'", ("assert f('a') == 'b'",)),
        ("f(1) => 2", ("assert f(1) == 2",)),
        ("f(1) ==> 2", ("assert f(1) == 2",)),
        ("f(1) -> 2", ("assert f(1) == 2",)),
        ("f(1) ➞ 2", ("assert f(1) == 2",)),
        ("f(1)  # => 2 (because)", ("assert f(1) == 2",)),
        ("f(1)   # returns 'two'", ("assert f(1) == 'two'",)),
        ("f(1) returns 2 # a remark", ("assert f(1) == 2",)),
        ("f(1) should return 16.", ("assert f(1) == 16",)),
        (
            "f('1') should\n    return 15 and f('-1') should return -15.",
            ("assert f('1') == 15", "assert f('-1') == -15"),
        ),
        ("f(3, 4) => true", ("assert f(3, 4) == True",)),
        ("f('5', 19) ->19 - 5 - 6 = 8", ("assert f('5', 19) == 8",)),
        ("f(1) == 1 + 9 = 10", ("assert f(1) == 10",)),
        ("f([\n      [1,2],\n    ], 1) == [(0, 0)]", ("assert f([[1, 2]], 1) == [(0, 0)]",)),
        ("f('a)b') == ')'", ("assert f('a)b') == ')'",)),
        ("Input: [4,2]\n    Output: [2, 1]", ("assert f([4, 2]) == [2, 1]",)),
        ("For x = 5 the output should be 6", ("assert f(5) == 6",)),
        ('For x = 5, the sum will be 1 the output should be "1".', ("assert f(5) == '1'",)),
        ("f(a) => 2", ()),
        ("f(1) == g(2)", ()),
        ("f(1) == 2 + 3", ()),
        ('f(1) == ""aaa"', ()),
        ("f(1) == 2nd", ()),
        ("call f() that returns the 2nd", ()),
        ("f(1) == 1\n    f(n) == f(n-1) + 1\n    Example:\n    f(3) == 3", ("assert f(3) == 3",)),
        ("assert list_f([1]) => [2]", ("assert f([1]) == [2]",)),
        ("g(1) == 2, h(1) == 3", ()),
        ("no example at all", ()),
        ("f(1) == 2, again f(1) == 2", ("assert f(1) == 2",)),
    ],
)
def test_shapes(docstring: str, expected: tuple[str, ...]) -> None:
    assert examples_of(docstring) == expected


def test_named_inputs_go_by_position() -> None:
    docstring = "Input:\n        grid : [[0, 1]]\n        bucket_capacity : 2\n    Output: 6"
    assert examples_of(docstring, "grid, capacity") == ("assert f([[0, 1]], 2) == 6",)
    assert examples_of('For s = "ab", c = "a", the result should be (\'b\',False)', "s, c") == (
        "assert f('ab', 'a') == ('b', False)",
    )
    assert examples_of("Input: n = 5\n    Output: 1", "n, m") == ()


def test_escapes_stay_as_written() -> None:
    assert examples_of(r'>>> f("a\nb")' + "\n    'b'") == (r"assert f('a\nb') == 'b'",)


def test_a_statement_before_the_docstring_does_not_hide_it() -> None:
    prompt = 'def f(x):\n    import math\n    """f(1) == 2"""\n'
    assert visible_tests(prompt, "f") == ("assert f(1) == 2",)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(codec="ascii", exclude_characters="\\\"'"), max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.integers(), inner, max_size=2)
    ),
    max_leaves=6,
)


@given(values, values, st.sampled_from(["==", "=", "=>", "==>", "->", "➞", "returns", "should return"]))
def test_any_literal_survives_any_arrow(argument: object, result: object, arrow: str) -> None:
    (line,) = examples_of(f"Example:\n    f({argument!r}) {arrow} {result!r}")
    comparison = ast.parse(line).body[0].test  # type: ignore[attr-defined]
    assert ast.literal_eval(comparison.left.args[0]) == argument
    assert ast.literal_eval(comparison.comparators[0]) == result


@given(st.text(st.characters(codec="utf-8", exclude_characters='\\"\0'), max_size=200))
def test_any_docstring_gives_only_asserts_on_literals(text: str) -> None:
    for line in examples_of(f"f(1) {text} f("):
        assert isinstance(ast.parse(line).body[0], ast.Assert)
        assert "\n" not in line
