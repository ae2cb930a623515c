"""Executes answers again: nothing that an archive says of an answer is believed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from meta_agent.broker import RUN_LIMITS, feedback
from meta_agent.selectors.behaviour import probe_inputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domains import Domain, Task
    from domains.domain import Score
    from sandboxes import Sandbox

_COUNTER = """

def __lines__(inputs):
    import ast, sys
    count = 0
    def trace(frame, event, arg):
        nonlocal count
        if event == "line":
            count += 1
        return trace
    values = [ast.literal_eval(text) for text in inputs]
    for arguments in values:
        sys.settrace(trace)
        try:
            {entry}(*arguments)
        finally:
            sys.settrace(None)
    return count
"""


class Judge:
    """Marks answers to the tasks of a domain, each different one once. Safe to use from many threads.

    A new judge of a newly loaded domain has seen nothing, and executes everything anew.
    """

    def __init__(self, domain: Domain, sandbox: Sandbox) -> None:
        self.domain = domain
        self.sandbox = sandbox
        self.executed = 0
        """Answers executed so far."""
        self._scores: dict[tuple[str, str], Score] = {}
        self._passed: dict[tuple[str, ...], tuple[bool, ...]] = {}
        self._lock = threading.Lock()

    def score(self, task: Task, answer: str) -> Score:
        """Return the domain's mark."""
        key = task.id, answer
        if key not in self._scores:
            score = self.domain.score(task, answer, self.sandbox)
            with self._lock:
                self._scores[key] = score
                self.executed += 1
        return self._scores[key]

    def right(self, task: Task, answer: str) -> bool:
        """Tell whether an answer is wholly right."""
        return self.score(task, answer).value == 1

    def passes(self, code: str, tests: Sequence[str]) -> tuple[bool, ...]:
        """Return which of some tests a piece of code passes."""
        key = code, *tests
        if tests and key not in self._passed:
            self._passed[key] = self.sandbox.check(code, list(tests), limits=RUN_LIMITS).passed
        return self._passed.get(key, ())

    def feedback(self, task: Task, code: str) -> str:
        """Return what the visible tests say against wrong code; the scorer's one word when they say nothing."""
        tests = task.visible_tests
        outcome = self.sandbox.check(code, list(tests), limits=RUN_LIMITS) if tests else None
        if outcome and not all(outcome.passed):
            return feedback(outcome, tests)
        return f"The examples pass, hidden tests do not: {self.score(task, code).reason}."

    def lines(self, task: Task, code: str) -> int | None:
        """Return how many lines code executes on the visible inputs and their mutations, None when it fails there.

        Unlike seconds it is the same on every run and machine.
        """
        inputs = probe_inputs(task.entry_point, task.visible_tests)
        if not inputs:
            return None
        counted = self.sandbox.run(
            code + _COUNTER.replace("{entry}", task.entry_point),
            entry="__lines__",
            args=[list(inputs)],
            limits=RUN_LIMITS,
        )
        return counted.value if counted.ok and isinstance(counted.value, int) else None
