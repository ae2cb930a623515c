"""Programs in containers: run, check and session for every backend that can start one.

A backend's own part is small: start a Python in a container, with pipes to its standard input and output, and
kill it. What runs in there is :mod:`sandboxes.porter` with the same guest as everywhere. Its sources are sent in
through standard input, so a container needs nothing but Python 3.11, and no folder of the host.

A candidate and the judge of its tests are in two containers, and the host passes their words on.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
import queue
import select
import signal
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

from sandboxes import cases, wire
from sandboxes.execution import Clock, Desk, End, safe, shorten
from sandboxes.sandbox import (
    Call,
    Cancel,
    Exchange,
    Limits,
    Outcome,
    SandboxFaultError,
    SandboxUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from sandboxes.sandbox import Broker, Json, Tests

BOOT = """
import json, os, sys, types
data = b""
while len(data) < int(sys.argv[1]):
    part = os.read(0, int(sys.argv[1]) - len(data))
    if not part: sys.exit("no order came")
    data += part
sources, order = json.loads(data)
for name, source in sources:
    module = sys.modules[name] = types.ModuleType(name)
    if "." in name: setattr(sys.modules["sandboxes"], name.partition(".")[2], module)
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)
sys.modules["sandboxes.porter"].main(order)
"""
_PARTS = ("wire", "kernel", "guest", "porter")
PYTHON = ("-P", "-s", "-S", "-X", "utf8", "-c", BOOT)
"""What the interpreter in a container is started with; the size of what comes first on its input follows."""
ENVIRONMENT = {"PYTHONHASHSEED": "0"}
THREADS = 64
"""Threads of a program that may start no process."""

_LINE_CAP = 32 << 20
"""Bytes of one line that a porter may send."""
_CHUNK = 48 << 10
"""Bytes of a program's words in one line to a porter."""
_LAST_WORDS_S = 2.0
"""Seconds that a killed program's porter has to say what was printed."""
_GRACE_S = 1.0
"""Seconds in which a container whose porter is done should end by itself: engines remove slowly."""
_DEFAULT = Limits()


class Container(Protocol):
    """A Python that was started in a container."""

    def write(self, data: bytes, deadline: float) -> None:
        """Write to its standard input; raises :class:`OSError` when it has gone or does not read in time."""

    def read(self) -> bytes:
        """Return more of its standard output, nothing when it has ended; blocks."""

    def kill(self, grace_s: float = 0.0) -> None:
        """End it and everything in it, unless it ends by itself within ``grace_s`` seconds."""

    def complaint(self) -> str:
        """Return the last thing that the engine said on standard error."""

    def close(self) -> None:
        """Free what is left of it, once it has ended."""


class ContainerSandbox(ABC):
    """What every backend that starts containers has in common.

    Safe to use from many threads. At most ``slots`` calls of :meth:`run` and :meth:`check` are under way at a
    time.

    Raises:
        SandboxUnavailableError: No program runs in such a container here.

    """

    patience_s = 60.0
    """Seconds in which a container must have started."""

    def __init__(self, *, slots: int | None = None, packages: str = "") -> None:
        self._packages = packages
        self._slots = threading.BoundedSemaphore(slots or 2 * (os.cpu_count() or 1))
        self._lock = threading.Lock()
        self._guests: set[_Guest] = set()
        self._closed = False
        try:
            outcome = self.run("def f(x): return x + 1", entry="f", args=[1])
        except SandboxFaultError as error:
            raise SandboxUnavailableError(f"{self.level}: {error}") from None
        if outcome.value != 2:
            raise SandboxUnavailableError(f"{self.level}: a program does not run in it: {outcome.error}")

    @property
    @abstractmethod
    def level(self) -> str:
        """What isolates, as in :attr:`Outcome.level`."""

    @abstractmethod
    def _start(self, role: str, limits: Limits, size: int) -> Container:
        """Start :data:`PYTHON` and ``size`` in a container.

        Args:
            role: What the guest will be: ``judge`` runs trusted code, every other role does not.
            limits: What the program may use; the guest limits itself too, where rlimits reach.
            size: Bytes of the first thing on its standard input.

        """

    def _tasks(self, limits: Limits) -> int | None:
        """Return the RLIMIT_NPROC of a program; None where the container counts its processes itself."""
        return 1 + (limits.processes or THREADS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every program; calls under way raise :class:`SandboxFaultError`."""
        with self._lock:
            self._closed = True
            guests = list(self._guests)
        for guest in guests:
            guest.container.kill()

    def run(
        self,
        code: str,
        *,
        entry: str | None = None,
        args: Sequence[Json] = (),
        stdin: str = "",
        limits: Limits = _DEFAULT,
    ) -> Outcome:
        """Execute ``code`` as a script; with ``entry``, as a module whose function is called with ``args``.

        Raises:
            SandboxFaultError: The sandbox failed, not the program.

        """
        with self._slots, _Containers(self, limits) as containers:
            program = containers.start("run", stdin)
            program.send("wire", wire.pack({"code": code, "entry": entry, "args": list(args)}, _LINE_CAP))
            return replace(containers.outcome(program), mode="run")

    def session(
        self,
        program: str,
        task: Mapping[str, Json],
        broker: Broker,
        *,
        kit: str,
        limits: Limits = _DEFAULT,
    ) -> Outcome:
        """Run an agent program, ``forward(task, kit)``, and call ``broker`` in this thread for each request.

        A request that is not one JSON object is answered with ``{"error": ...}``; one longer than 1 MiB ends
        the session. Time spent in the broker does not count against ``wall_s``, only against ``cap_s``.

        Raises:
            SandboxFaultError: The sandbox failed, not the program.
            Exception: Whatever the broker raised; the program is ended first.

        """
        with _Containers(self, limits) as containers:
            agent = containers.start("session")
            agent.send("wire", wire.pack({"program": program, "task": dict(task), "kit": kit}, _LINE_CAP))
            return replace(containers.outcome(agent, Desk(broker, containers.clock)), mode="session")

    def check(
        self,
        code: str,
        tests: Tests,
        *,
        setup: str = "",
        entry: str | None = None,
        limits: Limits = _DEFAULT,
    ) -> Outcome:
        """Judge ``code`` by ``tests``, all of one kind: Python that raises on failure, calls or exchanges.

        Calls and exchanges are compared on the host. With ``entry``, Python tests run in a container of their own;
        the candidate, in another one, never sees them and is called by value. Without it they share the candidate's
        process, and a candidate can cheat.

        Raises:
            SandboxFaultError: The sandbox failed, not the program.

        """
        if tests and all(isinstance(test, Exchange) for test in tests):
            exchanges = cast("Sequence[Exchange]", tests)
            runs = [self.run(code, stdin=exchange.stdin, limits=limits) for exchange in exchanges]
            return cases.summary(exchanges, runs)
        with self._slots, _Containers(self, limits) as containers:
            if tests and all(isinstance(test, Call) for test in tests):
                return _check_calls(containers, code, cast("Sequence[Call]", tests), str(entry))
            request: dict[str, Any] = {"tests": [str(test) for test in tests], "setup": setup}
            if entry is None:
                candidate = containers.start("tests")
                candidate.send("wire", wire.pack({**request, "code": code}, _LINE_CAP))
                return replace(containers.judged(candidate, candidate, len(tests)), mode="inproc")
            candidate, judge = containers.start("candidate"), containers.start("judge")
            candidate.send("wire", wire.pack({"code": code, "entry": entry}, _LINE_CAP))
            judge.send("wire", wire.pack({**request, "entry": entry}, _LINE_CAP))
            return replace(containers.judged(judge, candidate, len(tests)), mode="split")

    def open_guest(self, role: str, limits: Limits, stdin: str, events: _Events) -> _Guest:
        """Start a container with a guest in it, whose messages go to ``events``."""
        if self._closed:
            raise SandboxFaultError("the sandbox is closed")
        sources = [["sandboxes", ""]]
        sources += [
            [f"sandboxes.{name}", Path(__file__).with_name(f"{name}.py").read_text()] for name in _PARTS
        ]
        text = base64.b64encode(stdin.encode("utf-8", "surrogatepass")).decode()
        order = {
            "role": role,
            "limits": asdict(limits),
            "tasks": self._tasks(limits),
            "stdin": text,
            "packages": self._packages,
        }
        payload = json.dumps([sources, order]).encode()
        guest = _Guest(self._start(role, limits, len(payload)), events)
        with self._lock:
            self._guests.add(guest)
        with contextlib.suppress(OSError):  # it has died: its end will tell why
            guest.container.write(payload, time.monotonic() + self.patience_s)
        return guest

    def forget(self, guest: _Guest) -> None:
        """Let go of a guest that has ended."""
        with self._lock:
            self._guests.discard(guest)

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed


class _Guest:
    """A guest in its container, as the host holds it."""

    def __init__(self, container: Container, events: _Events) -> None:
        self.container = container
        self.started = False
        self.reported = False
        """Whether its porter has told its end, and so ends by itself."""
        self.end: End | None = None
        self._events = events
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        """Pass on each message of the porter, and None at the end of its output."""
        rest = b""
        while data := self.container.read():
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._events.put((self, line))
            if len(rest) > _LINE_CAP:
                break
        self._events.put((self, None))

    def send(self, to: str, data: bytes | None, deadline: float | None = None) -> None:
        """Send bytes to a descriptor of the guest, None to close it."""
        lines = []
        for start in range(0, len(data or b"x"), _CHUNK):
            part = None if data is None else base64.b64encode(data[start : start + _CHUNK]).decode()
            lines.append(json.dumps({"to": to, "data": part}).encode() + b"\n")
        with contextlib.suppress(OSError):  # it has died, or it will be stopped for not reading
            self.container.write(b"".join(lines), deadline or time.monotonic() + 60)

    def interrupt(self) -> None:
        """Ask the porter to kill the guest and to say what was printed."""
        with contextlib.suppress(OSError):
            self.container.write(b'{"kill": true}\n', time.monotonic() + _LAST_WORDS_S)

    def join(self) -> None:
        """End the container and wait until nothing more comes from it."""
        self.container.kill(_GRACE_S if self.reported else 0.0)
        while self._reader.is_alive():
            with contextlib.suppress(queue.Empty):
                self._events.get(timeout=0.01)
        self.container.close()


_Events = queue.Queue[tuple[_Guest, bytes | None]]


def _verdict(message: dict[str, Any], _: int) -> str | None:
    """Return why a test failed, empty when it passed; None when the message is no verdict."""
    failure = message.get("failure")
    return failure if isinstance(failure, str) else None


def _check_calls(containers: _Containers, code: str, calls: Sequence[Call], entry: str) -> Outcome:
    def failure(message: dict[str, Any], number: int) -> str | None:
        return cases.call_failure(calls[number], message["answer"]) if "answer" in message else None

    candidate = containers.start("calls")
    request = {"code": code, "entry": entry, "calls": [cases.arguments(call) for call in calls]}
    candidate.send("wire", wire.pack(request, _LINE_CAP))
    return replace(containers.judged(candidate, candidate, len(calls), failure), mode="calls")


class _Containers:
    """The containers of one call and what they say; leaving the ``with`` block ends them."""

    def __init__(self, sandbox: ContainerSandbox, limits: Limits) -> None:
        self._sandbox = sandbox
        self._limits = limits
        self._guests: list[_Guest] = []
        self._events: _Events = queue.Queue(64)
        self._cancel = Cancel.current()
        self._reached = contextlib.ExitStack()
        self.clock = Clock(limits, sandbox.patience_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reached.close()
        for guest in self._guests:
            guest.join()
            self._sandbox.forget(guest)
        if self._cancel:  # what a killed container says of its end is no fault
            self._cancel.raise_if_cancelled()

    def start(self, role: str, stdin: str = "") -> _Guest:
        """Start one more container."""
        guest = self._sandbox.open_guest(role, self._limits, stdin, self._events)
        self._guests.append(guest)
        if self._cancel:
            self._reached.enter_context(self._cancel.reaching(guest.container.kill))
        return guest

    def _words(self) -> Iterator[tuple[_Guest, str, bytes | None]]:
        """Yield what guests send, ``(guest, descriptor, bytes)``, and their ends, until the time is over."""
        while (left := self.clock.left()) > 0:
            try:
                guest, line = self._events.get(timeout=left)
            except queue.Empty:
                continue
            word = self._take(guest, line)
            if word:
                yield guest, *word
        if self.clock.over is None:
            raise SandboxFaultError(
                f"no container within {self._sandbox.patience_s:g} s: {self._complaint()}"
            )

    def _complaint(self) -> str:
        said = [text for guest in self._guests if (text := safe(guest.container.complaint()))]
        return said[0] if said else "it ended without a word"

    def _take(self, guest: _Guest, line: bytes | None) -> tuple[str, bytes | None] | None:
        """Read one message of a porter; returns what it passes on of its guest, or the guest's end."""
        if line is None:
            if guest.end is None:
                guest.end = self._unexpected(guest)
            return "end", None
        try:
            message = json.loads(line)
            if "started" in message:
                guest.started = True
                if all(each.started for each in self._guests):
                    self.clock.start()
                return None
            if "status" in message:
                guest.reported = True
                guest.end = End(
                    status=int(message["status"]),
                    cpu_s=float(message["cpu_s"]),
                    peak_mb=float(message["peak_mb"]),
                    printed=base64.b64decode(message["printed"])[: self._limits.output_kb << 10],
                    size=int(message["size"]),
                )
                return "end", None
            data = message["data"]
            return str(message["from"]), None if data is None else base64.b64decode(data)
        except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
            raise wire.WireError("what is no message of a porter") from None

    def _unexpected(self, guest: _Guest) -> End:
        """Return the end of a container that has gone without a report."""
        if self._sandbox.closed:
            raise SandboxFaultError("the sandbox was closed")
        if not guest.started:
            raise SandboxFaultError(f"the container did not start: {self._complaint()}")
        return End(status=-9, cpu_s=0.0, peak_mb=0.0, printed=b"", size=0)

    def _finish(self, *guests: _Guest) -> None:
        """Get the last words of guests that have not ended yet."""
        for guest in guests:
            if guest.end is None:
                guest.interrupt()
        deadline = time.monotonic() + _LAST_WORDS_S
        while any(guest.end is None for guest in guests):
            try:
                guest, line = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
                self._take(guest, line)
            except (queue.Empty, wire.WireError):
                break
        for guest in guests:
            guest.end = guest.end or End(status=-9, cpu_s=0.0, peak_mb=0.0, printed=b"", size=0)

    def outcome(self, program: _Guest, desk: Desk | None = None) -> Outcome:
        """Wait for a program's result, answer its requests meanwhile, and sum up."""
        result = self._result(program, desk)
        self._finish(program)
        assert program.end is not None
        killed_by, error = program.end.fate(self.clock, result)
        return Outcome(
            value=None if error else result.get("value"),
            error=error,
            stdout=program.end.text(),
            killed_by=killed_by,
            cpu_s=program.end.cpu_s,
            wall_s=self.clock.spent(),
            peak_mb=program.end.peak_mb,
            level=self._sandbox.level,
        )

    def _result(self, program: _Guest, desk: Desk | None) -> dict[str, Any]:
        buffer = wire.Buffer()
        try:
            for _, name, data in self._words():
                if name == "end":
                    break
                if name == "peer" and desk and data:
                    for answer in desk.answers(data):
                        program.send("peer", answer, time.monotonic() + self.clock.left())
                elif name == "wire" and data:
                    buffer.feed(data)
                    if (body := buffer.take()) is not None:
                        result = wire.unpack(body)
                        return result if isinstance(result, dict) else {"error": "the program sent no result"}
        except wire.WireError as error:
            return {"error": f"the program sent {error}"}
        return {}

    def judged(
        self,
        judge: _Guest,
        candidate: _Guest,
        count: int,
        verdict: Callable[[dict[str, Any], int], str | None] = _verdict,
    ) -> Outcome:
        """Carry words between judge and candidate, collect the verdicts, one a test, and sum up.

        ``verdict`` makes one of a message and the number of its test, or None of the last message.
        """
        failures: list[str] = []
        result: dict[str, Any] = {}
        try:
            for message in self._verdicts(judge, candidate):
                failure = verdict(message, len(failures)) if len(failures) < count else None
                if failure is None:
                    result = message
                    break
                failures.append(shorten(failure))
        except wire.WireError as error:
            result = {"error": f"the judge or the candidate sent {error}"}
        self._finish(*self._guests)
        assert judge.end is not None
        assert candidate.end is not None
        complete = "done" in result and len(failures) == count
        if result.get("gone"):
            killed_by, error_text = candidate.end.fate(self.clock, {})
        else:
            killed_by, error_text = judge.end.fate(self.clock, result)
        if not complete and error_text is None:
            error_text = "the tests ended before the last one"
        failures = failures[:count]
        failures += [f"not reached: {error_text}"] * (count - len(failures))
        return Outcome(
            error=error_text,
            stdout=candidate.end.text(),
            killed_by=killed_by,
            passed=tuple(not failure for failure in failures),
            failures=tuple(failures),
            cpu_s=sum(guest.end.cpu_s for guest in self._guests if guest.end),
            wall_s=self.clock.spent(),
            peak_mb=max(guest.end.peak_mb for guest in self._guests if guest.end),
            level=self._sandbox.level,
        )

    def _verdicts(self, judge: _Guest, candidate: _Guest) -> Iterator[dict[str, Any]]:
        buffer = wire.Buffer()
        for guest, name, data in self._words():
            if guest is judge and name == "wire" and data:
                buffer.feed(data)
                while (body := buffer.take()) is not None:
                    message = wire.unpack(body)
                    yield message if isinstance(message, dict) else {}
            elif guest is judge and name == "end":
                return
            elif guest is judge and name == "peer" and data:
                candidate.send("wire", data, time.monotonic() + self.clock.left())
            elif guest is candidate and (name == "wire" or name == "end"):
                judge.send("peer", data, time.monotonic() + self.clock.left())


class Child:
    """A container that a command of this machine runs, with pipes to it.

    Args:
        command: The engine's command line, :data:`PYTHON` and the size included.
        environment: All the variables that the engine is given.
        remove: A command that ends the container, where killing ``command`` is not enough.

    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, remove: Sequence[str] = ()
    ) -> None:
        self._remove = list(remove)
        self._environment = dict(environment)
        self._process = subprocess.Popen(
            list(command), env=self._environment, cwd="/", bufsize=0, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._input, self._output, self._errors = (
            stream.fileno() for stream in (self._process.stdin, self._process.stdout, self._process.stderr)
        )
        os.set_blocking(self._input, False)
        os.set_blocking(self._errors, False)

    def write(self, data: bytes, deadline: float) -> None:
        """Write to its standard input; raises :class:`OSError` when it has gone or does not read in time."""
        poll = select.poll()
        poll.register(self._input, select.POLLOUT)
        view = memoryview(data)
        while view:
            if not poll.poll(1000 * max(0.0, deadline - time.monotonic())):
                raise TimeoutError("the container does not read")
            with contextlib.suppress(BlockingIOError):
                view = view[os.write(self._input, view[:_CHUNK]) :]

    def read(self) -> bytes:
        """Return more of its standard output, nothing when it has ended; blocks."""
        return os.read(self._output, 1 << 16)

    def complaint(self) -> str:
        """Return the last line that the engine wrote on standard error."""
        try:
            lines = os.read(self._errors, 1 << 16).decode(errors="replace").strip().splitlines()
        except (BlockingIOError, ValueError):
            return ""
        return lines[-1] if lines else ""

    def kill(self, grace_s: float = 0.0) -> None:
        """End it and everything in it, unless it ends by itself within ``grace_s`` seconds."""
        deadline = time.monotonic() + grace_s
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)  # Popen.wait sleeps for as long as 50 ms
        if self._process.returncode is not None:
            return
        _kill_with_children(self._process)
        if self._remove:
            try:
                subprocess.run(
                    self._remove, env=self._environment, cwd="/", capture_output=True, check=False, timeout=60
                )
            except subprocess.TimeoutExpired:
                raise SandboxFaultError(f"{self._remove[0]} does not end a container") from None

    def close(self) -> None:
        """Free what is left of a container that has ended."""
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream:
                stream.close()


def _kill_with_children(process: subprocess.Popen[bytes]) -> None:
    """Kill a launcher and what it has started: killed very early, it has not yet tied its child to itself."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    except OSError:  # not on Linux
        children = []
    for pid in (process.pid, *map(int, children)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
