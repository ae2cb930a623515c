from __future__ import annotations

import pytest

from meta_agent.assistant.conversation import as_task, reply
from meta_agent.errors import UserError
from meta_agent.llm import Message


def user(text: str) -> Message:
    return Message("user", text)


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("Write a function add(a, b) that adds.", "add"),
        ("Please implement a Python function called `merge_all` for lists.", "merge_all"),
        ("Implement `gcd(a, b)` by Euclid.", "gcd"),
        ("def double(x):\n    '''Twice x.'''\n", "double"),
        ("Fix this:\n```python\ndef area(r):\n    return r\n```", "area"),
        ("Write a function that adds two numbers.", ""),
        ("What does `len(x)` do?", ""),
        ("Explain the function of the heart.", ""),
        ("Write a JavaScript function add(a, b).", ""),
        ("What is the capital of France?", ""),
    ],
)
def test_a_request_for_a_named_python_function_is_code(text: str, entry: str) -> None:
    task = as_task([user(text)])
    assert (task.kind, task.entry_point) == (("code", entry) if entry else ("answer", ""))
    assert task.prompt == text


def test_examples_in_the_request_become_visible_tests() -> None:
    text = "Write `half(n)`.\n\n>>> half(4)\n2\n>>> other(1)\n1\n    assert half(0) == 0\n>>> half(8)\n4"
    assert as_task([user(text)]).visible_tests == (
        "assert half(4) == 2",
        "assert half(8) == 4",
        "assert half(0) == 0",
    )


def test_a_system_prompt_prescribes_the_form() -> None:
    task = as_task([Message("system", "Reply with a diff."), user("Write a function add(a, b).")])
    assert task.kind == "answer"
    assert task.prompt == "Reply with a diff.\n\nWrite a function add(a, b)."
    forced = as_task(
        [Message("system", "Reply with a diff."), user("Write it.")], kind="code", entry_point="add"
    )
    assert (forced.kind, forced.entry_point) == ("code", "add")


def test_earlier_turns_are_told() -> None:
    task = as_task([user("My name is Ann."), Message("assistant", "Hello Ann."), user("What is my name?")])
    assert task.prompt.index("User: My name is Ann.") < task.prompt.index("Assistant: Hello Ann.")
    assert task.prompt.endswith("What is my name?")
    assert as_task([user("What is my name?")]).id != task.id


@pytest.mark.parametrize("messages", [[], [Message("assistant", "hi")], [user("  ")]])
def test_somebody_must_ask(messages: list[Message]) -> None:
    with pytest.raises(UserError, match="role 'user'"):
        as_task(messages)


def test_code_comes_in_a_fence_and_an_answer_in_the_words_that_led_to_it() -> None:
    code = as_task([user("Write a function f(x).")])
    assert reply(code, "def f(x): return x", []) == "```python\ndef f(x): return x\n```"
    words = as_task([user("What is 6 x 7?")])
    trace = [
        {"op": "llm", "reply": "Six sevens.\nAnswer: 42"},
        {"op": "log", "text": "Answer: 42"},
        {"op": "llm", "reply": "Answer: 41"},
    ]
    assert reply(words, "42", trace) == "Six sevens.\nAnswer: 42"
    assert reply(words, "43", trace) == "43"
    assert reply(words, 41, trace) == "Answer: 41"
