"""The rule that classifies a failure is total and exact; the model sees its verdict and the twelve classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from meta_agent.agents import load_agent
from tests.meta_agent.agents.conftest import DOUBLE, GOOD, block, code_task

if TYPE_CHECKING:
    from tests.meta_agent.agents.conftest import Stage

LEAVES = ["A.1", "A.2", "A.3", "B.1", "B.2", "B.3", "B.4", "B.5", "C.1", "C.2", "C.3", "C.4"]
BUGS = {
    "A.1 unclosed": "def double(x):\n    return (x * 2",
    "A.1 null": "def double(x):\n    return '\0'",
    "A.2 indentation": "def double(x):\nreturn x * 2",
    "A.2 tab": "def double(x):\n    if x:\n\treturn x\n    return 2 * x",
    "A.3 module": "import no_such_library\ndef double(x):\n    return x",
    "A.3 name": "from math import no_such_name\ndef double(x):\n    return x",
    "B.1 attribute": "def double(x):\n    return x.twice()",
    "B.2 name": "def double(x):\n    return x * two",
    "B.2 unbound": "def double(x):\n    if x > 9:\n        y = 2 * x\n    return y",
    "B.2 entry": "def twice(x):\n    return 2 * x",
    "B.3 index": "def double(x):\n    return [x][x]",
    "B.3 key": "def double(x):\n    return {0: 0}[x]",
    "B.3 zero": "def double(x):\n    return x // (x - 3)",
    "B.3 value": "def double(x):\n    return int('x') * x",
    "B.4 missing": "def double(x, times):\n    return x * times",
    "B.4 unknown": "def double(x):\n    return max(x, x, weight=2)",
    "B.5 recursion": "def double(x):\n    return double(x)",
    "B.5 other type": "def double(x):\n    return x + '2'",
    "B.5 own": "class Oops(Exception): pass\ndef double(x):\n    raise Oops('no')",
    "B.5 exit": "def double(x):\n    raise SystemExit(3)",
    "C.1 logic": "def double(x):\n    return x + 2",
    "C.1 float": "def double(x):\n    return x + 2.5",
    "C.3 text": "def double(x):\n    return str(2 * x)",
    "C.3 printed": "def double(x):\n    print(2 * x)",
    "C.3 object": "def double(x):\n    return map(abs, [x])",
}


@pytest.mark.parametrize("bug", BUGS)
def test_the_rule_on_a_crafted_program_for_each_class(play: Stage, bug: str) -> None:
    played = play(
        "taxonomy_critique", DOUBLE, lambda prompt: block(BUGS[bug]) if "Complete" in prompt else GOOD
    )
    assert "2 * x" in played.answer
    assert played.logs[0].startswith(f"rule: {bug[:3]} ")
    assert f"It looks like {bug[:3]}." in played.prompts[1]
    assert all(leaf in played.prompts[1] for leaf in LEAVES)
    assert f"The bug: {bug[:3]}" in played.prompts[2]


def test_a_timeout_is_a_runtime_bug(play: Stage) -> None:
    assert (
        play.helper("taxonomy_critique", "classify", "x = 1", "the program was stopped: cpu limit", [])
        == "B.5"
    )


@pytest.mark.parametrize(
    "feedback", ["", "nonsense", "assert f(1) == 2\n  -> WeirdError", "42", "Error: \n\n:"]
)
@pytest.mark.parametrize("code", ["", "x = 1", "def f(:", "\0", "\udcff = 1"])
def test_the_rule_is_total(play: Stage, code: str, feedback: str) -> None:
    assert play.helper("taxonomy_critique", "classify", code, feedback, []) in LEAVES


def test_two_rounds_at_most(play: Stage) -> None:
    assert play("taxonomy_critique", DOUBLE, lambda _: block(BUGS["C.1 logic"])).calls == 5


def test_without_tests_the_model_says_none(play: Stage) -> None:
    played = play("taxonomy_critique", code_task("def double(x):\n    ...\n", "double"), [GOOD, "none"])
    assert (played.calls, played.logs) == (2, ["rule: none model: none"])


def test_the_taxonomy_has_three_classes_and_twelve_leaves() -> None:
    source = load_agent("taxonomy_critique").source
    assert [leaf for leaf in LEAVES if f'"{leaf}":' in source] == LEAVES
