from __future__ import annotations

import time

import pytest

from meta_agent.errors import UserError
from meta_agent.llm import Message, Request, ScriptedLLM, open_backend


def shout(request: Request) -> str:
    return request.messages[-1].content.upper()


shout.latency = 0.05  # type: ignore[attr-defined]


def ask(text: str, **fields: object) -> Request:
    return Request("scripted", (Message("system", "12345"), Message("user", text)), **fields)  # type: ignore[arg-type]


def test_a_function_answers_and_tokens_are_four_bytes_each() -> None:
    completion = ScriptedLLM(shout).complete(ask("höhö"))
    assert (completion.text, completion.prompt_tokens, completion.completion_tokens) == ("HÖHÖ", 4, 2)
    assert completion.cost_usd == 0.0


def test_a_list_answers_in_order_and_then_complains() -> None:
    llm = ScriptedLLM(["one", "two"])
    assert [llm.complete(ask("x")).text for _ in range(2)] == ["one", "two"]
    with pytest.raises(UserError, match="2 replies"):
        llm.complete(ask("x"))
    assert llm.calls == 3


def test_a_mapping_answers_by_the_last_message() -> None:
    llm = ScriptedLLM({"a": "1", "b": "2"})
    assert [llm.complete(ask(text)).text for text in "ba"] == ["2", "1"]
    with pytest.raises(UserError, match="'c'"):
        llm.complete(ask("c"))


def test_it_stops_where_a_model_would() -> None:
    llm = ScriptedLLM(lambda _: "one END two STOP three")
    assert llm.complete(ask("x", stop=("STOP", "END"))).text == "one "
    cut = llm.complete(ask("x", max_tokens=2))
    assert (cut.text, cut.finish, cut.completion_tokens) == ("one END ", "length", 2)
    halved = ScriptedLLM(lambda _: "abcé").complete(ask("x", max_tokens=1))
    assert (halved.text, halved.finish) == ("abc", "length")


def test_a_dotted_path_opens_with_its_latency() -> None:
    backend = open_backend(f"scripted:{__name__}:shout")
    started = time.monotonic()
    assert backend.llm.complete(ask("quiet")).text == "QUIET"
    assert time.monotonic() - started >= 0.05
    assert backend.concurrency is None
    assert backend.price is not None
