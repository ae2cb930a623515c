"""The server over HTTP, as any client meets it; real clients are in test_clients.py."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from meta_agent.assistant.admission import Key, Keys
from meta_agent.errors import BudgetError, OutageError
from tests.meta_agent.assistant.conftest import THINKS, Running, agent_of
from tests.sandboxes.contract import descendants, eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from meta_agent.llm import Request
    from sandboxes import ProcessSandbox

LOOPS = """
def forward(task, kit):
    kit.log("begins")
    while True:
        kit.run("while True: pass")
"""
ASKS = """
def forward(task, kit):
    for number in range(50):
        kit.llm(f"{task.prompt} {number}", temperature=0.5)
    return "done"
"""


def ask(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "adas/thinks", "messages": [{"role": "user", "content": text}], **more}


CLIENT = httpx.Client(timeout=30, limits=httpx.Limits(max_keepalive_connections=0))
"""One for all: making one takes as long as many requests."""


def post(running: Running, body: dict[str, Any], **more: Any) -> httpx.Response:
    return CLIENT.post(f"{running.url}/v1/chat/completions", json=body, **more)


def events(response: httpx.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def counted(running: Running, name: str) -> float:
    text = CLIENT.get(f"{running.url}/metrics").text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))


def test_an_answer_in_one_piece_sums_the_usage_of_all_inner_calls(serve: Callable[..., Any]) -> None:
    with serve() as running:
        done = post(running, ask("Where is Paris?", temperature=0.3, tools=[])).json()
    message = done["choices"][0]["message"]
    assert message["content"].startswith("You said: Where is Paris?")
    assert message["reasoning_content"].splitlines()[0] == "begins"
    assert message["reasoning_content"].count("asked the model") == 2
    first, second = (len(prompt) for prompt in _prompts("Where is Paris?"))
    assert done["usage"]["prompt_tokens"] == -(-first // 4) + -(-second // 4)
    assert done["usage"]["total_tokens"] == sum(
        done["usage"][f"{k}_tokens"] for k in ("prompt", "completion")
    )
    assert done["choices"][0]["finish_reason"] == "stop"


def _prompts(question: str) -> tuple[str, str]:
    first = f"{question}\n\nFirst thoughts?"
    return first, f"{question}\n\nYou said: {first}\n\nAnswer."


def test_a_stream_tells_the_steps_then_the_answer(serve: Callable[..., Any]) -> None:
    with serve() as running:
        body = ask("Where is Rome?", stream=True, stream_options={"include_usage": True})
        streamed = events(post(running, body))
        whole = post(running, ask("Where is Rome?")).json()
    deltas = [event["choices"][0]["delta"] for event in streamed if event["choices"]]
    assert deltas[0]["role"] == "assistant"
    kinds = ["reasoning" if "reasoning_content" in delta else "content" for delta in deltas[1:-1]]
    assert kinds == ["reasoning"] * 3 + ["content"]
    assert "".join(delta.get("content", "") for delta in deltas) == whole["choices"][0]["message"]["content"]
    assert streamed[-2]["choices"][0]["finish_reason"] == "stop"
    assert streamed[-1]["usage"] == whole["usage"]


def test_steps_arrive_while_the_agent_works(serve: Callable[..., Any]) -> None:
    go_on = threading.Event()

    def reply(request: Request) -> str:
        assert "Answer." not in request.messages[-1].content or go_on.wait(20)
        return "thought"

    with (
        serve(reply) as running,
        httpx.stream(
            "POST", f"{running.url}/v1/chat/completions", json=ask("slow", stream=True), timeout=30
        ) as response,
    ):
        seen = ""
        for line in response.iter_lines():
            seen += line
            if "asked the model" in line and not go_on.is_set():
                assert '"content": "thought"' not in seen
                go_on.set()
    assert '"content": "thought"' in seen


def test_code_may_be_asked_for_explicitly(serve: Callable[..., Any]) -> None:
    tests: list[Any] = []

    def reply(request: Request) -> str:
        tests.append(request.stop)
        return "```python\ndef twice(n):\n    return 2 * n\n```\nThat is it."

    options = {"kind": "code", "entry_point": "twice", "visible_tests": ["assert twice(2) == 4"]}
    with serve(reply) as running:
        done = post(running, {**ask("Double it."), "model": "adas/direct", "adas": options}).json()
    assert done["choices"][0]["message"]["content"] == "```python\ndef twice(n):\n    return 2 * n\n```"
    assert tests == [("\n```\n",)]


def test_another_seed_draws_anew_and_the_same_one_repeats(serve: Callable[..., Any]) -> None:
    with serve(lambda request: f"sample {request.sample}") as running:
        first, again, other = (
            post(running, ask("?", seed=seed)).json()["choices"][0]["message"]["reasoning_content"]
            for seed in (7, 7, 8)
        )
    assert first == again != other


def test_models_carry_what_was_measured(serve: Callable[..., Any]) -> None:
    with serve() as running:
        listed = CLIENT.get(f"{running.url}/v1/models").json()
        one = CLIENT.get(f"{running.url}/v1/models/adas/thinks").json()
        none = CLIENT.get(f"{running.url}/v1/models/adas/nobody")
    assert [model["id"] for model in listed["data"]] == ["adas/best", "adas/direct", "adas/thinks"]
    assert one in listed["data"]
    assert one["adas"]["runs_on"] == "scripted"
    assert none.status_code == 404
    assert "adas/direct" in none.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"model": "adas/thinks"}, 400, "messages"),
        ({"model": "adas/thinks", "messages": []}, 400, "messages"),
        (ask("x", n=2), 400, "n: "),
        (ask(""), 400, "role 'user'"),
        ({**ask("x"), "model": "gpt-4"}, 404, "no model 'gpt-4'"),
        ({**ask("x"), "adas": {"strange": 1}}, 400, "adas.strange"),
        (ask("x" * (4 << 20)), 413, "at most 4 MiB"),
        ({**ask("x"), "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "text"),
    ],
)
def test_mistakes_are_told_as_openai_tells_them(
    serve: Callable[..., Any], body: dict[str, Any], status: int, words: str
) -> None:
    with serve() as running:
        refused = post(running, body)
    assert refused.status_code == status
    assert words in refused.json()["error"]["message"]


def test_a_page_in_a_browser_reaches_nothing(serve: Callable[..., Any]) -> None:
    with serve() as running:
        plain = CLIENT.post(f"{running.url}/v1/chat/completions", content=json.dumps(ask("x")))
        rebound = CLIENT.get(f"{running.url}/v1/models", headers={"Host": "evil.example"})
    assert plain.status_code == 415
    assert rebound.status_code == 400


def test_a_bearer_token_and_its_limits(serve: Callable[..., Any]) -> None:
    keys = Keys([Key("ann", Keys.single("the token of ann")._keys[0].digest, requests_per_minute=1)])
    header = {"Authorization": "Bearer the token of ann"}
    with serve(keys=keys) as running:
        assert CLIENT.get(f"{running.url}/healthz").json()["status"] == "ok"
        assert CLIENT.get(f"{running.url}/v1/models").status_code == 401
        assert post(running, ask("x")).status_code == 401
        assert post(running, ask("x"), headers=header).status_code == 200
        over = post(running, ask("x"), headers=header)
    assert over.status_code == 429
    assert int(over.headers["Retry-After"]) <= 60
    assert over.json()["error"]["code"] == "rate_limit_exceeded"


def test_a_full_queue_says_so(serve: Callable[..., Any]) -> None:
    go_on = threading.Event()

    def reply(_request: Request) -> str:
        assert go_on.wait(20)
        return "done"

    with serve(reply, workers=1, queue=1) as running, ThreadPoolExecutor() as pool:
        taken = []
        for number in (1, 2):
            taken.append(pool.submit(post, running, ask(f"{number}", stream=bool(number % 2))))
            assert eventually(
                lambda n=number: running.service.gate.working + running.service.gate.waiting == n
            )
        health = CLIENT.get(f"{running.url}/healthz").json()
        refused = [post(running, ask("3", stream=stream)) for stream in (False, True)]
        go_on.set()
        assert [one.result().status_code for one in taken] == [200, 200]
        assert counted(running, 'adas_requests_total{model="adas/thinks",outcome="refused"}') == 2
        assert counted(running, 'adas_requests_total{model="adas/thinks",outcome="answered"}') == 2
        assert counted(running, 'adas_model_calls_total{model="adas/thinks"}') == 4
    assert (health["working"], health["waiting"]) == (1, 1)
    for one in refused:
        assert one.status_code == 429
        assert "works on 1 requests and 1 wait" in one.json()["error"]["message"]
        assert one.headers["Retry-After"] == "1"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("source", [LOOPS, ASKS], ids=["runs code", "asks the model"])
def test_a_client_that_leaves_ends_the_work(
    serve: Callable[..., Any], sandbox: ProcessSandbox, source: str, stream: bool
) -> None:
    server = sandbox._server._process.pid
    idle = len(descendants(server))
    with serve(latency=0.2, agents={"adas/thinks": agent_of(source)}) as running:
        _leave_early(f"{running.url}/v1/chat/completions", stream)
        left = time.monotonic()
        assert eventually(lambda: running.service.gate.working == 0)
        assert eventually(lambda: len(descendants(server)) <= idle)
        print(f"ended {time.monotonic() - left:.3f} s after the client")
        calls = running.llm.calls
        time.sleep(0.5)
        assert running.llm.calls <= calls
        assert counted(running, 'adas_requests_total{model="adas/thinks",outcome="cancelled"}') == 1


def _leave_early(url: str, stream: bool) -> None:
    """Ask, and hang up when the agent is at work."""
    with contextlib.suppress(httpx.ReadTimeout), httpx.Client(timeout=httpx.Timeout(30, read=0.5)) as client:
        if not stream:
            client.post(url, json=ask("x"))
        else:
            with client.stream("POST", url, json=ask("x", stream=True)) as response:
                for number, _ in enumerate(response.iter_lines()):
                    if number > 2:
                        return


def test_a_waiting_client_that_leaves_gives_its_place_up(serve: Callable[..., Any]) -> None:
    go_on = threading.Event()

    def reply(_request: Request) -> str:
        assert go_on.wait(20)
        return "done"

    with serve(reply, workers=1, queue=1) as running, ThreadPoolExecutor() as pool:
        gate = running.service.gate
        first = pool.submit(post, running, ask("1"))
        assert eventually(lambda: gate.working == 1)
        with pytest.raises(httpx.ReadTimeout):
            CLIENT.post(
                f"{running.url}/v1/chat/completions", json=ask("2"), timeout=httpx.Timeout(5, read=0.2)
            )
        assert eventually(lambda: gate.waiting == 0)
        third = pool.submit(post, running, ask("3"))
        go_on.set()
        assert first.result().status_code == third.result().status_code == 200


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (OutageError("the model is out"), 503, "unavailable"),
        (BudgetError("the budget is used up"), 429, "insufficient_quota"),
    ],
)
def test_whose_failure_it_is(serve: Callable[..., Any], failure: Exception, status: int, code: str) -> None:
    def reply(_request: Request) -> str:
        raise failure

    with serve(reply) as running:
        refused = post(running, ask("x"))
        streamed = post(running, ask("x", stream=True)).text
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
    assert str(failure) in refused.json()["error"]["message"]
    assert json.loads(streamed.strip().rpartition("data: ")[2])["error"]["code"] == code


def test_an_agent_that_fails_is_told_in_its_last_line(serve: Callable[..., Any]) -> None:
    agents = {"adas/thinks": agent_of("def forward(task, kit):\n    return 1 / 0")}
    with serve(agents=agents) as running:
        refused = post(running, ask("x"))
    assert refused.status_code == 422
    assert refused.json()["error"]["message"].endswith("ZeroDivisionError: division by zero")


def test_nothing_is_left_of_many_requests(serve: Callable[..., Any], sandbox: ProcessSandbox) -> None:
    with serve(workers=16, queue=64, agents={"adas/thinks": agent_of(THINKS)}) as running:
        with ThreadPoolExecutor(16) as pool:
            done = list(
                pool.map(lambda n: post(running, ask(f"{n}", stream=n % 2 == 0)).status_code, range(64))
            )
            assert eventually(lambda: running.service.gate.working == 0)
            before = descriptors()
            idle = len(descendants(os.getpid()))
            done += pool.map(
                lambda n: post(running, ask(f"{n}", stream=n % 2 == 0)).status_code, range(64, 256)
            )
        assert set(done) == {200}
        assert eventually(lambda: descriptors() <= before)
        assert eventually(lambda: len(descendants(os.getpid())) <= idle)
