"""Puts agents to work: one task at a time for each caller, in the same jail and by the same broker as in a search."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

from meta_agent.assistant.conversation import Meanings, reply
from meta_agent.broker import Broker
from meta_agent.evaluation import Allowance
from meta_agent.performance import perform
from sandboxes import Cancel

if TYPE_CHECKING:
    from collections.abc import Callable

    from domains import Task
    from meta_agent.assistant.agents import Agent
    from meta_agent.broker import Gateway
    from meta_agent.llm import Completion, Request
    from meta_agent.repository import Repository
    from sandboxes import Json, Sandbox

Step = dict[str, object]
"""What an agent did, as the trace of a rollout holds it: ``op`` and what belongs to it."""

REPLY_TOKENS = 1024
"""Of a reply in a conversation, which has no answer line to come to quickly."""
_WAITERS = 512
"""Model calls that may be waited for at once."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one task."""

    text: str
    """As a person reads it; empty when there is a failure."""
    value: Json
    """What the program returned."""
    failure: str
    """Why there is no answer: the program's own error or a limit; empty when there is one."""
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    """None when a model's price is unknown."""
    seconds: float
    trace: tuple[Step, ...]


class Assistant:
    """Lets agents answer. Safe to use from many threads.

    Args:
        gateway: the way to the models.
        sandbox: where programs run, and the code they write.
        allowance: what an agent may use on one task.
    """

    def __init__(self, gateway: Gateway, sandbox: Sandbox, allowance: Allowance | None = None) -> None:
        self.gateway = gateway
        self.sandbox = sandbox
        self.allowance = allowance or Allowance()
        self._waiters = ThreadPoolExecutor(_WAITERS, thread_name_prefix="model-call")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads that wait for models; nobody waits for what they wait for."""
        self._waiters.shutdown(wait=False, cancel_futures=True)

    def ask(
        self,
        agent: Agent,
        task: Task,
        *,
        seed: int = 0,
        cancel: Cancel | None = None,
        observe: Callable[[Step], None] = lambda _step: None,
        repository: Repository | None = None,
    ) -> Answer:
        """Have an agent answer a task.

        Args:
            agent: who is asked.
            task: what is asked.
            seed: another seed draws the sampled replies anew; 0 is that of the search split.
            cancel: ends the work from another thread: programs at once, and nobody waits for a model any longer.
            observe: is told of each step when it is done, in this thread.
            repository: what a task of kind ``patch`` is about.

        Raises:
            SessionCancelledError: ``cancel`` was called.
            OutageError, BudgetError, UserError: as the gateway raises them.
            SandboxFaultError: the sandbox failed; ask again.
        """
        started = time.monotonic()
        cancel = cancel or Cancel()
        allowance = self.allowance.of(agent.program)
        in_words = task.kind == "answer"
        broker = Broker(
            task=task,
            domain=Meanings(),
            gateway=_Interruptible(self.gateway, cancel, self._waiters),
            sandbox=self.sandbox,
            repository=repository,
            model=agent.model,
            seed=seed,
            max_calls=allowance.calls,
            max_tokens=allowance.tokens,
            deadline_s=allowance.cap_s,
            stop=() if in_words else None,
            reply_tokens=0 if task.kind == "code" else REPLY_TOKENS,
            observe=observe,
        )
        with cancel.covering():
            done = perform(agent.program, broker, self.sandbox, allowance.limits())
        return Answer(
            text="" if done.failure else reply(task, done.answer, broker.trace),
            value=None if done.failure else done.answer,
            failure=done.failure,
            calls=broker.calls,
            prompt_tokens=broker.prompt_tokens,
            completion_tokens=broker.completion_tokens,
            cost_usd=broker.cost_usd,
            seconds=time.monotonic() - started,
            trace=tuple(broker.trace),
        )


@dataclass(frozen=True, slots=True)
class _Interruptible:
    """A gateway whose callers stop waiting when they are cancelled; the reply they paid for lands in the cache."""

    gateway: Gateway
    cancel: Cancel
    waiters: ThreadPoolExecutor

    def complete(self, request: Request, role: Literal["agent", "meta"] = "agent") -> Completion:
        """Return the gateway's completion; raises SessionCancelledError when the caller need not wait for it."""
        self.cancel.raise_if_cancelled()
        over = threading.Event()
        with self.cancel.reaching(over.set):
            asked = self.waiters.submit(self.gateway.complete, request, role)
            asked.add_done_callback(lambda _: over.set())
            over.wait()
        if not asked.done():
            asked.cancel()
            self.cancel.raise_if_cancelled()
        return asked.result()


def describe(step: Step) -> str:
    """Return one line about a step, for whoever watches; empty when there is nothing to say."""
    op = step["op"]
    if op == "llm":
        return f"asked the model: {_first_line(step['reply'])}"
    if op in ("run", "run_partial"):
        score, feedback = step["score"], _first_line(step["feedback"])
        return f"ran code: {'passed' if score == 1.0 and not feedback else feedback or f'{score:.0%} passed'}"
    if op == "log":
        return _first_line(step["text"])
    if op == "repo":
        return _describe_repository(step)
    words = {
        "call": "tried calls",
        "vote": "took a vote",
        "classes": "compared answers",
        "select": "chose by tests",
    }
    return words.get(str(op), str(op))


def _describe_repository(step: Step) -> str:
    do, path = str(step["do"]), str(step.get("path") or "")
    if "refused" in step:
        return f"{do} refused: {_first_line(step['refused'])}"
    if do in ("test", "suspects"):
        return f"ran the tests: {step['score']:.0%} pass"
    if do == "edit":
        return f"edited {path}"
    if do.startswith("search"):
        return f"searched for {step.get('name') or step.get('text')}"
    return f"read {path}" if do in ("read", "around", "outline") else ""


def _first_line(text: object) -> str:
    line = next((line.strip() for line in str(text).splitlines() if line.strip()), "")
    return line if len(line) <= 100 else f"{line[:99]}…"
