"""Answers of any shape are marked without an error, and rightly."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domains import scoring
from domains.scoring import (
    HiddenTests,
    Number,
    Text,
    expected_answer,
    expected_number,
    extract_code,
    find_number,
    normal_text,
    scorer_digest,
)
from sandboxes import Limits

if TYPE_CHECKING:
    from sandboxes import ProcessSandbox

SQUARE = HiddenTests("square", ("assert square(3) == 9", "assert square(-2) == 4"))
RIGHT = "def square(n):\n    return n * n\n"

texts = st.text() | st.text(st.characters())  # the second kind holds lone surrogates
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("18", "18"),
        ("The answer is 18.", "18"),
        ("She makes $1,234.50 a day", "1234.50"),
        ("$-5", "-5"),
        ("-$5", "-5"),
        ("= \u22123", "-3"),
        ("10-5", "5"),
        ("(4)-3", "3"),
        ("45%", "45"),
        ("45 %", "45"),
        ("18.0", "18"),
        (".5", "0.5"),
        ("1e3", "1000"),
        ("2.5E-1", "0.25"),
        ("1,450,000", "1450000"),
        ("1.450.000", "1450000"),
        ("70 000 euros", "70000"),
        ("70\u202f000 \u20ac", "70000"),
        ("18,50 \u20ac", "18.50"),
        ("x is 3, y is 42 apples", "42"),
        ("\\boxed{42} since 7 > 3", "42"),
        ("first \\boxed{1}, then $\\boxed{\\text{42}}$ of 7", "42"),
        ("so\n#### 1,600", "1600"),
        ("#### none, that is 12", "12"),
        ("\\$5{,}600", "5600"),
        ("১৮", "18"),
        ("答えは１８です", "18"),
        (18, "18"),
        (18.0, "18"),
        (0.1, "0.1"),
        ("no number", None),
        ("", None),
        (True, None),
        (None, None),
        ([18], None),
        ({"answer": 18}, None),
        (float("nan"), None),
        (float("inf"), None),
    ],
)
def test_the_final_number(answer: object, number: str | None) -> None:
    assert find_number(answer) == (None if number is None else Decimal(number))


@given(
    st.decimals(-(10**9), 10**9, allow_nan=False, places=2),
    st.sampled_from(["{}", "${}", "It is {} apples.", "{}%", "\\boxed{{{}}}"]),
)
def test_a_number_is_found_however_it_is_dressed(number: Decimal, dress: str) -> None:
    assert find_number(dress.format(f"{number:f}")) == number
    assert find_number(dress.format(f"{number:,}")) == number


@given(st.integers(-(10**12), 10**12))
def test_equal_numbers_have_equal_keys_and_score(number: int) -> None:
    spellings = [number, str(number), f"{number:,}", f"{number}.00", f"so {number} dollars", float(number)]
    assert {Number.key(spelling) for spelling in spellings} == {str(number)}
    target = expected_number(f" {number:,}")
    assert all(target.mark(spelling, None).value == 1 for spelling in spellings)
    assert target.mark(number + 1, None).value == 0


@given(json_values)
def test_no_answer_makes_a_comparison_or_a_key_raise(answer: object) -> None:
    for target in (Number(Decimal(18)), Text("paris")):
        score = target.mark(answer, None)
        assert score.value in (0, 1)
        assert "18" not in score.reason
        assert "paris" not in score.reason
    for kind in (Number, Text, HiddenTests):
        assert isinstance(kind.key(answer), str)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(json_values)
def test_no_answer_makes_the_marking_of_code_raise(sandbox: ProcessSandbox, answer: object) -> None:
    assert SQUARE.mark(answer, sandbox).value == 0


def test_deep_and_long_answers_are_only_wrong(sandbox: ProcessSandbox) -> None:
    deep: list = []
    for _ in range(5000):
        deep = [deep]
    for answer in (deep, "9" * 100_000, "(" * 100_000, "1e999", 10**5000, "`" * 100_000, "\\boxed{" * 20_000):
        for target in (Number(Decimal(18)), Text("paris"), SQUARE):
            assert target.mark(answer, sandbox).value == 0
            assert isinstance(target.key(answer), str)


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("Paris", True),
        (" paris. ", True),
        ('"PARIS!"', True),
        ("**Paris**", True),
        ("\\boxed{Paris}", True),
        ("Ｐaris", True),  # noqa: RUF001
        ("in Paris", False),
        ("", False),
        (None, False),
        (["Paris"], False),
    ],
)
def test_texts(answer: object, right: bool) -> None:
    assert Text("paris").mark(answer, None).value == right


def test_text_of_other_values() -> None:
    assert normal_text(True) == "true"
    assert normal_text("New   York\n") == "new york"
    assert normal_text("?") == "?"
    assert expected_answer(True).mark("True", None).value == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [("18", Number), ("1,5", Number), (2.5, Number), ("Paris", Text), ("3 apples", Text), (True, Text)],
)
def test_what_is_a_number_is_compared_as_one(answer: object, kind: type) -> None:
    assert isinstance(expected_answer(answer), kind)


@pytest.mark.parametrize(
    "answer",
    [
        RIGHT,
        f"\n\n{RIGHT}",
        f"```python\n{RIGHT}```",
        f"Here it is:\n\n```py\n{RIGHT}```\nIt squares.",
        f"```python\n{RIGHT}",
        f"~~~\n{RIGHT}~~~",
        "1. Do this:\n   ```python\n   def square(n):\n       return n * n\n   ```",
        f"```\nprint('much longer than the function itself', square(3), square(4))\n```\n```python\n{RIGHT}```",
        "square = lambda n: n * n",
        "from __future__ import annotations\ndef square(n: Undefined): return n * n",
    ],
)
def test_code_is_found_in_any_packing(answer: str, sandbox: ProcessSandbox) -> None:
    score = SQUARE.mark(answer, sandbox)
    assert (score.value, score.reason) == (1, "passed")
    assert score.cpu_s > 0


def test_the_block_that_defines_the_function_wins() -> None:
    answer = "```\nx = 1\n```\n```\ny = 22\n```\n```\ndef f(): pass\n```"
    assert extract_code(answer, "f") == "def f(): pass"
    assert extract_code(answer, "g") == "def f(): pass"  # the largest
    assert extract_code(7) == ""


def test_preamble_stub_and_future_imports(sandbox: ProcessSandbox) -> None:
    stub = "import math\n\ndef area(r: float) -> float:\n    '''Area of a circle.'''\n"
    target = HiddenTests("area", ("assert round(area(1), 2) == 3.14",), preamble="import math\n", stub=stub)
    assert target.mark("    return math.pi * r * r", sandbox).value == 1
    assert target.mark("def area(r):\n    return math.pi * r * r", sandbox).value == 1
    assert (
        target.mark(
            "from __future__ import annotations\ndef area(r):\n    return math.pi * r * r", sandbox
        ).value
        == 1
    )


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "no code in the answer"),
        ("``` \n\n```", "no code in the answer"),
        (None, "no code in the answer"),
        ("def square(n): return n", "wrong answer"),
        ("def square(n) return n", "SyntaxError"),
        ("def square(n): return m", "NameError"),
        ("def square(n): raise ValueError(n)", "ValueError"),
        ("import nothing_of_the_kind", "ModuleNotFoundError"),
        ("def square(n): return square(n)", "RecursionError"),
        ("def square(n): return len(bytearray(10**11))", "MemoryError"),
        ("import os; os._exit(0)", "error"),
        ("#" * 300_000, "the code is too long"),
    ],
)
def test_reasons(answer: object, reason: str, sandbox: ProcessSandbox) -> None:
    score = SQUARE.mark(answer, sandbox)
    assert (score.value, score.reason) == (0, reason)


def test_a_loop_ends_in_a_timeout(sandbox: ProcessSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "LIMITS", Limits(wall_s=1))
    assert SQUARE.mark("def square(n):\n    while True: pass", sandbox).reason == "timeout"


@pytest.mark.parametrize(
    "answer",
    [
        "def square(n): raise type(f'E{n}', (Exception,), {})(f'leak {n}')",
        "def square(n): raise ValueError(f'leak {n}')",
        "def square(n):\n    print(n)\n    raise type(f'ValueError_{n}', (ValueError,), {})",
        "def square(n): return f'leak {n}'",
    ],
)
def test_a_reason_gives_no_hidden_input_away(answer: str, sandbox: ProcessSandbox) -> None:
    secret = HiddenTests("square", ("assert square(31337) == 981969969",))
    assert "31337" not in secret.mark(answer, sandbox).reason


@pytest.mark.parametrize(
    "answer",
    [
        "class Yes:\n    def __eq__(self, other): return True\ndef square(n): return Yes()",
        "import builtins\nbuiltins.AssertionError = None\ndef square(n): return 0",
        "import sys\nsys.exit(0)",
        "def square(n): raise SystemExit(0)",
        (
            "import sys\ndef square(n):\n    frame = sys._getframe()\n    while frame:\n"
            "        frame.f_globals['square'] = lambda n: n * n\n        frame = frame.f_back\n    return 0"
        ),
    ],
)
def test_cheats_score_nothing(answer: str, sandbox: ProcessSandbox) -> None:
    assert SQUARE.mark(answer, sandbox).value == 0


def test_code_keys_ignore_comments_and_layout() -> None:
    assert HiddenTests.key("x = 1  # one\n\n\ny=2") == HiddenTests.key("```python\nx=1\ny = 2\n```")
    assert HiddenTests.key("if a:\n    b") == HiddenTests.key("if a:\n        b")
    assert HiddenTests.key("if a:\n    b\nc") != HiddenTests.key("if a:\n    b\n    c")
    assert HiddenTests.key("x = 1") != HiddenTests.key("x = 2")
    assert HiddenTests.key("x = (") == HiddenTests.key("\nx = (  \n")


def test_targets_do_not_show_what_they_hide() -> None:
    assert "square(3)" not in repr(SQUARE)
    assert "18.5" not in repr(Number(Decimal("18.5")))  # a point: an address has none
    assert "paris" not in repr(Text("paris"))


def test_the_digest_covers_parameters() -> None:
    assert scorer_digest() == scorer_digest() != scorer_digest("0.1.25")
    assert json.dumps(scorer_digest())
