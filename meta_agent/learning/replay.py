"""Runs a program again without its model: with the replies that were recorded, or to see what it asks first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from meta_agent.errors import RequestError
from meta_agent.evaluation import Allowance, Evaluator
from meta_agent.llm.llm import Completion, Message

if TYPE_CHECKING:
    from archive import Archive, Program, Rollout
    from domains import Domain, Task
    from meta_agent.llm.llm import Request
    from sandboxes import Sandbox

_Key = tuple[str, str, float, int]


class Recorded:
    """A gateway that knows the replies of one trace, and no others."""

    def __init__(self, rollout: Rollout) -> None:
        self._replies: dict[_Key, tuple[str, str]] = {}
        for event in rollout.trace:
            if event.get("op") == "llm":
                key = (event["system"], event["prompt"], event["temperature"], event["sample"])
                self._replies[key] = (str(event["reply"]), str(event["finish"]))  # type: ignore[index]

    def complete(self, request: Request, role: Literal["agent", "meta"] = "agent") -> Completion:
        """Return the recorded reply.

        Raises:
            RequestError: The program asked something else this time.
        """
        *system, user = request.messages
        key = (system[0].content if system else "", user.content, request.temperature, request.sample)
        if key not in self._replies:
            raise RequestError("this was not asked when the rollout was recorded")
        text, finish = self._replies[key]
        return Completion(text, 0, 0, finish="length" if finish == "length" else "stop")


class _Caught:
    """A gateway that notes the first request and answers nothing of use."""

    def __init__(self) -> None:
        self.messages: tuple[Message, ...] = ()

    def complete(self, request: Request, role: Literal["agent", "meta"] = "agent") -> Completion:
        self.messages = self.messages or request.messages
        return Completion("Answer: 0", 0, 0)


def repeats(
    archive: Archive, program: Program, task: Task, rollout: Rollout, domain: Domain, sandbox: Sandbox
) -> bool:
    """Tell whether a program, given the recorded replies, does what the rollout says: the same answer and score."""
    evaluator = Evaluator(
        archive=archive,
        domain=domain,
        gateway=Recorded(rollout),
        sandbox=sandbox,
        model="recorded",
        workers=1,
        allowance=Allowance(calls=max(20, rollout.calls), tokens=1_000_000),
    )
    try:
        again = evaluator.attempt(program, task)
    finally:
        evaluator.close()
    return (again.answer, again.score) == (rollout.answer, rollout.score)


def first_prompt(
    archive: Archive, program: Program, task: Task, domain: Domain, sandbox: Sandbox
) -> tuple[Message, ...]:
    """Return what a program first asks its model about a task: what a model that serves it should be trained on."""
    caught = _Caught()
    evaluator = Evaluator(
        archive=archive, domain=domain, gateway=caught, sandbox=sandbox, model="caught", workers=1
    )
    try:
        evaluator.attempt(program, task)
    finally:
        evaluator.close()
    return caught.messages
