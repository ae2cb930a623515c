from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domains import Task, load_domain
from meta_agent.broker import Broker
from meta_agent.selectors import SELECTORS

if TYPE_CHECKING:
    from pathlib import Path

    from sandboxes import ProcessSandbox
    from tests.meta_agent.conftest import Bench

TASK = Task(
    id="t",
    prompt="def plus_3(x): ...",
    kind="code",
    entry_point="plus_3",
    visible_tests=("assert plus_3(1) == 4",),
)
RIGHT = "def plus_3(x):\n    return x + 3"
WRONG = "def plus_3(x):\n    return x - 3"
CRASH = "def plus_3(x):\n    return y"


@pytest.fixture
def broker(bench: Bench, sandbox: ProcessSandbox) -> Broker:
    return Broker(
        task=TASK, domain=bench.domain, gateway=bench.gateway, sandbox=sandbox, model="agent", max_calls=5
    )


def test_llm_counts_and_records(broker: Broker) -> None:
    reply = broker({"op": "llm", "prompt": "def plus_3(x)", "temperature": 0.5, "n": 3})
    assert len(reply["texts"]) == 3  # type: ignore[arg-type]
    assert (broker.calls, len(broker.trace)) == (3, 3)
    assert broker.prompt_tokens > 0
    assert broker.completion_tokens > 0
    assert broker.cost_usd == 0.0


def test_a_reply_ends_where_it_should(broker: Broker) -> None:
    whole = broker({"op": "llm", "prompt": "def plus_3(x)"})["texts"][0]  # type: ignore[index,call-overload]
    assert "return" in whole
    cut = broker({"op": "llm", "prompt": "def plus_3(x)", "stop": ["return"]})["texts"][0]  # type: ignore[index,call-overload]
    assert cut == whole.partition("return")[0]
    assert "expected a list" in str(broker({"op": "llm", "prompt": "x", "stop": "no list"})["error"])


def test_steps_are_told_as_they_are_done(bench: Bench, sandbox: ProcessSandbox) -> None:
    told: list[dict[str, object]] = []
    broker = Broker(
        task=TASK,
        domain=bench.domain,
        gateway=bench.gateway,
        sandbox=sandbox,
        model="agent",
        observe=told.append,
    )
    broker({"op": "llm", "prompt": "def plus_3(x)"})
    broker({"op": "run", "code": RIGHT, "tests": []})
    assert told == broker.trace
    assert [step["op"] for step in told] == ["llm", "run"]


def test_calls_run_out(broker: Broker) -> None:
    refused = broker({"op": "llm", "prompt": "x", "n": 6})
    assert "no model calls left: this task allows 5" in str(refused["error"])
    assert broker.calls == 0  # refused before anything was paid
    broker({"op": "llm", "prompt": "x", "n": 5})
    assert "no model calls left" in str(broker({"op": "llm", "prompt": "x"})["error"])
    assert broker({"op": "remaining"})["remaining"]["calls"] == 0  # type: ignore[index,call-overload]


def test_a_trace_stays_small_whatever_is_asked(broker: Broker) -> None:
    large = "# " + "x" * 900_000
    for _ in range(8):
        assert broker({"op": "run", "code": RIGHT, "tests": [large]})["passed"] is True
    assert 1 <= len(broker.trace) < 8
    assert len(json.dumps(broker.trace)) < 4_100_000


def test_equal_prompts_are_drawn_anew_and_reproducibly(bench: Bench, sandbox: ProcessSandbox) -> None:
    def draws(seed: int, temperature: float) -> list[Any]:
        broker = Broker(
            task=TASK, domain=bench.domain, gateway=bench.gateway, sandbox=sandbox, model="agent", seed=seed
        )
        for _ in range(3):
            broker({"op": "llm", "prompt": "same", "temperature": temperature})
        return [event["sample"] for event in broker.trace]

    assert draws(0, 0.8) == draws(0, 0.8) == [0, 1, 2]
    assert not set(draws(0, 0.8)) & set(draws(2, 0.8))
    assert draws(2, 0.0) == [0, 0, 0]


def test_run_gives_feedback_for_repair(broker: Broker) -> None:
    assert broker({"op": "run", "code": RIGHT, "tests": ["assert plus_3(1) == 4"]}) == {
        "passed": True,
        "score": 1.0,
        "feedback": "",
        "output": "",
    }
    wrong = broker({"op": "run", "code": WRONG, "tests": ["assert plus_3(1) == 4", "assert plus_3(3) == 0"]})
    assert wrong["passed"] is False
    assert wrong["score"] == 0.5
    assert "assert plus_3(1) == 4" in str(wrong["feedback"])
    assert "NameError" in str(
        broker({"op": "run", "code": CRASH, "tests": ["assert plus_3(1) == 4"]})["feedback"]
    )
    assert "limit" in str(broker({"op": "run", "code": "while True: pass", "tests": []})["feedback"])


def test_select_and_vote(broker: Broker) -> None:
    tests = ["assert plus_3(1) == 4"]
    assert broker({"op": "select", "candidates": [WRONG, CRASH, RIGHT], "tests": tests})["index"] == 2
    same = "def plus_3(number):\n    return 3 + number"
    assert broker({"op": "vote", "candidates": [WRONG, RIGHT, same]})["index"] == 1
    assert broker({"op": "vote", "candidates": [CRASH, "syntax error here", WRONG]})["index"] == 2


def test_calls_are_evaluated_one_by_one(broker: Broker) -> None:
    code = "def plus_3(x):\n    while x < 0: pass\n    return {x: [x + 3]}"
    calls = ["plus_3(1)", "plus_3('a')", "plus_3(-1)", "plus_3(", "plus_3(2)[2][0] == 5"]
    values = broker({"op": "call", "code": code, "calls": calls})["values"]
    assert values == [  # a call that hangs takes no other one with it
        ["{1: [4]}", ""],
        ["", "TypeError: '<' not supported between instances of 'str' and 'int'"],
        ["", "TimeoutError: one call took more than a second"],
        ["", "SyntaxError: '(' was never closed (<string>, line 1)"],
        ["True", ""],
    ]
    assert (
        broker({"op": "call", "code": "import nothing_here", "calls": ["1", "2"]})["values"]
        == [["", "ModuleNotFoundError: No module named 'nothing_here'"]] * 2
    )


def test_classes_number_what_behaves_alike(broker: Broker) -> None:
    same = "def plus_3(number):\n    return 3 + number"
    assert broker({"op": "classes", "candidates": [WRONG, RIGHT, CRASH, same]})["classes"] == [0, 1, -1, 1]


def test_select_by_every_method(broker: Broker) -> None:
    """Counting tests falls for the candidate that fits more wrong tests; agreement does not."""
    tests = [f"assert plus_3({x}) == {y}" for x, y in ((1, 4), (0, 3), (1, -2), (2, -2), (5, 99))]
    same = "def plus_3(number):\n    return 3 + number"
    constant = "def plus_3(x):\n    return 99 if x == 5 else -2"
    candidates = [CRASH, constant, RIGHT, same, WRONG, RIGHT]
    for method in SELECTORS:
        request = {"op": "select", "candidates": candidates, "tests": tests, "method": method}
        assert broker(request)["index"] == (1 if method == "max_pass" else 2), method
        assert broker.trace[-1]["method"] == method
        json.dumps(broker.trace[-1], allow_nan=False)
    assert "expected one of max_pass" in str(
        broker({"op": "select", "candidates": [RIGHT], "tests": [], "method": "best"})["error"]
    )


def test_tests_that_say_nothing_leave_the_majority(broker: Broker) -> None:
    same = "def plus_3(number):\n    return 3 + number"
    for method in SELECTORS:
        for tests in ([], ["assert True"], ["assert False"]):
            request = {"op": "select", "candidates": [CRASH, WRONG, RIGHT, same], "tests": tests}
            index = broker({**request, "method": method})["index"]
            assert index == 2, (method, tests)


def test_functional_consensus_trusts_only_the_tests_of_the_task(broker: Broker) -> None:
    request = {"op": "select", "candidates": [WRONG, WRONG + "\n", RIGHT], "method": "functional_consensus"}
    assert broker({**request, "tests": ["assert plus_3(3) == 6"]})["index"] == 0
    assert broker({**request, "tests": list(TASK.visible_tests)})["index"] == 2


def test_vote_on_answers_by_meaning(bench: Bench, sandbox: ProcessSandbox, tmp_path: Path) -> None:
    file = tmp_path / "capitals.jsonl"
    file.write_text("".join(f'{{"prompt": "Capital {i} of France?", "answer": "Paris"}}\n' for i in range(3)))
    domain = load_domain(str(file), sizes={"search": 1, "selection": 1, "test": 1})
    task = domain.tasks("search")[0]
    broker = Broker(task=task, domain=domain, gateway=bench.gateway, sandbox=sandbox, model="agent")
    assert broker({"op": "vote", "candidates": ["12", "Paris", "paris ", ""]})["index"] == 1


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"op": "keys"},
        {"op": ["llm"]},
        {"op": "llm", "prompt": 3},
        {"op": "llm", "prompt": "x", "n": 10**9},
        {"op": "llm", "prompt": "x", "temperature": "hot"},
        {"op": "vote", "candidates": []},
        {"op": "vote", "candidates": "abc"},
        {"op": "select", "candidates": ["x"] * 100},
        {"op": "select", "candidates": ["x"], "method": ["b4"]},
        {"op": "run", "code": None},
        {"op": "call", "code": "x = 1", "calls": []},
        {"op": "run_partial", "code": 3},
        {"op": "classes", "candidates": []},
    ],
)
def test_bad_requests_are_answered(broker: Broker, request_: dict[str, Any]) -> None:
    reply = broker(request_)
    assert list(reply) == ["error"]
    assert broker.calls == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    op=st.sampled_from(["llm", "remaining", "log", "vote", "x"]),
    fields=st.dictionaries(
        st.sampled_from(["prompt", "n", "temperature", "max_tokens", "system", "candidates", "text"]), JSON
    ),
)
def test_any_request_gets_an_object(broker: Broker, op: str, fields: dict[str, Any]) -> None:
    assert isinstance(broker({**fields, "op": op}), dict)
