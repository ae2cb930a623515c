"""The sandbox of this machine: a fork server, and every program in a jail of its own.

See ``docs/sandbox.md`` for what is promised and what is not.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from sandboxes import cases, wire
from sandboxes.environment import site_packages
from sandboxes.execution import answer, killer, overtime, safe, shorten
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

    from sandboxes.sandbox import Broker, Json, Limit, Tests

_BOOT = """
import sys, types
package = types.ModuleType("sandboxes")
package.__path__ = [sys.argv[1]]
sys.modules["sandboxes"] = package
from sandboxes.forkserver import main
main(int(sys.argv[2]), *sys.argv[3:6])
"""
_REQUEST_CAP = 16 << 20
_PATIENCE_S = 60.0
"""Seconds in which the fork server must answer before it counts as broken."""
_LONGEST_KIT = 60_000
"""Bytes of a kit, as JSON, that fit into one message."""
_IDLE_JUDGES = 64
"""How many judges are kept for the next candidate of their tests, about 1.5 MB each."""
_GRACE_S = 0.05
"""Seconds in which a process that has said its last word must have ended, before it is killed."""
_DEFAULT = Limits()


class ProcessSandbox:
    """Runs programs on this Linux machine, in forks of a jailed interpreter, without privileges or an engine.

    Programs see the same Python and its standard library, a small writable folder, and nothing else of the
    machine. The hash seed and the state of ``random`` are the same in every run, on purpose: the same
    program gives the same result. Safe to use from many threads; at most ``slots`` calls of :meth:`run` and
    :meth:`check` are under way at a time, so that programs on a busy machine do not time out because of each
    other.

    Args:
        level: ``L2`` or ``L1`` to insist on a level of isolation; by default the best that can be had.
        accept_no_isolation: Whether to go on, with resource limits only, where not even ``L1`` can be had.
            Every program can then read the user's files and use the network.
        slots: How many programs are executed at the same time, twice the number of processors by default.
            Sessions wait for models most of the time and do not count.
        environment: A virtual environment whose packages programs may import, none by default.
        preload: Modules that the fork server imports for all programs, ``numpy`` for instance: it executes them.

    Raises:
        SandboxUnavailableError: The level or a module cannot be had here.

    """

    def __init__(
        self,
        *,
        level: Literal["L2", "L1"] | None = None,
        accept_no_isolation: bool = False,
        slots: int | None = None,
        environment: Path | None = None,
        preload: Sequence[str] = (),
    ) -> None:
        self._preloaded = " ".join(preload)
        self._packages = site_packages(environment) if environment else ""
        self._levels: tuple[str, ...] = (level,) if level else ("L2", "L1")
        if accept_no_isolation:
            self._levels += ("L0",)
        self._slots = threading.BoundedSemaphore(slots or 2 * (os.cpu_count() or 1))
        self._lock = threading.Lock()
        self._closed = False
        self._judges = _Judges()
        self._server = self._start()

    @property
    def level(self) -> str:
        """Isolation in force: ``L2``, ``L1`` or ``L0``."""
        return self._server.level

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every program and the fork server; calls under way raise :class:`SandboxFaultError`."""
        with self._lock:
            self._closed = True
            self._server.stop()
        self._judges.close()

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
        request = {"code": code, "entry": entry, "args": list(args)}
        with self._slots, self._program("run", limits, stdin=stdin) as program:
            program.send(request)
            clock = _Clock(limits)
            return replace(program.outcome(clock, program.result(clock)), mode="run")

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

        Tests of the form ``assert entry(literals) == literal`` count as calls. Calls and exchanges are compared
        on the host; the time limit holds for all calls together, and for each exchange. Other tests with
        ``entry`` run in a process of their own and the candidate in another one that never sees them: its
        function is called by value, with arguments and results of builtin types (instances of their
        subclasses arrive as the builtin). An exception of the candidate arrives as the builtin exception it
        is, or is derived from. Without ``entry`` the tests share the candidate's process and names, and a
        candidate can cheat.

        Raises:
            SandboxFaultError: The sandbox failed, not the program.

        """
        if all(isinstance(test, Exchange) for test in tests) and tests:
            return self._check_exchanges(code, cast("Sequence[Exchange]", tests), limits)
        with self._slots:
            if all(isinstance(test, Call) for test in tests) and tests:
                return self._check_calls(code, cast("Sequence[Call]", tests), str(entry), limits)
            sources = [str(test) for test in tests]
            if entry and (calls := cases.as_calls(sources, entry)):
                return self._check_calls(code, calls, entry, limits)
            if entry is None:
                with self._program("tests", limits) as program:
                    program.send({"code": code, "tests": sources, "setup": setup})
                    return replace(_judged(program, program, len(tests), limits), mode="inproc")
            ours, theirs = socket.socketpair()
            with ours, theirs, self._program("candidate", limits, wire_end=theirs) as candidate:
                theirs.close()
                candidate.send({"code": code, "entry": entry}, ours)
                ours.setblocking(True)  # the judge shares it
                with self._judge(_Tests(entry, tuple(sources), setup, limits)) as judge:
                    judge.hand_over(ours)
                    ours.close()
                    return replace(_judged(judge, candidate, len(tests), limits), mode="split")

    def _check_calls(self, code: str, calls: Sequence[Call], entry: str, limits: Limits) -> Outcome:
        def failure(message: dict[str, Any], number: int) -> str | None:
            if "answer" not in message:
                return None
            return cases.call_failure(calls[number], message["answer"], entry)

        request = {"code": code, "entry": entry, "calls": [cases.arguments(call) for call in calls]}
        with self._program("calls", limits) as program:
            program.send(request)
            return replace(_judged(program, program, len(calls), limits, failure), mode="calls")

    def _check_exchanges(self, code: str, exchanges: Sequence[Exchange], limits: Limits) -> Outcome:
        """Run a program once for each; limits hold for each run, and the first failure to end well is told."""
        runs = [self.run(code, stdin=exchange.stdin, limits=limits) for exchange in exchanges]
        return cases.summary(exchanges, runs)

    def session(
        self,
        program: str,
        task: Mapping[str, Json],
        broker: Broker,
        *,
        kit: str,
        limits: Limits = _DEFAULT,
        cancel: Cancel | None = None,
    ) -> Outcome:
        """Run an agent program, ``forward(task, kit)``, and call ``broker`` in this thread for each request.

        A request that is not one JSON object is answered with ``{"error": ...}``; one longer than 1 MiB ends
        the session. Time spent in the broker does not count against ``wall_s``, only against ``cap_s``.

        Raises:
            SandboxFaultError: The sandbox failed, not the program.
            SessionCancelledError: ``cancel``, or what covers this thread, was called; the program is ended at once,
                the call returns when a request that the broker is at has been answered.
            Exception: Whatever the broker raised; the program is ended first.

        """
        cancel = cancel or Cancel.current()
        ours, theirs = socket.socketpair()
        with ours, theirs, self._program("session", limits, peer=theirs, kit=kit) as agent:
            theirs.close()
            agent.send({"program": program, "task": dict(task), "kit": kit})
            clock = _Clock(limits)
            with cancel.reaching(agent.kill) if cancel else contextlib.nullcontext():
                result = agent.result(clock, _Desk(ours, broker, clock))
            if cancel:
                cancel.raise_if_cancelled()
            return replace(agent.outcome(clock, result), mode="session")

    # -- the fork server ----------------------------------------------------------------------------

    def _start(self) -> _Server:
        if sys.platform != "linux":
            raise SandboxUnavailableError(
                f"the process sandbox needs Linux, this is {sys.platform}; use a container or remote sandbox"
            )
        reasons = []
        for level in self._levels:
            try:
                return _Server(level, self._packages, self._preloaded)
            except SandboxUnavailableError as error:
                reasons.append(f"{level}: {error}")
        raise SandboxUnavailableError(
            f"no isolation can be had here ({'; '.join(reasons)}); allow unprivileged user namespaces, use a "
            "kernel with Landlock (6.2 or newer), or accept programs that can reach everything you can: "
            "ProcessSandbox(accept_no_isolation=True)"
        )

    def _ready(self) -> _Server:
        with self._lock:
            if self._closed:
                raise SandboxFaultError("the sandbox is closed")
            if self._server.broken:
                self._server.stop()
                try:
                    # Never a lower level than at first.
                    self._server = _Server(self._server.level, self._packages, self._preloaded)
                except SandboxUnavailableError as error:
                    raise SandboxFaultError(f"the fork server does not start again: {error}") from None
            return self._server

    @contextlib.contextmanager
    def _judge(self, tests: _Tests) -> Iterator[_Program]:
        """Lend a judge of these tests, one that waits or a new one; it goes back if it is as good as new."""
        judge = self._judges.take(tests)
        if judge is None or judge.broken:
            if judge:
                judge.close()
            judge = self._program("judge", tests.limits)
            judge.send({"tests": tests.tests, "setup": tests.setup, "entry": tests.entry, "lasting": True})
        cancel = Cancel.current()
        with contextlib.ExitStack() as stack:
            stack.push(judge)
            with cancel.reaching(judge.kill) if cancel else contextlib.nullcontext():
                yield judge
            if cancel:
                cancel.raise_if_cancelled()
            if judge.waits and judge.judging_s < tests.limits.cpu_s / 10:
                stack.pop_all()
                self._judges.give_back(tests, judge)

    def _program(
        self,
        role: str,
        limits: Limits,
        *,
        stdin: str = "",
        wire_end: socket.socket | None = None,
        peer: socket.socket | None = None,
        kit: str = "",
    ) -> _Program:
        server = self._ready()
        if kit:
            server.announce(kit)
        if limits.processes and server.level != "L2":
            raise SandboxUnavailableError(
                f"child processes need isolation level L2, in force is {server.level}: use processes=0"
            )
        try:
            return _Program(server, role, limits, stdin, wire_end, peer)
        except SandboxFaultError:
            if not server.broken:
                raise
            return _Program(self._ready(), role, limits, stdin, wire_end, peer)


class _Server:
    """A running fork server."""

    def __init__(self, level: str, packages: str = "", preloaded: str = "") -> None:
        """Start one and see that a program runs in it; raises :class:`SandboxUnavailableError` if not."""
        self.level = level
        self.broken = False
        self._lock = threading.Lock()
        self._kits: set[str] = set()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        errors = os.memfd_create("errors")
        try:
            with theirs:
                self._process = subprocess.Popen(
                    # -P -s -S, and an environment of one entry: as -I -S, which would not take the hash seed.
                    [str(Path(sys.executable).resolve()), "-P", "-s", "-S", "-X", "utf8", "-c", _BOOT,
                     str(Path(__file__).parent), str(theirs.fileno()), level, packages, preloaded],
                    env={"PYTHONHASHSEED": "0"},
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )  # fmt: skip
            self._greet(errors)
        finally:
            os.close(errors)
        self._try_out()

    def _greet(self, errors: int) -> None:
        self._control.settimeout(_PATIENCE_S)
        try:
            hello = json.loads(self._control.recv(1 << 16) or b"{}")
        except TimeoutError:
            hello = {}
        if "level" not in hello:
            self.stop()
            last = os.pread(errors, 1 << 16, 0).decode(errors="replace").strip().splitlines()
            raise SandboxUnavailableError(hello.get("fault") or (last or ["it does not start"])[-1])

    def _try_out(self) -> None:
        try:
            with _Program(self, "run", Limits(), "", None, None) as program:
                program.send({"code": "def f(x): return x + 1", "entry": "f", "args": [1]})
                result = program.result(_Clock(Limits()))
        except SandboxFaultError as error:
            result = {"error": str(error)}
        if result != {"value": 2}:
            self.stop()
            raise SandboxUnavailableError(str(result.get("error", "a program does not run in it")))

    def fork(self, role: str, limits: Limits, report: int, places: dict[int, int]) -> None:
        """Have a program forked; raises :class:`SandboxFaultError` when the server is gone.

        Args:
            role: What it will be.
            limits: What it may use.
            report: The socket on which the server tells of it.
            places: The descriptors it gets, by the numbers they will have.

        """
        request = {"role": role, "limits": _fields(limits), "places": list(places)}
        self._send(request, [report, *places.values()])

    def announce(self, kit: str) -> None:
        """Have a kit loaded for the sessions to come."""
        if kit not in self._kits and len(json.dumps(kit)) < _LONGEST_KIT:
            self._kits.add(kit)
            self._send({"kit": kit}, [])

    def _send(self, message: dict[str, Any], fds: list[int]) -> None:
        try:
            with self._lock:
                socket.send_fds(self._control, [json.dumps(message).encode()], fds)
        except OSError as error:
            self.broken = True
            raise SandboxFaultError(f"the fork server has gone: {error}") from None

    def stop(self) -> None:
        """End the server and everything in it."""
        self.broken = True
        self._control.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@dataclass
class _Clock:
    """Measures one execution; it starts when the program does."""

    limits: Limits
    asked: float = field(default_factory=time.monotonic)
    started: float | None = None
    """When the program started, on this machine's monotonic clock; None until that is known."""
    waited: float = 0.0
    """Seconds spent in the broker."""
    over: Limit | None = None
    """The limit that time ran into."""

    def left(self) -> float:
        """Return the seconds until the next limit, or until it may be reached when the start is not known.

        Zero or less, and noted in ``over``, when it is reached.
        """
        spent = self.spent()
        wall = self.limits.wall_s - (spent - self.waited)
        cap = self.limits.cap_s - spent
        if min(wall, cap) <= 0 and self.started:
            self.over = self.over or ("wall" if wall <= 0 else "cap")
        return min(wall, cap)

    def spent(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - (self.started or self.asked)


class _Desk:
    """Where the requests of a session are answered."""

    def __init__(self, channel: socket.socket, broker: Broker, clock: _Clock) -> None:
        self.channel = channel
        self._broker = broker
        self._clock = clock
        self._buffer = wire.Buffer()
        self._unsent = bytearray()

    def waiting_for(self) -> int:
        """Return the poll events to serve: requests, unless too many answers are unread, and room for those."""
        return (select.POLLIN if len(self._unsent) < wire.CAP else 0) | (
            select.POLLOUT if self._unsent else 0
        )

    def serve(self) -> bool:
        """Answer what has come in; returns False when the program has closed its end.

        Never blocks on a program that asks much and reads nothing.

        Raises:
            wire.WireError: The program does not keep to the protocol.

        """
        try:
            data = self.channel.recv(1 << 16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            data = None
        except ConnectionError:
            data = b""
        self._buffer.feed(data or b"")
        while len(self._unsent) < wire.CAP and self._clock.left() > 0:
            body = self._buffer.take()
            if body is None:
                break
            started = time.monotonic()
            self._unsent += answer(self._broker, body)
            self._clock.waited += time.monotonic() - started
            self._send()
        self._send()
        return data != b""

    def _send(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            del self._unsent[: self.channel.send(self._unsent, socket.MSG_DONTWAIT)]


@dataclass(frozen=True)
class _Tests:
    """What a judge judges by."""

    entry: str
    tests: tuple[str, ...]
    setup: str
    limits: Limits


class _Judges:
    """Judges that wait for another candidate of the same tests; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[_Tests, list[_Program]] = {}
        self._count = 0

    def take(self, tests: _Tests) -> _Program | None:
        """Return a judge of these tests, None when there is none."""
        with self._lock:
            return self._remove(tests) if tests in self._idle else None

    def give_back(self, tests: _Tests, judge: _Program) -> None:
        """Keep a judge; when they are too many, any one of them leaves."""
        with self._lock:
            self._idle.setdefault(tests, []).append(judge)
            self._count += 1
            leaving = None
            if self._count > _IDLE_JUDGES:
                leaving = self._remove(random.choice(list(self._idle)))  # noqa: S311
        if leaving:
            leaving.close()

    def close(self) -> None:
        """End all that wait."""
        with self._lock:
            while self._idle:
                self._remove(next(iter(self._idle))).close()

    def _remove(self, tests: _Tests) -> _Program:
        self._count -= 1
        judge = self._idle[tests].pop()
        if not self._idle[tests]:
            del self._idle[tests]
        return judge


class _Program:
    """One jailed process, as the host holds it; leaving the ``with`` block ends it."""

    def __init__(
        self,
        server: _Server,
        role: str,
        limits: Limits,
        stdin: str,
        wire_end: socket.socket | None,
        peer: socket.socket | None,
    ) -> None:
        self._server = server
        self._limits = limits
        self.level = server.level
        self.started: float | None = None
        self.waits = False
        """Of a judge: whether it is ready for the next candidate."""
        self.judging_s = 0.0
        """Of a judge: CPU seconds it has used, as it says itself."""
        self.leaves = False
        """Whether it will end by itself."""
        self._stopped = False
        """Whether the host ended it."""
        self._last: dict[str, Any] | None = None
        self._wire: socket.socket | None = None
        self._cancel = (
            None if role == "judge" else Cancel.current()
        )  # a judge outlives the call that needs it
        with contextlib.ExitStack() as mine, contextlib.ExitStack() as theirs:
            self._report, report_end = map(
                mine.enter_context, socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            )
            theirs.enter_context(report_end)
            if wire_end is None:
                self._wire, wire_end = map(mine.enter_context, socket.socketpair())
                theirs.enter_context(wire_end)
            self._output = os.memfd_create("output")
            mine.callback(os.close, self._output)
            places = {3: wire_end.fileno(), 1: self._output}
            if stdin:
                places[0] = os.memfd_create("input")
                theirs.callback(os.close, places[0])
                _fill(places[0], stdin.encode("utf-8", "surrogatepass"))
            if peer:
                places[4] = peer.fileno()
            server.fork(role, limits, report_end.fileno(), places)
            if self._cancel:
                mine.enter_context(self._cancel.reaching(self.kill))
            self._owned = mine.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.end()
        except SandboxFaultError:
            if kind is None:
                raise
        finally:
            self._owned.close()
        if kind is None and self._cancel:
            self._cancel.raise_if_cancelled()

    def close(self) -> None:
        """End the process and let go of it, whatever has become of it."""
        with contextlib.suppress(SandboxFaultError), self:
            pass

    @property
    def broken(self) -> bool:
        """Whether the fork server that it belongs to has gone."""
        return self._server.broken

    def send(self, request: dict[str, Any], channel: socket.socket | None = None) -> None:
        """Send the request that the process waits for."""
        channel = channel or self._wire
        assert channel is not None
        channel.settimeout(_PATIENCE_S)
        with contextlib.suppress(ConnectionError, TimeoutError):  # it has died: its end will tell why
            channel.sendall(wire.pack(request, _REQUEST_CAP))

    def hand_over(self, channel: socket.socket) -> None:
        """Give a judge the channel to its next candidate."""
        assert self._wire is not None
        self.waits = False
        with contextlib.suppress(ConnectionError, TimeoutError):
            socket.send_fds(self._wire, [b"."], [channel.fileno()])

    def frames(
        self, clock: _Clock, desk: _Desk | None = None, first: _Program | None = None
    ) -> Iterator[bytes]:
        """Yield what the process sends until it ends or its time is over.

        Args:
            clock: Its time.
            desk: Where its requests are answered meanwhile.
            first: The process with whose start the time begins, if it is another one.

        """
        assert self._wire is not None
        buffer = wire.Buffer()
        poll = select.poll()
        poll.register(self._wire, select.POLLIN)
        while (left := clock.left()) > 0 or (first or self).starts(clock):
            if desk:
                poll.register(desk.channel, desk.waiting_for())
            ready = {fd for fd, _ in poll.poll(max(left, 0) * 1000 + 1)}
            if self._wire.fileno() in ready:
                data = _receive(self._wire)
                buffer.feed(data)
                while (body := buffer.take()) is not None:
                    yield body
                if not data:
                    return
            elif desk and desk.channel.fileno() in ready and not desk.serve():
                poll.unregister(desk.channel)
                desk = None

    def starts(self, clock: _Clock) -> bool:
        """Wait for the start, which the server tells at once; returns False when it was known already."""
        if clock.started:
            return False
        if self.started is None:
            self._hear("does not answer")
        clock.started = self.started
        return True

    def result(self, clock: _Clock, desk: _Desk | None = None) -> dict[str, Any]:
        """Return the one result that the process sends, an empty object when there is none."""
        try:
            for body in self.frames(clock, desk):
                self.leaves = True
                result = wire.unpack(body)
                return (
                    result
                    if isinstance(result, dict)
                    else {"error": "the program sent no result but a value"}
                )
        except wire.WireError as error:
            return {"error": f"the program sent {error}"}
        self.leaves = not clock.over
        return {}

    def _hear(self, fault: str, seconds: float = _PATIENCE_S) -> bool:
        """Take the next message of the fork server; returns whether it was the last one.

        ``fault`` is what the server does when it says nothing for so long.
        """
        self._report.settimeout(seconds)
        try:
            message = self._report.recv(1 << 16)
        except ConnectionError:
            message = b""
        except TimeoutError:
            self._server.broken = True
            raise SandboxFaultError(f"the fork server {fault}") from None
        if not message:
            self._server.broken = True
            raise SandboxFaultError("the fork server died")
        told = json.loads(message)
        if "fault" in told:
            raise SandboxFaultError(told["fault"])
        self.started = told.get("started", self.started)
        self._last = told if "status" in told else None
        return self._last is not None

    def end(self) -> dict[str, Any]:
        """Kill the process, if it still is, and return how it ended."""
        while self._last is None:
            if not (self.leaves and self._tells_soon()):
                self.kill()
                self.leaves, self._stopped = False, True
            self._hear("does not end a program")
        return self._last

    def kill(self) -> None:
        """Have the process killed, from any thread."""
        with contextlib.suppress(OSError):
            self._report.shutdown(socket.SHUT_WR)

    def _tells_soon(self) -> bool:
        poll = select.poll()
        poll.register(self._report, select.POLLIN)
        return bool(poll.poll(_GRACE_S * 1000))

    def outcome(self, clock: _Clock, result: dict[str, Any]) -> Outcome:
        """Sum up an execution that sent ``result``; an empty one says that it sent none."""
        end = self.end()
        clock.started = clock.started or self.started
        killed_by, error = self.fate(clock, result)
        return Outcome(
            value=None if error else result.get("value"),
            error=error,
            stdout=self.output(),
            killed_by=killed_by,
            cpu_s=end["cpu_s"],
            wall_s=clock.spent(),
            peak_mb=end["peak_mb"],
            level=self._server.level,
        )

    def fate(self, clock: _Clock, result: dict[str, Any]) -> tuple[Limit | None, str | None]:
        """Return which limit ended the process, if one did, and its error, if there is one."""
        limits = self._limits
        if clock.over:
            return clock.over, overtime(clock.over, limits)
        flooded = os.fstat(self._output).st_size >= limits.file_mb << 20
        if "error" in result:
            limit: Limit | None = "memory" if result.get("memory") is True else "output" if flooded else None
            return limit, shorten(str(result["error"]))
        if "value" in result or "done" in result:
            return None, None
        end = self.end()
        status = end["status"]
        if status >= 0:
            return None, f"the program ended its process (exit status {status}) before it was done"
        killed = status == -signal.SIGKILL
        if killed and (found := killer(end["cpu_s"], end["peak_mb"], limits)):
            return found
        if killed and self._stopped:
            return None, "the program closed its channel to the host and went on"
        return "signal", f"the program was killed by {signal.Signals(-status).name}"

    def output(self) -> str:
        """Return what the process printed, cut at the limit."""
        keep = self._limits.output_kb << 10
        text = safe(os.pread(self._output, keep, 0).decode("utf-8", "backslashreplace"))
        more = os.fstat(self._output).st_size - keep
        return text + (f"\n[... {more} more bytes cut]" if more > 0 else "")


def _verdict(message: dict[str, Any], _: int) -> str | None:
    """Return why a test failed, empty when it passed; None when the message is no verdict."""
    failure = message.get("failure")
    return failure if isinstance(failure, str) else None


def _judged(
    judge: _Program,
    candidate: _Program,
    count: int,
    limits: Limits,
    verdict: Callable[[dict[str, Any], int], str | None] = _verdict,
) -> Outcome:
    """Collect verdicts, one a test, and sum up; the candidate may be its own judge.

    ``verdict`` makes one of a message and the number of its test, or None of the last message.
    """
    clock = _Clock(limits)
    failures: list[str] = []
    result: dict[str, Any] = {}
    both = judge is not candidate
    judging_s = judge.judging_s
    try:
        for body in judge.frames(clock, first=candidate):
            message = wire.unpack(body)
            if not isinstance(message, dict):
                break
            failure = verdict(message, len(failures)) if len(failures) < count else None
            if failure is None:
                result = message
                break
            failures.append(shorten(failure))
    except wire.WireError as error:
        result = {"error": f"the judge sent {error}"}
    candidate.leaves = bool(result)
    end = candidate.end()
    peak_mb = end["peak_mb"]
    if both and isinstance(used := result.get("cpu_s"), float):
        judge.waits, judge.judging_s = True, used
    elif both:
        judge_end = judge.end()
        judge.judging_s, peak_mb = judge_end["cpu_s"], max(peak_mb, judge_end["peak_mb"])
    clock.started = clock.started or candidate.started
    complete = "done" in result and len(failures) == count
    if result.get("gone"):
        killed_by, error_text = candidate.fate(clock, {})
    else:
        killed_by, error_text = judge.fate(clock, result)
    if not complete and error_text is None:
        error_text = "the tests ended before the last one"
    failures = failures[:count]
    failures += [f"not reached: {error_text}"] * (count - len(failures))
    return Outcome(
        error=error_text,
        stdout=candidate.output(),
        killed_by=killed_by,
        passed=tuple(not failure for failure in failures),
        failures=tuple(failures),
        cpu_s=end["cpu_s"] + (judge.judging_s - judging_s if both else 0.0),
        wall_s=clock.spent(),
        peak_mb=peak_mb,
        level=candidate.level,
    )


@functools.lru_cache(64)
def _fields(limits: Limits) -> dict[str, Any]:
    return asdict(limits)


def _receive(channel: socket.socket) -> bytes:
    """Return what has come in, nothing when the other side has gone."""
    try:
        return channel.recv(1 << 16, socket.MSG_DONTWAIT)
    except ConnectionError:
        return b""


def _fill(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
