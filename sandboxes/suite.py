"""Runs the tests of a repository in a sandbox.

The tests share a process with what they test, as in any project. So a repository that wants to can lie about them: what
comes back are its own words, bounded and checked for their form. What no program in the sandbox can do, it cannot.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from sandboxes.execution import safe
from sandboxes.sandbox import Limits
from sandboxes.workspace import Snapshot, Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandboxes.sandbox import Json, Sandbox

LIMITS = Limits(wall_s=600.0, cap_s=900.0, cpu_s=90.0, memory_mb=1024, file_mb=64)
"""Processor time decides: on a busy machine, no right program fails."""
_PROGRAM = "def forward(task, run): return run()"
_AT_ONCE = threading.BoundedSemaphore(2 * (os.cpu_count() or 1))
"""Sandboxes do not count sessions, and these do not wait for models."""
_MOST = 5000
"""Tests that are listened to."""
_MESSAGE = 2000


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one test ended."""

    outcome: Literal["passed", "failed", "skipped"]
    message: str = ""
    lines: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Lines of the repository that it ran over, by path; empty unless asked for."""


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """How the tests of a repository ended."""

    verdicts: Mapping[str, Verdict]
    """By name, such as ``tests/test_sums.py::test_add``, in the order in which they ended."""
    fault: str = ""
    """Why not all tests ended, or none was there; empty when the run is whole."""
    output: str = ""
    """What was printed."""
    runner: str = ""
    """``pytest`` or ``unittest``."""
    cpu_s: float = 0.0

    def named(self, outcome: str) -> list[str]:
        """Return the tests that ended in that way."""
        return [name for name, verdict in self.verdicts.items() if verdict.outcome == outcome]

    @property
    def passed(self) -> bool:
        """Whether the run is whole, and at least one test passed, and none failed."""
        return not self.fault and bool(self.named("passed")) and not self.named("failed")


def run_suite(
    sandbox: Sandbox,
    snapshot: Snapshot,
    *,
    select: Sequence[str] = (),
    coverage: bool = False,
    seconds: float = 10.0,
    limits: Limits = LIMITS,
) -> SuiteRun:
    """Run the tests of a repository on a copy of it.

    Args:
        sandbox: where.
        snapshot: the repository.
        select: names of tests, of classes or of files; all by default.
        coverage: whether to note which lines each test runs over; tests are then much slower.
        seconds: processor seconds of one test; after three that take longer, the run ends.
        limits: what the whole run may use.

    Raises:
        SandboxUnavailableError: the sandbox gives programs no folder to write in.
        SandboxFaultError: the sandbox failed, not the tests.
    """
    desk = _Desk()
    task: dict[str, Json] = {"select": list(select), "coverage": coverage, "seconds": seconds}
    guest = Path(__file__).with_name("suite_guest.py").read_text()
    workspace = Workspace(snapshot, files=len(snapshot.files) + 1, mb=1024)
    with _AT_ONCE:
        outcome, _ = workspace.session(sandbox, _PROGRAM, task, desk, kit=guest, limits=limits, collect=False)
    told = outcome.value if isinstance(outcome.value, dict) else {}
    fault = ""
    if outcome.error:
        fault = safe(outcome.error.strip().rpartition("\n")[2])[:_MESSAGE]
    elif told.get("cut"):
        fault = "ended early: too many tests took too long"
    elif not desk.verdicts:
        fault = "there are no tests that can be run"
    return SuiteRun(desk.verdicts, fault, outcome.stdout, str(told.get("runner", "")), outcome.cpu_s)


class _Desk:
    """Listens to the tests."""

    def __init__(self) -> None:
        self.verdicts: dict[str, Verdict] = {}

    def __call__(self, request: dict[str, Json]) -> dict[str, Json]:
        """Take note of one test."""
        name, outcome, message = (request.get(key) for key in ("test", "outcome", "message"))
        if (
            isinstance(name, str)
            and outcome in ("passed", "failed", "skipped")
            and isinstance(message, str)
            and len(self.verdicts) < _MOST
        ):
            kind = cast("Literal['passed', 'failed', 'skipped']", outcome)
            known = self.verdicts.get(safe(name)[:_MESSAGE])
            if known is None or known.outcome != "failed":  # a failure is not talked away
                lines = _lines(request.get("lines"))
                self.verdicts[safe(name)[:_MESSAGE]] = Verdict(kind, safe(message)[:_MESSAGE], lines)
        return {}


def _lines(told: Json) -> dict[str, tuple[int, ...]]:
    if not isinstance(told, dict):
        return {}
    return {
        path: tuple(number for number in numbers if type(number) is int)
        for path, numbers in told.items()
        if isinstance(numbers, list)
    }
