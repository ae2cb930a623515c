"""What a sandbox is: the protocol every backend fulfils, and the values that cross it.

A sandbox contains programs nobody has read. It reports what happened; it never scores.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""Exactly what crosses the border: JSON values, nothing else."""

Limit = Literal["wall", "cpu", "memory", "output", "cap", "signal"]
"""Which limit ended a program: wall clock, CPU seconds, memory, output size, absolute cap, or a signal."""

Mode = Literal["run", "session", "split", "inproc", "calls", "stdio"]
"""How a program was executed, and who marked it: a judge in another process (``split``), the host (``calls``,
``stdio``), or tests in the candidate's own process (``inproc``), where it can cheat."""

Broker = Callable[[dict[str, Json]], dict[str, Json]]
"""Answers one request of a program in a session. Runs on the host, in the calling thread; a broker that
raises ends the session, and the exception reaches the caller of :meth:`Sandbox.session` (an outage is never
an outcome)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one execution may use."""

    wall_s: float = 10.0
    """Seconds of wall clock; in a session, time spent waiting for the broker does not count."""
    cap_s: float = 600.0
    """Absolute seconds of wall clock for a session, broker waits included."""
    cpu_s: float = 10.0
    """Seconds of CPU."""
    memory_mb: int = 512
    """MiB of address space beyond what the interpreter itself needs."""
    processes: int = 0
    """Child processes allowed (threads count); 0 forbids fork and exec, but not up to 64 threads."""
    file_mb: int = 16
    """MiB the scratch folder may hold, and the largest file."""
    output_kb: int = 64
    """KiB of standard output and error kept; more is cut, and says so."""


@dataclass(frozen=True, slots=True)
class Call:
    """A test that is data: what a function must return. Compared on the host, by value."""

    args: tuple[object, ...]
    """Builtin values."""
    expected: object
    """A builtin value."""
    tolerance: float = 0.0
    """By how much a number may differ, relative to the larger one or absolutely."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A test that is data: what a whole program must print. White space at the ends of lines does not count."""

    stdin: str
    stdout: str


Tests = Sequence[str] | Sequence[Call] | Sequence[Exchange]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to one execution. A program's own failure is a value here, never an exception."""

    value: Json = None
    """What the entry function (``run``) or ``forward`` (``session``) returned; None for ``check``."""
    error: str | None = None
    """None when the program ended normally; else its traceback, or one line that says what stopped it."""
    stdout: str = ""
    """Standard output and error, safe to print, cut at ``output_kb``."""
    killed_by: Limit | None = None
    """The limit that ended it, if one did."""
    passed: tuple[bool, ...] = ()
    """``check`` only: one flag a test, in order; False also for those that were not reached."""
    failures: tuple[str, ...] = ()
    """``check`` only: one message a test, empty for a passed one."""
    cpu_s: float = 0.0
    """CPU seconds used by the program and its children."""
    wall_s: float = 0.0
    """Wall seconds from start to end."""
    peak_mb: float = 0.0
    """Peak resident memory in MiB."""
    level: str = ""
    """Isolation in force: ``L2`` (namespaces, Landlock, seccomp), ``L1`` (no namespaces), ``L0`` (none), or the name
    of what contains the program: ``bwrap``, ``gvisor``, ``docker``, ``podman``, ``e2b``."""
    mode: Mode | None = None
    """How it was executed and marked."""

    @property
    def cheat_proof(self) -> bool:
        """Whether the program could not touch what marked it."""
        return self.mode in ("split", "calls", "stdio")

    @property
    def ok(self) -> bool:
        """Whether the program ended by itself without an error."""
        return self.error is None and self.killed_by is None


class SessionCancelledError(RuntimeError):
    """What ran was ended from outside, by :meth:`Cancel.cancel`: neither a fault nor an outcome."""


_covered = threading.local()


class Cancel:
    """Ends what runs in a sandbox from outside: call :meth:`cancel` from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kills: set[Callable[[], None]] = set()
        self.cancelled = False

    @staticmethod
    def current() -> Cancel | None:
        """Return what covers this thread, None when nothing does."""
        return getattr(_covered, "by", None)

    def cancel(self) -> None:
        """End all programs that this reaches or covers, and all that it will."""
        with self._lock:
            self.cancelled = True
            kills = list(self._kills)
        for kill in kills:
            kill()

    @contextmanager
    def covering(self) -> Iterator[None]:
        """Reach every program that this thread starts meanwhile: in sessions, runs and checks, whatever the sandbox.

        A call that was cut short raises :class:`SessionCancelledError`.
        """
        before, _covered.by = Cancel.current(), self
        try:
            yield
        finally:
            _covered.by = before

    def raise_if_cancelled(self) -> None:
        """Raise :class:`SessionCancelledError` once :meth:`cancel` was called."""
        if self.cancelled:
            raise SessionCancelledError("cancelled")

    @contextmanager
    def reaching(self, kill: Callable[[], None]) -> Iterator[None]:
        """Have ``kill`` called in case of a cancellation."""
        with self._lock:
            self._kills.add(kill)
        try:
            if self.cancelled:
                kill()
            yield
        finally:
            with self._lock:
                self._kills.discard(kill)


class SandboxUnavailableError(RuntimeError):
    """No isolation can be had here (or the backend's engine is absent); says what to do about it."""


class SandboxFaultError(RuntimeError):
    """The sandbox itself failed (its server died): an infrastructure fault, to be retried, never scored."""


class Sandbox(Protocol):
    """Runs untrusted programs. Safe to call from many threads at once."""

    @property
    def level(self) -> str:
        """Isolation in force, as in :attr:`Outcome.level`."""

    def run(
        self,
        code: str,
        *,
        entry: str | None = None,
        args: Sequence[Json] = (),
        stdin: str = "",
        limits: Limits = ...,
    ) -> Outcome:
        """Execute ``code``; with ``entry``, call that function with ``args`` and return its value."""

    def check(
        self,
        code: str,
        tests: Tests,
        *,
        setup: str = "",
        entry: str | None = None,
        limits: Limits = ...,
    ) -> Outcome:
        """Judge ``code`` by ``tests``, all of one kind.

        - Python that raises on failure, with ``entry``: the tests live in another process and see a proxy
          under that name; arguments and results cross by value. ``setup`` is run by the judge first.
        - Python without ``entry``: the tests share the candidate's process, and it can cheat.
        - :class:`Call`: the function ``entry`` is called in the candidate's process, the host compares.
        - :class:`Exchange`: the program is run once for each, the host compares what it prints.

        A backend that does not know a kind raises :class:`TypeError`.
        """

    def session(
        self, program: str, task: Mapping[str, Json], broker: Broker, *, kit: str, limits: Limits = ...
    ) -> Outcome:
        """Run an agent program: ``forward(task, kit)`` of ``program``, with a broker to talk to.

        ``kit`` is the source of a module with ``build(task: dict, call) -> (task, kit)``, where
        ``call(request)`` sends one JSON object to the broker and returns its answer. It is trusted: a backend
        may load it once, before it shuts a program in.
        """

    def close(self) -> None:
        """End every program and free everything; the sandbox cannot be used afterwards."""
