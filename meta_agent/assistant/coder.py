"""Changes a repository as somebody asks: on a copy, tested before anybody is asked to accept it.

What is said of a change is what the host saw: a change is called verified only when the repository's tests were run on
exactly what is proposed, and all passed, and none of them was changed by it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from domains.patch import PatchError
from domains.repository import is_test, patched, repository_task
from meta_agent.errors import UserError
from meta_agent.performance import NOTHING
from meta_agent.repository import Repository, patch_of, refusal
from sandboxes.snapshot import Snapshot
from sandboxes.suite import LIMITS, SuiteRun, run_suite
from sandboxes.workspace import Changes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from meta_agent.assistant.agents import Agent
    from meta_agent.assistant.assistant import Answer, Assistant, Step
    from sandboxes import Cancel, Limits

Verdict = Literal["verified", "failing", "untested"]


def _spent(answers: tuple[Answer, ...]) -> tuple[int, int]:
    """Return model calls and tokens."""
    return (
        sum(answer.calls for answer in answers),
        sum(answer.prompt_tokens + answer.completion_tokens for answer in answers),
    )


class NoChangeError(UserError):
    """No attempt came to a change; says why the last one did not, and knows what they took."""

    def __init__(self, words: str, answers: tuple[Answer, ...]) -> None:
        super().__init__(words)
        self.calls, self.tokens = _spent(answers)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change that waits for somebody's yes."""

    patch: str
    """Unified diff; empty when there is nothing to propose."""
    files: Mapping[str, bytes | None]
    """What it changes: contents by path, None for what is gone."""
    verdict: Verdict
    words: str
    """What was seen, in a line."""
    answers: tuple[Answer, ...]
    """Of all attempts."""

    @property
    def calls(self) -> int:
        """Model calls of all attempts."""
        return _spent(self.answers)[0]

    @property
    def tokens(self) -> int:
        """Tokens of all attempts."""
        return _spent(self.answers)[1]


class Coder:
    """Has an agent change a repository.

    Args:
        assistant: lets agents work.
        snapshot: the repository; its folder is not touched.
        seconds: processor seconds of one test.
        limits: what one run of the tests may use.
    """

    def __init__(
        self, assistant: Assistant, snapshot: Snapshot, *, seconds: float = 10.0, limits: Limits = LIMITS
    ) -> None:
        self.assistant = assistant
        self.snapshot = snapshot
        self._seconds = seconds
        self._limits = limits
        self._before: SuiteRun | None = None

    def before(self) -> SuiteRun:
        """Return how the tests end without any change; they are run once."""
        if self._before is None:
            self._before = self._tested(self.snapshot)
        return self._before

    def propose(
        self,
        agent: Agent,
        request: str,
        *,
        attempts: int = 3,
        cancel: Cancel | None = None,
        observe: Callable[[Step], None] = lambda _step: None,
    ) -> Proposal:
        """Have the agent try, again with other samples and the failure in view until the tests pass; return the best.

        Raises:
            NoChangeError: no attempt came to a change.
            SessionCancelledError, OutageError, BudgetError, SandboxFaultError: as :meth:`Assistant.ask`.
        """
        before = self.before()
        best: tuple[int, Proposal] | None = None
        answers: list[Answer] = []
        told, reason = "", ""
        for seed in range(attempts):
            task = repository_task("code", f"{request}{told}", self.snapshot)
            repository = Repository(
                self.snapshot, self.assistant.sandbox, seconds=self._seconds, limits=self._limits
            )
            answer = self.assistant.ask(
                agent, task, seed=seed, cancel=cancel, observe=observe, repository=repository
            )
            answers.append(answer)
            try:
                files = self._changed(answer, repository.refused)
            except PatchError as error:
                reason = str(error).partition("\n")[0]
                told = f"\n\nAn earlier attempt changed nothing:\n{error}"
                continue
            after = self._tested(self.snapshot.with_files(files))
            verdict, words = judge(before, after, files, self.snapshot)
            proposal = Proposal(patch_of(self.snapshot, files), files, verdict, words, tuple(answers))
            merit = len(after.named("passed")) - len(after.named("failed"))
            if best is None or verdict == "verified" or merit > best[0]:
                best = merit, proposal
            if verdict != "failing":
                break
            told = f"\n\nAn earlier attempt was wrong:\n{proposal.patch}\n{_failures(after)}"
        if best is None:
            raise NoChangeError(f"{agent.name} proposes no change: {reason}", tuple(answers))
        return replace(best[1], answers=tuple(answers))

    def _tested(self, snapshot: Snapshot) -> SuiteRun:
        return run_suite(self.assistant.sandbox, snapshot, seconds=self._seconds, limits=self._limits)

    def _changed(self, answer: Answer, refused: Sequence[str]) -> dict[str, bytes | None]:
        """Return what an answer changes; raises PatchError when it is no patch, or one that may not be applied."""
        if answer.failure == NOTHING:
            raise PatchError(
                "\n".join(refused)
                or "the reply changes nothing, or has no edit of the form that was asked for"
            )
        if answer.failure:
            raise PatchError(answer.failure.strip().rpartition("\n")[2])
        after = patched(self.snapshot, str(answer.value))
        before = self.snapshot.files
        changed: dict[str, bytes | None] = {path: None for path in before if path not in after}
        changed |= {path: data for path, data in after.items() if before.get(path) != data}
        if not changed:
            raise PatchError("the patch changes nothing")
        for path in changed:
            if fault := refusal(self.snapshot, path):
                raise PatchError(f"{path[:100]!r}: {fault}")
        return changed


def judge(
    before: SuiteRun, after: SuiteRun, files: Mapping[str, bytes | None], base: Snapshot
) -> tuple[Verdict, str]:
    """Return what two runs of the tests, before and after a change, say of it."""
    passed, failed = after.named("passed"), after.named("failed")
    if not passed and not failed:
        return "untested", f"not verified, no tests were run: {after.fault or 'there are none'}"
    count = f"{len(passed)} of {len(passed) + len(failed)} tests pass"
    repaired = sum(test in passed for test in before.named("failed"))
    broken = [test for test in before.named("passed") if test not in passed]
    was = f", {repaired} of which failed before" if repaired else ""
    worse = f", {len(broken)} of those that passed before do not: {broken[0]}" if broken else ""
    if after.fault:
        return "failing", f"not verified, the tests did not run to their end ({after.fault}): {count}{worse}"
    if failed:
        return "failing", f"not verified: {count}{was}{worse or f', {failed[0]} fails'}"
    if broken:
        return "failing", f"not verified: {count}{worse}"
    if edited := [path for path in files if is_test(path) and path in base.files]:
        return "failing", f"not verified: {count}, but it changes tests ({', '.join(edited[:3])})"
    return "verified", f"verified: {count}{was}"


def apply(proposal: Proposal, folder: Path, base: Snapshot) -> None:
    """Make the change in the folder that the snapshot was taken of.

    Raises:
        UserError: a file that it touches is no longer as it was; nothing was changed.
        OSError: a file cannot be written; earlier ones are.
    """
    now = Snapshot.of(folder)
    for path in proposal.files:
        if now.files.get(path) != base.files.get(path) or now.keeps_out(path):
            raise UserError(f"{path} was changed meanwhile: nothing was applied, ask again")
    changes = Changes(
        written={path: data for path, data in proposal.files.items() if data is not None},
        executable={path for path in proposal.files if path in base.executable},
        deleted={path for path, data in proposal.files.items() if data is None},
    )
    changes.apply(folder)


def _failures(run: SuiteRun) -> str:
    failed = run.named("failed")[:2]
    return "\n".join(f"{test} fails:\n{run.verdicts[test].message}" for test in failed) or run.fault
