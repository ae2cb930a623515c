"""Program x tasks -> rollouts: the only place with threads.

A rollout that is in the archive already is never run again, so an evaluation that was cut off goes on where it
stopped. A program's own failure is a score of 0 with a reason; an outage or an empty budget is an exception, after
everything in flight has ended and been kept.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from archive import Alarm, Archive, Evaluation, Program, Rollout, Split
from domains.repository import RepositoryDomain
from meta_agent.adas_compat import MOST_CALLS, published_entry
from meta_agent.agents import samples_of
from meta_agent.broker import Broker, Gateway
from meta_agent.performance import perform
from meta_agent.repository import Repository
from meta_agent.sentinels import suspicions
from sandboxes import Limits, Sandbox, SandboxFaultError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from domains import Domain, Task

SEEDS: dict[Split, int] = {"search": 0, "selection": 1, "test": 2}
"""Sampling seeds are as disjoint as the task sets."""
FAULT_RETRIES = 2


class StoppedError(RuntimeError):
    """The user asked to stop: what was in flight has been kept."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a program may use on one task."""

    calls: int = 20
    tokens: int = 16_000
    cpu_s: float = 10.0
    wall_s: float = 60.0
    """Seconds of its own, model waits not counted."""
    cap_s: float = 900.0
    """Absolute seconds, model waits included."""
    memory_mb: int = 512

    def raised(self, calls: int) -> Allowance:
        """Return this allowance with at least so many calls, and as many more tokens."""
        more = max(calls, self.calls)
        return replace(self, calls=more, tokens=self.tokens * more // max(1, self.calls))

    def of(self, program: Program) -> Allowance:
        """Return what a program gets of this allowance.

        A published one, which knows no limit, gets more, and so does majority vote over more samples: it may cost
        what it is compared with.
        """
        return self.raised(MOST_CALLS if published_entry(program.source) else samples_of(program))

    def limits(self) -> Limits:
        """Return the sandbox limits of a session."""
        return Limits(wall_s=self.wall_s, cap_s=self.cap_s, cpu_s=self.cpu_s, memory_mb=self.memory_mb)


class Evaluator:
    """Runs programs on tasks, many at once.

    Args:
        archive: receives every rollout as it ends.
        workers: rollouts in flight.
        admit: entered around each rollout; may wait, or raise BudgetError to end an evaluation.
        observe: called after each stored rollout, from any worker thread.
        alarm: called when a rollout looks as if its score was had without merit, from any worker thread.
    """

    def __init__(
        self,
        *,
        archive: Archive,
        domain: Domain,
        gateway: Gateway,
        sandbox: Sandbox,
        model: str,
        workers: int = 8,
        allowance: Allowance | None = None,
        admit: Callable[[], AbstractContextManager[None]] = nullcontext,
        observe: Callable[[Evaluation, Rollout], None] = lambda _evaluation, _rollout: None,
        alarm: Callable[[Alarm], None] = lambda _alarm: None,
    ) -> None:
        self.archive = archive
        self.domain = domain
        self.gateway = gateway
        self.sandbox = sandbox
        self.model = model
        self.workers = workers
        self.allowance = allowance or Allowance()
        self.admit = admit
        self.observe = observe
        self.alarm = alarm
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="rollout")

    def close(self) -> None:
        """End the worker threads; rollouts in flight are finished first."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def stop(self) -> None:
        """Let what is in flight finish and start nothing more: evaluations raise :class:`StoppedError`."""
        self._stop.set()

    def raise_if_stopped(self) -> None:
        """Raise :class:`StoppedError` once :meth:`stop` was called."""
        if self._stop.is_set():
            raise StoppedError("stopped on request")

    def evaluate(
        self, run: str, programs: Sequence[Program], tasks: Sequence[Task], split: Split
    ) -> list[Evaluation]:
        """Return one complete evaluation a program; all pairs of program and task share the workers.

        Raises:
            StoppedError, OutageError, BudgetError, SandboxFaultError: after everything in flight has ended and been
                kept; calling again goes on from there.
        """
        evaluations = [self._open(run, program, split) for program in programs]
        done = {e.id: {rollout.task for rollout in self.archive.rollouts(e.id)} for e in evaluations}
        pending = {
            self._pool.submit(self._keep, evaluation, program, task)
            for task in tasks
            for program, evaluation in zip(programs, evaluations, strict=True)
            if task.id not in done[evaluation.id]
        }
        _drain(pending)
        self.archive.flush()
        return evaluations

    def attempt(self, program: Program, task: Task, split: Split = "search") -> Rollout:
        """Run one program on one task and score it, without keeping the rollout."""
        return self._rollout("", program, task, SEEDS[split])

    def _open(self, run: str, program: Program, split: Split) -> Evaluation:
        evaluation = Evaluation(
            run=run,
            program=program.id,
            domain=self.domain.name,
            domain_version=self.domain.version,
            split=split,
            model=self.model,
            seed=SEEDS[split],
            scorer=self.domain.scorer,
            tasks=len(self.domain.tasks(split)),
        )
        self.archive.add_program(program)
        self.archive.add_evaluation(evaluation)
        return evaluation

    def _keep(self, evaluation: Evaluation, program: Program, task: Task) -> None:
        with self.admit():
            self.raise_if_stopped()
            rollout = self._rollout(evaluation.id, program, task, evaluation.seed)
        for alarm in suspicions(evaluation, rollout, self.domain, task, self.sandbox):
            self.archive.add_alarm(alarm)
            self.alarm(alarm)
        self.archive.add_rollout(rollout)
        self.observe(evaluation, rollout)

    def _rollout(self, evaluation: str, program: Program, task: Task, seed: int) -> Rollout:
        for retries_left in reversed(range(FAULT_RETRIES + 1)):
            try:
                return self._once(evaluation, program, task, seed)
            except SandboxFaultError:
                if not retries_left:
                    raise
        raise AssertionError("unreachable")

    def _once(self, evaluation: str, program: Program, task: Task, seed: int) -> Rollout:
        started = time.monotonic()
        allowance = self.allowance.of(program)
        broker = Broker(
            task=task,
            domain=self.domain,
            repository=self._repository(task),
            gateway=self.gateway,
            sandbox=self.sandbox,
            model=self.model,
            seed=seed,
            max_calls=allowance.calls,
            max_tokens=allowance.tokens,
            deadline_s=allowance.cap_s,
        )
        done = perform(program, broker, self.sandbox, allowance.limits())
        failure = done.failure
        value, reason, marking_cpu = 0.0, failure.rsplit("\n", 1)[-1], 0.0
        if not failure:
            score = self.domain.score(task, done.answer, self.sandbox)
            value, reason, marking_cpu = score.value, score.reason, score.cpu_s
        return Rollout(
            evaluation=evaluation,
            task=task.id,
            score=value,
            answer="" if failure else str(done.answer),
            failure=failure,
            reason=reason,
            calls=broker.calls,
            prompt_tokens=broker.prompt_tokens,
            completion_tokens=broker.completion_tokens,
            cost_usd=broker.cost_usd,
            seconds=time.monotonic() - started,
            cpu_seconds=done.cpu_s + broker.cpu_s + marking_cpu,
            trace=tuple(broker.trace),
        )

    def _repository(self, task: Task) -> Repository | None:
        """Return a fresh copy of what a task of kind ``patch`` is about."""
        if task.kind != "patch":
            return None
        assert isinstance(self.domain, RepositoryDomain)
        seconds = task.metadata.get("test_seconds", 10.0)
        assert isinstance(seconds, float)
        return Repository(self.domain.snapshot(task), self.sandbox, seconds=seconds)


def _drain(pending: set[Future[None]]) -> None:
    """Wait for all; at the first exception cancel what has not started, let the rest end, then raise it."""
    failed: BaseException | None = None
    for future in as_completed(pending):
        if failed is None and not future.cancelled() and (failed := future.exception()) is not None:
            for other in pending:
                other.cancel()
    if failed is not None:
        raise failed
