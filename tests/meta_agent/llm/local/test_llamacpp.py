"""The engine with a real model of 135 million parameters."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from meta_agent.errors import OutageError, RequestError, UserError
from meta_agent.llm.catalogue import find
from meta_agent.llm.engines.llamacpp import LlamaCpp
from meta_agent.llm.llm import Message, Request
from meta_agent.llm.local import open_local

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SMOL = find("local/smollm2-135m")
pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(not SMOL.path.is_file(), reason=f"`adas models pull {SMOL.name}` first"),
]


@pytest.fixture(scope="module")
def smol() -> Iterator[LlamaCpp]:
    llm = LlamaCpp(SMOL.path, context=1024, concurrency=4)
    yield llm
    llm.close()


def ask(text: str, max_tokens: int = 24, **fields: object) -> Request:
    return Request(SMOL.name, (Message("user", text),), max_tokens=max_tokens, **fields)  # type: ignore[arg-type]


def test_it_answers_and_counts(smol: LlamaCpp) -> None:
    completion = smol.complete(ask("What is the capital of France? Answer in one word."))
    assert "Paris" in completion.text
    assert completion.finish == "stop"
    assert 0 < completion.completion_tokens < 24 < completion.prompt_tokens < 60
    assert completion.cost_usd == 0.0
    assert completion.seconds > 0


def test_a_long_reply_is_cut(smol: LlamaCpp) -> None:
    completion = smol.complete(ask("Write a long story about the sea.", max_tokens=9))
    assert (completion.finish, completion.completion_tokens) == ("length", 9)


def test_a_reply_ends_before_the_stop(smol: LlamaCpp) -> None:
    request = ask("Count from 1 to 9, separated by commas.", max_tokens=40)
    whole = smol.complete(request).text
    assert "4" in whole
    cut = smol.complete(
        ask("Count from 1 to 9, separated by commas.", max_tokens=40, stop=("4", "never"))
    ).text
    assert cut == whole[: whole.index("4")]


def test_a_grammar_decides_the_reply(smol: LlamaCpp) -> None:
    assert smol.complete(ask("Sing!", grammar='root ::= "yes" | "no"')).text in {"yes", "no"}


def test_a_schema_decides_the_reply(smol: LlamaCpp) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    reply = json.loads(smol.complete(ask("Describe a person.", 80, schema=json.dumps(schema))).text)
    assert isinstance(reply["name"], str)
    assert isinstance(reply["age"], int)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (ask("hi " * 3000), "exceeds the available context size"),
        (ask("hi", grammar="root ::= ("), "failed to parse grammar"),
        (ask("hi", schema="{"), "schema"),
        (ask("hi", schema='{"type": "nonsense"}'), "unrecognized type"),
    ],
    ids=["long prompt", "grammar", "broken schema", "unknown schema"],
)
def test_a_hopeless_request_is_a_value_for_who_made_it(
    smol: LlamaCpp, request_: Request, reason: str
) -> None:
    with pytest.raises(RequestError, match=reason):
        smol.complete(request_)
    assert smol.complete(ask("Say hi.")).text


def test_equal_requests_have_equal_replies_also_in_a_crowd(smol: LlamaCpp) -> None:
    requests = [ask(f"Name the number after {number}.", 8) for number in range(12)]
    alone = [smol.complete(request).text for request in requests]
    with ThreadPoolExecutor(12) as crowd:
        together = list(crowd.map(lambda request: smol.complete(request).text, requests))
    assert sum(map(str.__eq__, alone, together)) >= 11  # a near-tie may round differently in another batch


def test_samples_differ_and_repeat(smol: LlamaCpp) -> None:
    def draw(sample: int) -> str:
        return smol.complete(ask("Invent a name for a cat.", 12, temperature=1.2, sample=sample)).text

    first = [draw(sample) for sample in range(6)]
    assert len(set(first)) > 3
    assert draw(0) == draw(0)


def test_a_shared_beginning_is_not_computed_again(smol: LlamaCpp) -> None:
    long = "Read this list: " + ", ".join(map(str, range(150)))
    first = smol.complete(ask(f"{long}. What comes first?", 2))
    again = min(
        (smol.complete(ask(f"{long}. What comes at place {n}?", 2)) for n in range(8)),
        key=lambda c: c.seconds,
    )
    assert again.prompt_tokens > 300
    assert again.seconds < first.seconds / 2


def test_it_is_opened_by_name_and_by_path() -> None:
    for name in (SMOL.name, f"local/{SMOL.path}"):
        llm = open_local(name, engine="llamacpp")
        assert (llm.engine, llm.concurrency > 1, llm.context >= 4096) == ("llamacpp", True, True)
        llm.close()


def test_a_closed_engine_says_so() -> None:
    llm = LlamaCpp(SMOL.path, context=256, concurrency=1)
    with ThreadPoolExecutor(1) as one:
        reply = one.submit(llm.complete, ask("Write a long story.", 100))
        while not reply.running():
            pass
        llm.close()
        assert reply.result().completion_tokens == 100
    llm.close()
    with pytest.raises(OutageError, match="closed"):
        llm.complete(ask("hi"))


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_text("nonsense")
    with pytest.raises(UserError, match=r"cannot load .*bad\.gguf"):
        LlamaCpp(tmp_path / "bad.gguf")


def test_it_is_silent() -> None:
    code = (
        "from meta_agent.llm.local import open_local; from meta_agent.llm.llm import *\n"
        f"llm = open_local({SMOL.name!r}, engine='llamacpp')\n"
        "llm.complete(Request('x', (Message('user', 'hi'),), max_tokens=3)); llm.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
