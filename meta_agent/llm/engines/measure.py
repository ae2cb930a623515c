"""How fast an engine is on this machine, by a small crowd of requests like a search's; remembered per machine."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from meta_agent.llm.catalogue import models_home
from meta_agent.llm.engines.machine import describe
from meta_agent.llm.llm import Message, Request

if TYPE_CHECKING:
    from pathlib import Path

    from meta_agent.llm.llm import LLM

INSTRUCTION = (
    "You are a careful Python programmer who explains the plan before the code. Read the signature and the "
    "docstring twice before you decide what the function has to return. List the edge cases: empty input, one "
    "element, repeated elements, negative numbers, very large numbers. Think about the running time and choose the "
    "simplest algorithm that is correct. Write plain standard-library Python with clear names and no input or "
    "output. After the plan, give the whole function in one python block, and then check it by hand on every "
    "example of the docstring, line by line, writing down the value of every variable after each step of the loop."
)
"""What all requests begin with: about 140 tokens."""
OPERATIONS = ("sum", "product", "minimum", "maximum", "median", "mean", "variance", "range")
KINDS = ("even", "odd", "prime", "positive", "negative", "square", "palindromic", "distinct")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One engine's speed with one model on one machine."""

    engine: str
    model: str
    machine: str
    requests: int
    in_flight: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float

    @property
    def tokens_per_second(self) -> float:
        """Generated tokens per second of wall clock, prompts included in the time."""
        return self.completion_tokens / self.seconds


def request(number: int, max_tokens: int = 120) -> Request:
    """Return request ``number`` of the load: about 300 tokens, nearly half of them shared, and a long answer."""
    operation, kind = OPERATIONS[number % 8], KINDS[number // 8 % 8]
    name = f"{operation}_of_{kind}_numbers_{number}"
    examples = "\n".join(
        f"    >>> {name}([{k}, {k + number}, {3 * k - 7}, {k * k}, {-k}])" for k in range(2, 6)
    )
    task = (
        "Explain step by step how to solve this, then complete the function.\n\n```python\n"
        f"def {name}(numbers: list[int]) -> float:\n"
        f'    """Return the {operation} of all {kind} numbers in the list, or zero when there is none.\n\n'
        f'{examples}\n    """\n```'
    )
    return Request("load", (Message("system", INSTRUCTION), Message("user", task)), max_tokens=max_tokens)


def measure(
    llm: LLM, engine: str, model: str, *, requests: int, in_flight: int, max_tokens: int = 120
) -> Measurement:
    """Send a crowd of requests, keeping ``in_flight`` under way, and time it; one warming request comes before."""
    llm.complete(request(requests, max_tokens=4))
    started = time.perf_counter()
    with ThreadPoolExecutor(in_flight) as crowd:
        completions = list(
            crowd.map(lambda number: llm.complete(request(number, max_tokens)), range(requests))
        )
    seconds = time.perf_counter() - started
    return Measurement(
        engine,
        model,
        describe(),
        requests,
        in_flight,
        sum(completion.prompt_tokens for completion in completions),
        sum(completion.completion_tokens for completion in completions),
        round(seconds, 3),
    )


def remember(measurement: Measurement) -> None:
    """Keep a measurement in the place of an older one of the same engine, model and machine."""
    kept = [old for old in remembered() if _subject(old) != _subject(measurement)]
    _file().parent.mkdir(parents=True, exist_ok=True)
    _file().write_text("".join(json.dumps(asdict(each)) + "\n" for each in (*kept, measurement)))


def remembered() -> list[Measurement]:
    """Return what was measured, oldest first."""
    if not _file().is_file():
        return []
    return [Measurement(**json.loads(line)) for line in _file().read_text().splitlines()]


def fastest(engines: list[str], model: str) -> str | None:
    """Return the engine that was measured fastest here, with this model or else any; None unless all were measured."""
    here = [each for each in remembered() if each.machine == describe() and each.engine in engines]
    for relevant in ([each for each in here if each.model == model], here):
        if {each.engine for each in relevant} == set(engines):
            return max(relevant, key=lambda each: each.tokens_per_second).engine
    return None


def _subject(measurement: Measurement) -> tuple[str, str, str]:
    return measurement.engine, measurement.model, measurement.machine


def _file() -> Path:
    return models_home() / "engines.jsonl"
