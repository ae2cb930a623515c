"""The engine with a real model of 135 million parameters, where vLLM is installed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from meta_agent.errors import OutageError, RequestError
from meta_agent.llm.catalogue import find
from meta_agent.llm.engines.environment import installed_python
from meta_agent.llm.engines.llamacpp import LlamaCpp
from meta_agent.llm.engines.vllm import TooLargeError, Vllm
from meta_agent.llm.llm import Message, Request
from meta_agent.llm.local import open_local

if TYPE_CHECKING:
    from collections.abc import Iterator

SMOL = find("local/smollm2-135m")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not SMOL.path.is_file(), reason=f"`adas models pull {SMOL.name}` first"),
    pytest.mark.skipif(installed_python() is None, reason="`adas models engine install vllm` first"),
]


@pytest.fixture(scope="module")
def smol() -> Iterator[Vllm]:
    llm = Vllm(SMOL.path, context=1024, concurrency=8)
    yield llm
    llm.close()


def ask(text: str, max_tokens: int = 24, **fields: object) -> Request:
    return Request(SMOL.name, (Message("user", text),), max_tokens=max_tokens, **fields)  # type: ignore[arg-type]


def test_it_answers_and_counts(smol: Vllm) -> None:
    completion = smol.complete(ask("What is the capital of France? Answer in one word."))
    assert "Paris" in completion.text
    assert completion.finish == "stop"
    assert completion.cost_usd == 0.0


def test_both_engines_see_the_same_prompt_and_mostly_say_the_same(smol: Vllm) -> None:
    requests = [ask(f"What is {number} plus one?", 12) for number in range(8)]
    llama = LlamaCpp(SMOL.path, context=512, concurrency=8)
    with ThreadPoolExecutor(8) as crowd:
        theirs, ours = list(crowd.map(llama.complete, requests)), list(crowd.map(smol.complete, requests))
    llama.close()
    assert [each.prompt_tokens for each in theirs] == [each.prompt_tokens for each in ours]
    assert sum(one.text[:6] == other.text[:6] for one, other in zip(theirs, ours, strict=True)) >= 5


def test_stop_grammar_and_schema(smol: Vllm) -> None:
    whole = smol.complete(ask("Count from 1 to 9, separated by commas.", 40)).text
    cut = smol.complete(ask("Count from 1 to 9, separated by commas.", 40, stop=("4",))).text
    assert cut == whole[: whole.index("4")]
    assert smol.complete(ask("Sing!", grammar='root ::= "yes" | "no"')).text in {"yes", "no"}
    schema = {
        "type": "object",
        "properties": {"age": {"type": "integer", "minimum": 0, "maximum": 99}},
        "required": ["age"],
        "additionalProperties": False,
    }
    assert (
        0 <= json.loads(smol.complete(ask("Describe a person.", schema=json.dumps(schema))).text)["age"] <= 99
    )


@pytest.mark.parametrize(
    "request_",
    [
        ask("hi " * 3000),
        ask("hi", max_tokens=5000),
        ask("hi", grammar="root ::= ("),
        ask("hi", schema='{"type": "nonsense"}'),
    ],
    ids=["long prompt", "long reply", "grammar", "schema"],
)
def test_a_hopeless_request_is_a_value_for_who_made_it(smol: Vllm, request_: Request) -> None:
    with pytest.raises(RequestError):
        smol.complete(request_)
    assert smol.complete(ask("Say hi.")).text


def test_samples_differ_and_repeat(smol: Vllm) -> None:
    def draw(sample: int) -> str:
        return smol.complete(ask("Invent a name for a cat.", 12, temperature=1.2, sample=sample)).text

    assert len({draw(sample) for sample in range(6)}) > 3
    assert draw(0) == draw(0)


def test_the_key_is_wanted_and_nowhere_to_be_read(smol: Vllm) -> None:
    import httpx

    refused = httpx.post(f"{smol.url}/chat/completions", json={}, trust_env=False)
    assert refused.status_code == 401
    assert smol.key not in smol.log.read_text()
    arguments = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert smol.key not in arguments


def test_the_server_dies_with_whoever_started_it() -> None:
    code = (
        "import time; from pathlib import Path; from meta_agent.llm.engines.vllm import Vllm\n"
        f"llm = Vllm(Path({str(SMOL.path)!r}), context=256, concurrency=2)\n"
        "print(llm._server.pid, flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        group = int(starter.stdout.readline())
        assert _members(group)
        starter.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while _members(group) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert _members(group) == []


def test_without_the_memory_for_it_llama_cpp_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meta_agent.llm.engines.vllm.available_memory", lambda: 1 << 30)
    monkeypatch.setattr("meta_agent.llm.local.choose", lambda _: "vllm")
    with pytest.raises(TooLargeError, match=r"needs 4\.\d GiB .* 1\.0 GiB are free: .* engine=llamacpp"):
        open_local(SMOL.name, engine="vllm")
    llm = open_local(SMOL.name)
    llm.close()
    assert isinstance(llm, LlamaCpp)


def test_float32_stays_float32() -> None:
    llm = Vllm(SMOL.path, context=256, concurrency=2, weight_format="float32")
    llm.close()
    assert "dtype=torch.float32" in llm.log.read_text()


def test_close_stops_the_server_and_is_idempotent() -> None:
    llm = Vllm(SMOL.path, context=256, concurrency=2)
    group = llm._server.pid
    llm.close()
    llm.close()
    assert _members(group) == []
    with pytest.raises(OutageError):
        llm.complete(ask("hi"))


def _members(group: int) -> list[int]:
    """Return the living processes of a process group."""
    members = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, leader = entry.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(leader) == group and state != "Z":
            members.append(int(entry.parent.name))
    return members
