from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import pytest

from domains import Domain, Task, load_domain
from meta_agent.agents import kit_source, load_agent
from meta_agent.broker import Broker
from meta_agent.llm import FREE, Backend, Cache, Gateway, ScriptedLLM
from sandboxes import Limits, ProcessSandbox
from tests.meta_agent.rehearsal import write_tasks

if TYPE_CHECKING:
    from meta_agent.llm.llm import Completion, Request

Script = Callable[[str], str] | Sequence[str]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[ProcessSandbox]:
    jail = ProcessSandbox()
    yield jail
    jail.close()


@pytest.fixture(scope="session")
def domain(tmp_path_factory: pytest.TempPathFactory) -> Domain:
    return load_domain(str(write_tasks(tmp_path_factory.mktemp("tasks") / "plus.jsonl")))


@dataclass
class Played:
    """What an agent did on a task with a scripted model."""

    answer: Any
    error: str | None
    trace: list[dict[str, Any]]
    calls: int

    @property
    def prompts(self) -> list[str]:
        return [str(event["prompt"]) for event in self.trace if event["op"] == "llm"]

    @property
    def logs(self) -> list[str]:
        return [str(event["text"]) for event in self.trace if event["op"] == "log"]


class InTurn:
    """A gateway that answers the draws of a prompt in the order of their samples, so that scripts have an order."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.drawn: Counter[str] = Counter()
        self.turn = threading.Condition()

    def complete(self, request: Request, role: Literal["agent", "meta"] = "agent") -> Completion:
        prompt = replace(request, sample=0).key()
        with self.turn:
            assert self.turn.wait_for(lambda: self.drawn[prompt] >= request.sample, timeout=30)
            completion = self.gateway.complete(request, role)
            self.drawn[prompt] += 1
            self.turn.notify_all()
        return completion


@dataclass
class Stage:
    """Plays agents in the real sandbox against a script: texts in order, or a function of the prompt."""

    sandbox: ProcessSandbox
    domain: Domain

    def __call__(self, name: str, task: Task, script: Script, *, calls: int = 60, **constants: int) -> Played:
        source = load_agent(name).source
        for constant, value in constants.items():
            line = next(line for line in source.splitlines() if line.startswith(f"{constant} ="))
            source = source.replace(line, f"{constant} = {value}")
        reply = _of_prompt(script) if callable(script) else script
        with Gateway(lambda _: Backend(ScriptedLLM(reply), None, FREE), cache=Cache()) as gateway:
            broker = Broker(
                task=task,
                domain=self.domain,
                gateway=InTurn(gateway),
                sandbox=self.sandbox,
                model="scripted",
                max_calls=calls,
                max_tokens=100_000,
            )
            outcome = self.sandbox.session(
                source, task.public(), broker, kit=kit_source(), limits=Limits(wall_s=60.0)
            )
        return Played(outcome.value, outcome.error, list(broker.trace), broker.calls)

    def helper(self, name: str, function: str, *args: Any) -> Any:
        """Call a helper function of an agent program in the sandbox."""
        outcome = self.sandbox.run(load_agent(name).source, entry=function, args=args)
        assert outcome.ok, outcome.error
        return outcome.value


def _of_prompt(script: Callable[[str], str]) -> Callable[[Request], str]:
    return lambda request: script("\n".join(message.content for message in request.messages))


@pytest.fixture
def play(sandbox: ProcessSandbox, domain: Domain) -> Stage:
    return Stage(sandbox, domain)


def code_task(prompt: str, entry: str, *tests: str, metadata: Mapping[str, Any] | None = None) -> Task:
    return Task("t", prompt, "code", entry, tests, metadata or {})


def block(code: str) -> str:
    return f"```python\n{code}\n```"


DOUBLE = code_task(
    'def double(x):\n    """Return x twice.\n\n    >>> double(3)\n    6\n    """\n',
    "double",
    "assert double(3) == 6",
)
GOOD = block("def double(x):\n    return 2 * x")
BAD = block("def double(x):\n    return x + 2")
QUESTION = Task("q", "How many apples are 2 and 3 apples?", "answer")
