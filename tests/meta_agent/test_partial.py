"""Code with missing parts runs to its end; the same question gets the same value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from meta_agent.broker import Broker
from meta_agent.llm import FREE, Backend, Cache, Gateway, ScriptedLLM
from tests.meta_agent.test_broker import TASK

if TYPE_CHECKING:
    from collections.abc import Callable

    from meta_agent.llm.llm import Request
    from sandboxes import ProcessSandbox
    from tests.meta_agent.conftest import Bench

SNIPPET = """\
import no_such_library
from nowhere import fetch
total = 0
for row in fetch(5):
    total += row
if total > limit:
    total = limit
total += limit
client = no_such_library.client
print(total, client)
"""


def model(request: Request) -> str:
    prompt = request.messages[-1].content
    if "`fetch(5)`" in prompt:
        return "```python\n[1, 2, 3]\n```"
    if "variable `limit`" in prompt:
        return "5"
    if "`.client` of module `no_such_library`" in prompt:
        return "'a client'"
    raise AssertionError(prompt)


@pytest.fixture
def run(bench: Bench, sandbox: ProcessSandbox) -> Callable[..., tuple[dict[str, Any], Broker]]:
    def play(code: str, reply: Any, calls: int = 20) -> tuple[dict[str, Any], Broker]:
        with Gateway(lambda _: Backend(ScriptedLLM(reply), None, FREE), cache=Cache()) as gateway:
            broker = Broker(
                task=TASK, domain=bench.domain, gateway=gateway, sandbox=sandbox, model="m", max_calls=calls
            )
            return broker({"op": "run_partial", "code": code}), broker

    return play


def test_a_missing_name_call_and_attribute(run: Any) -> None:
    result, broker = run(SNIPPET, model)
    assert result == {"passed": True, "score": 1.0, "feedback": "", "output": "10 a client\n"}
    assert broker.calls == 3  # `limit` is used three times and asked for once
    assert list(broker.trace[-1]["values"]) == [  # type: ignore[call-overload]
        "the call `fetch(5)`",
        "the variable `limit`",
        "`.client` of module `no_such_library`",
    ]


def test_without_help_less_of_it_runs(run: Any) -> None:
    plain = SNIPPET.replace("import no_such_library", "no_such_library = 1 / 0")
    result, _ = run(plain, model)
    assert (result["passed"], result["score"]) == (False, 0.1)
    assert result["feedback"] == "ZeroDivisionError: division by zero"


def test_whole_code_runs_as_it_is(run: Any) -> None:
    code = """
import math
from dataclasses import dataclass

@dataclass
class Point:
    x: int = 1
    y: int = 2
    def __post_init__(self):
        super().__init__()
        self.__hidden = [self.x for _ in range(2)]
    @property
    def size(self) -> float:
        return math.hypot(self.x, *self.__hidden[:1])

def apply(function, *args, **named):
    global seen
    seen = {key: value for key, value in named.items()}
    return function(*args)

total = 1
total += sum(k for k in map(abs, [-1, 2]) if (double := 2 * k) > 1)
text = f"{apply(max, 1, 2, key=3)} {total} {Point(3).size:.2f} {seen}"
try:
    [].missing_not
except AttributeError:
    pass
print(text, sorted(locals())[:1] != [])
"""
    result, broker = run(code, lambda _: "None")
    assert result["output"] == "2 4 4.24 {'key': 3} True\n", result
    assert broker.calls == 1  # the attribute that nothing has
    assert result["passed"]


def test_a_wrong_literal_is_asked_for_again_then_a_type_stands_in(run: Any) -> None:
    asked: list[str] = []

    def stubborn(request: Request) -> str:
        asked.append(request.messages[-1].content)
        return "It is a Dictionary." if "Which type" in asked[-1] else f"open('x{len(asked)}')"

    result, broker = run("print(settings)", stubborn)
    assert result["output"] == "{'key': 1}\n"
    assert broker.calls == 4
    assert "This reply is no literal (ValueError): open('x1')" in asked[1]


def test_no_calls_left_gives_nothing(run: Any) -> None:
    result, broker = run("print(a, b)", lambda _: "1", calls=1)
    assert (result["output"], broker.calls) == ("1 None\n", 1)


def test_bad_code_and_endless_code_are_values(run: Any) -> None:
    assert "SyntaxError" in run("def f(:", model)[0]["feedback"]
    assert "limit" in run("while True: pass", model)[0]["feedback"]
