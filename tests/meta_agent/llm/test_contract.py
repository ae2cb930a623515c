"""What every backend owes the gateway, asked of each over a real server."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from meta_agent.errors import OutageError, RequestError, TransientError, UserError
from meta_agent.llm import (
    LLM,
    Backend,
    Completion,
    Gateway,
    Message,
    Request,
    Retries,
    ScriptedLLM,
    open_backend,
)
from meta_agent.llm.hosted import Hosted
from meta_agent.llm.openai_compatible import OpenAICompatible
from tests.meta_agent.llm.endpoint import Endpoint, Fault, always, answer, every_third_fails, healthy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CANARY = "sk-canary-0123456789abcdef"
TIMEOUT_S = 1.0
QUICK = Retries(patience_s=30.0, first_s=0.02, longest_s=0.2)


def compatible(url: str) -> tuple[str, LLM]:
    model = f"{url}#tiny"
    return model, OpenAICompatible.open(model, TIMEOUT_S)


def hosted(url: str) -> tuple[str, LLM]:
    return "openai/tiny", Hosted("openai/tiny", TIMEOUT_S)


@pytest.fixture(params=[compatible, hosted])
def kind(request: pytest.FixtureRequest) -> Callable[[str], tuple[str, LLM]]:
    chosen: Callable[[str], tuple[str, LLM]] = request.param
    return chosen


@pytest.fixture
def serve(kind: Callable[[str], tuple[str, LLM]], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    @contextmanager
    def serving(fault: Fault = healthy, **options: Any) -> Iterator[tuple[Endpoint, str, LLM]]:
        monkeypatch.setenv("OPENAI_API_KEY", CANARY)
        monkeypatch.delenv("ADAS_API_KEY", raising=False)
        with Endpoint(fault, **options) as endpoint:
            monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
            model, llm = kind(endpoint.url)
            yield endpoint, model, llm
            llm.close()
            llm.close()

    return serving


def ask(model: str, text: str = "hello", **fields: Any) -> Request:
    return Request(model, (Message("system", "be brief"), Message("user", text)), **fields)


def expected(request: Request) -> str:
    return answer([{"role": m.role, "content": m.content} for m in request.messages], request.sample)


def test_a_completion_carries_text_usage_and_the_request_arrives_whole(serve: Any) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    with serve() as (endpoint, model, llm):
        request = ask(
            model, temperature=0.7, max_tokens=33, stop=("END",), sample=5, schema=json.dumps(schema)
        )
        completion = llm.complete(request)
        assert completion == Completion(expected(request), (8 + 5) // 4 + 9, 7)
        (body,) = endpoint.seen
        assert (body["temperature"], body["max_tokens"], body["stop"], body["seed"]) == (0.7, 33, ["END"], 5)
        assert [m["content"] for m in body["messages"]] == ["be brief", "hello"]
        assert endpoint.keys == {f"Bearer {CANARY}"}


def test_many_threads_share_a_backend(serve: Any) -> None:
    with serve(latency=0.05) as (endpoint, model, llm):
        requests = [ask(model, f"question {i}") for i in range(24)]
        with ThreadPoolExecutor(12) as pool:
            texts = [completion.text for completion in pool.map(llm.complete, requests)]
        assert texts == [expected(request) for request in requests]
        assert endpoint.most_in_flight > 4


@pytest.mark.parametrize("fault", ["429", "500", "503", "529", "408", "hang", "drop", "html", "cut"])
def test_what_may_pass_is_transient(serve: Any, fault: str, capfd: pytest.CaptureFixture[str]) -> None:
    with serve(always(fault), retry_after="7") as (endpoint, model, llm):
        with pytest.raises(TransientError) as caught:
            llm.complete(ask(model))
        assert len(endpoint.seen) == 1, "retries belong to the gateway"
        assert caught.value.retry_after == (7.0 if fault in ("429", "503") else None)
        assert one_safe_line(caught.value)
        assert tuple(capfd.readouterr()) == ("", ""), "clients keep their mouths shut"


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("401 the key KEY is wrong", UserError, "refused our key"),
        ("403 KEY is not allowed", UserError, "refused our key"),
        ("404 no such model", UserError, "unknown to its server"),
        ("400 temperature must be below 2", UserError, "temperature must be below 2"),
        ("422 KEY cannot be processed", UserError, "refused the request"),
        ("400 maximum context length is 9 tokens", RequestError, "maximum context length"),
        ("413 KEY prompt too large", RequestError, "prompt too large"),
    ],
)
def test_what_cannot_pass_is_said_at_once(serve: Any, fault: str, error: type[Exception], words: str) -> None:
    with serve(always(fault)) as (endpoint, model, llm):
        with (
            Gateway(lambda _: Backend(llm), retries=QUICK) as gateway,
            pytest.raises(error, match=words) as caught,
        ):
            gateway.complete(ask(model))
        assert len(endpoint.seen) == 1
        assert one_safe_line(caught.value)


def test_a_server_that_fails_a_third_of_the_time_gives_the_same_as_a_healthy_one(serve: Any) -> None:
    with serve(every_third_fails) as (endpoint, model, llm):
        requests = [ask(model, f"question {i % 40}", sample=i // 40) for i in range(60)]
        with Gateway(lambda _: Backend(llm, 8), retries=QUICK) as gateway, ThreadPoolExecutor(16) as pool:
            texts = [completion.text for completion in pool.map(gateway.complete, requests)]
            assert gateway.budget.spent.calls == 60
        assert texts == [expected(request) for request in requests]
        assert endpoint.answered == 60, "nothing is paid twice"
        assert len(endpoint.seen) > 80, "a third failed"


@pytest.mark.parametrize("fault", ["500", "hang", "drop", "refused"])
def test_a_dead_endpoint_is_one_line_in_bounded_time_and_is_not_hammered(serve: Any, fault: str) -> None:
    retries = Retries(patience_s=2.0, first_s=0.05, longest_s=0.5)
    with serve(always(fault)) as (endpoint, model, llm):
        if fault == "refused":
            endpoint.shutdown()
            endpoint.server_close()
        with Gateway(lambda _: Backend(llm), retries=retries) as gateway:
            started = time.monotonic()
            with ThreadPoolExecutor(32) as pool:
                jobs = [pool.submit(gateway.complete, ask(model, f"question {i}")) for i in range(32)]
                errors = [job.exception() for job in jobs]
            assert time.monotonic() - started < 2.0 + 2 * TIMEOUT_S + 3.0
            assert all(isinstance(error, OutageError) and one_safe_line(error) for error in errors)
            assert gateway.budget.spent.calls == 0
            if fault != "refused":
                assert len(endpoint.seen) < 32 + 20, "after the first wave, one at a time probes"
                endpoint.fault = healthy
                assert gateway.complete(ask(model)).text == expected(ask(model)), (
                    "a model that is back is used"
                )


def one_safe_line(error: BaseException) -> bool:
    text = str(error)
    chain = [error, error.__cause__]
    while chain[-1] is not None:
        chain.append(chain[-1].__cause__)
    return "\n" not in text and all(
        CANARY not in str(link) and CANARY[3:] not in repr(link) for link in chain
    )


OPEN = {"type": "object", "properties": {"a": {"type": "integer"}}}
CLOSED = {**OPEN, "required": ["a"], "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (OPEN, False),
        (CLOSED, True),
        ({**CLOSED, "properties": {"a": OPEN}}, False),
        ({**CLOSED, "properties": {"a": {"type": "array", "items": CLOSED}}}, True),
        ({**CLOSED, "properties": {"a": {"anyOf": [CLOSED, OPEN]}}}, False),
    ],
)
def test_a_schema_is_strict_where_it_can_be(schema: dict[str, Any], strict: bool) -> None:
    with Endpoint() as endpoint:
        llm = OpenAICompatible(endpoint.url, "tiny", more=lambda request: {"grammar": request.grammar})
        llm.complete(ask("m", schema=json.dumps(schema), grammar="root ::= x"))
        with pytest.raises(RequestError, match="no JSON"):
            llm.complete(ask("m", schema="{"))
        llm.close()
    (body,) = endpoint.seen
    assert body["grammar"] == "root ::= x"
    assert body["response_format"]["json_schema"] == {"name": "reply", "schema": schema, "strict": strict}


def test_a_scripted_model_keeps_the_same_contract() -> None:
    llm = ScriptedLLM(lambda request: answer([{"role": "user", "content": request.messages[-1].content}], 0))
    with ThreadPoolExecutor(8) as pool:
        texts = [c.text for c in pool.map(llm.complete, [ask("scripted", f"q{i}") for i in range(64)])]
    assert texts == [answer([{"role": "user", "content": f"q{i}"}], 0) for i in range(64)]
    assert llm.calls == 64


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gpt-99-nonsense", "expected local/NAME, http"),
        ("nobody/at-all", "expected local/NAME, http"),
        ("scripted:no.such.module:f", "expected scripted:MODULE:FUNCTION"),
        ("scripted:json:no_such", "expected scripted:MODULE:FUNCTION"),
        ("http://localhost:1/v1", "expected http://host:port/v1#model-name"),
        ("http://me:secret123@localhost:1/v1#m", "ADAS_API_KEY"),
        ("http://localhost:1/v1?key=secret123#m", "ADAS_API_KEY"),
    ],
)
def test_an_unknown_name_is_the_users_mistake_in_one_line(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        open_backend(name)
    assert "\n" not in str(caught.value)
    assert "secret123" not in str(caught.value)


def test_a_missing_key_names_the_variable_and_the_way_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UserError, match=r"OPENAI_API_KEY.*local/"):
        open_backend("openai/gpt-4o-mini")


def test_known_prices_are_known_and_unknown_ones_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    priced = open_backend("openai/gpt-4o-mini").price
    assert priced is not None
    assert 0 < priced.prompt_usd < priced.completion_usd < 1e-4
    assert open_backend("openai/tiny").price is None
    assert open_backend("http://localhost:1/v1#gpt-4o-mini").price is None


def test_a_hosted_completion_costs_what_the_list_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    with Endpoint() as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
        backend = open_backend("openai/gpt-4o-mini")
        completion = backend.llm.complete(ask("openai/gpt-4o-mini"))
    assert backend.price is not None
    assert completion.cost_usd == pytest.approx(backend.price.of(completion.prompt_tokens, 7))
