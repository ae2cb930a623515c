"""What a jailed process does: run a program, judge a candidate, or be one.

The one place of the package where code that nobody has read is executed; a process comes here only after the
jail is closed around it. Standard library and the neighbouring :mod:`sandboxes.wire` only.

Descriptors: 0 standard input, 1 and 2 output, 3 the wire (requests in, results out), 4 the peer: the broker
of a session, or the candidate of a judge.

Judge and candidate are two processes forked apart from each other by the fork server. Between them travel
calls and answers, by value, as exact builtin types (:func:`encode`, :func:`decode`): an object that is equal
to everything, a patched ``assert`` or a walk over the frames stays in the candidate's own process, where no
test is.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import io
import linecache
import os
import random
import reprlib
import socket
import sys
import threading
import time
import traceback
import types
from typing import TYPE_CHECKING, Any, NoReturn

from sandboxes import wire

if TYPE_CHECKING:
    from collections.abc import Callable

_WIRE, _PEER = 3, 4
_VALUE_CAP = 16 << 20
"""Bytes of one call or answer between judge and candidate."""
_DEPTH = 100
_TEXT = 4000
"""Characters of a traceback or message."""

Namespace = dict[str, Any]


# -- values that cross between judge and candidate --------------------------------------------------


def encode(value: object, depth: int = 0) -> Any:
    """Return a JSON value that stands for a builtin value.

    ``None``, booleans, text, small integers, finite floats and lists stand for themselves; anything else is
    an object with its type as only key. Instances of subclasses (a ``Counter``, a named tuple) are sent as
    the builtin they are.

    Raises:
        TypeError: A value of another type, or nested too deeply.

    """
    if depth > _DEPTH:
        raise TypeError(f"a value nested more than {_DEPTH} levels deep cannot be passed on")
    if value is None or isinstance(value, (bool, str)):
        return value if value is None or isinstance(value, bool) else str.__str__(value)
    if isinstance(value, int):
        number = int(value)
        return number if number.bit_length() < 64 else {"int": hex(number)}
    if isinstance(value, float):
        number_text = float.__repr__(value)
        return {"float": number_text} if number_text in ("nan", "inf", "-inf") else float(value)
    if isinstance(value, complex):
        return {"complex": [encode(value.real), encode(value.imag)]}
    if isinstance(value, (bytes, bytearray)):
        return {type(value).__name__ if type(value) in (bytes, bytearray) else "bytes": bytes(value).hex()}
    if isinstance(value, range):
        return {"range": [encode(part) for part in (value.start, value.stop, value.step)]}
    return _encode_collection(value, depth + 1)


def _encode_collection(value: object, depth: int) -> Any:
    if isinstance(value, list):
        return [encode(item, depth) for item in value]
    if isinstance(value, dict):
        return {"dict": [[encode(key, depth), encode(item, depth)] for key, item in value.items()]}
    for kind in (tuple, set, frozenset):
        if isinstance(value, kind):
            return {kind.__name__: [encode(item, depth) for item in value]}
    raise TypeError(f"a value of type {type(value).__name__!r} cannot be passed on, only builtin values can")


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "int": lambda body: int(body, 16),
    "float": float,
    "complex": lambda body: complex(decode(body[0]), decode(body[1])),
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "range": lambda body: range(*map(decode, body)),
    "dict": lambda body: {decode(key): decode(item) for key, item in body},
    "tuple": lambda body: tuple(map(decode, body)),
    "set": lambda body: set(map(decode, body)),
    "frozenset": lambda body: frozenset(map(decode, body)),
}


def decode(body: Any) -> Any:
    """Return the builtin value that :func:`encode` made ``body`` from.

    Raises:
        wire.WireError: ``body`` stands for nothing.

    """
    if body is None or type(body) in (bool, int, float, str):
        return body
    if type(body) is list:
        return [decode(item) for item in body]
    try:
        ((kind, inner),) = body.items()
        return _DECODERS[kind](inner)
    except (
        AttributeError,
        KeyError,
        IndexError,
        TypeError,
        ValueError,
        OverflowError,
        RecursionError,
    ) as error:
        raise wire.WireError(f"not a value: {type(error).__name__}") from None


# -- sources and errors -----------------------------------------------------------------------------


def _load(source: str, name: str, module: str) -> Namespace:
    """Execute a source as a module of its own and return its namespace."""
    namespace = types.ModuleType(module)
    sys.modules[module] = namespace
    _execute(source, f"<{name}>", namespace.__dict__)
    return namespace.__dict__


def _execute(source: str, filename: str, namespace: Namespace) -> None:
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(_compile(source, filename), namespace)


@functools.lru_cache(64)
def _compile(source: str, filename: str) -> types.CodeType:
    return compile(source, filename, "exec", dont_inherit=True)


def _ours(filename: str) -> bool:
    return filename.startswith("<") and not filename.startswith("<frozen")


def _shorten(text: str, limit: int = _TEXT) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - limit} characters ...]\n{text[-half:]}"


def _explain() -> str:
    """Return the traceback of the exception being handled, with the program's own frames only."""
    kind, error, trace = sys.exc_info()
    try:
        frames = [frame for frame in traceback.extract_tb(trace) if _ours(frame.filename)]
        head = ["Traceback (most recent call last):\n"] if frames else []
        if len(frames) > 12:
            frames = [*frames[:4], *frames[-8:]]
        lines = head + traceback.format_list(frames) + traceback.format_exception_only(kind, error)
        return _shorten("".join(lines).rstrip())
    except BaseException:  # an exception may lie about everything, even its text
        return "an exception that cannot be shown"


def _failure() -> dict[str, Any]:
    """Return the result that stands for the exception being handled."""
    error = sys.exc_info()[1]
    return {"error": _explain(), "memory": isinstance(error, MemoryError)}


def _finish(result: dict[str, Any]) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):  # the program may have replaced it
            stream.flush()
    wire.send(_WIRE, result)
    os._exit(0)


def _answer(value: object) -> NoReturn:
    """Send what a program returned, and end."""
    result: dict[str, Any] = {"value": value}
    try:
        wire.pack(result)
    except wire.WireError as error:
        result = {"error": f"the returned value is too large: {error}"}
    except BaseException as error:
        result = {"error": _shorten(f"the returned value is not JSON: {type(error).__name__}: {error}")}
    _finish(result)


# -- roles ------------------------------------------------------------------------------------------


def _run() -> NoReturn:
    request = wire.receive(_WIRE, _VALUE_CAP)
    entry = request["entry"]
    value = None
    try:
        namespace = _load(request["code"], "program", "program" if entry else "__main__")
        if entry:
            value = _function(namespace, entry)(*request["args"])
        else:
            for thread in threading.enumerate():
                if thread is not threading.current_thread() and not thread.daemon:
                    thread.join()
    except SystemExit as error:
        if entry or error.code not in (None, 0):
            _finish(_failure())
    except BaseException:
        _finish(_failure())
    _answer(value)


def _function(namespace: Namespace, name: str) -> Callable[..., Any]:
    function = namespace.get(name)
    if not callable(function):
        raise NameError(f"the program defines no function {name!r}")  # noqa: TRY004
    return function  # type: ignore[no-any-return]


_kits: dict[str, types.ModuleType] = {}
"""Kits that the fork server was shown, by source: a session that is given one of them finds it loaded."""


def prepare_kit(source: str) -> None:
    """Load a kit for the sessions to come; one that fails is left for them to tell of."""
    with contextlib.suppress(Exception):
        _load(source, "kit", "kit")
        _kits[source] = sys.modules.pop("kit")


def _kit(source: str) -> Namespace:
    if source not in _kits:
        return _load(source, "kit", "kit")
    sys.modules["kit"] = _kits[source]
    return _kits[source].__dict__


def _session() -> NoReturn:
    request = wire.receive(_WIRE, _VALUE_CAP)
    lock = threading.Lock()

    def call(message: dict[str, Any]) -> Any:
        with lock:
            wire.send(_PEER, message)
            return wire.receive(_PEER)

    os.environ["ADAS_BROKER_FD"] = str(_PEER)
    try:
        task, kit = _kit(request["kit"])["build"](request["task"], call)
        program = _load(request["program"], "program", "program")
        value = _function(program, "forward")(task, kit)
    except BaseException:
        _finish(_failure())
    _answer(value)


def _candidate() -> NoReturn:
    request = wire.receive(_WIRE, _VALUE_CAP)
    try:
        function = _function(_load(request["code"], "candidate", "candidate"), request["entry"])
    except BaseException:
        _finish(_failure())
    wire.send(_WIRE, {"ready": True})
    while True:
        message = wire.receive(_WIRE, _VALUE_CAP)
        wire.send(_WIRE, _called(function, message), _VALUE_CAP)


def _calls() -> NoReturn:
    """Answer calls that the host made up, one frame each; it compares."""
    request = wire.receive(_WIRE, _VALUE_CAP)
    try:
        function = _function(_load(request["code"], "candidate", "candidate"), request["entry"])
    except BaseException:
        _finish(_failure())
    for message in request["calls"]:
        wire.send(_WIRE, {"answer": _called(function, message)}, _VALUE_CAP)
    _finish({"done": True})


def _called(function: Callable[..., Any], message: dict[str, Any]) -> dict[str, Any]:
    """Call the candidate; return its value and the arguments that it changed, or its exception."""
    arguments = decode(message["args"])
    try:
        value = function(*arguments, **decode(message["kwargs"]))
        after = [encode(item) for item in arguments]
        changed = {index: item for index, item in enumerate(after) if item != message["args"][index]}
        answer = {"value": encode(value), "changed": changed}
        wire.pack(answer, _VALUE_CAP)
    except BaseException as error:
        names = [kind.__name__ for kind in type(error).__mro__]
        try:
            details = encode(list(error.args))
            wire.pack(details, _TEXT)
        except BaseException:
            details = []
        return {"raised": names, "args": details, "trace": _explain()}
    return answer


class CandidateError(Exception):
    """An exception of the candidate that is of no builtin type."""


class _Gone(BaseException):
    """The candidate's process has ended or does not keep to the protocol."""


class Proxy:
    """Stands in the tests for the candidate's function."""

    def __init__(self, fd: int, name: str) -> None:
        self.__name__ = name
        self._fd = fd
        self.gone = ""
        """Why the candidate cannot be called any more."""
        self.ended = False
        """Whether that is because its process ended."""
        self.last = ""
        """The last call and what came of it."""

    def _exchange(self, message: dict[str, Any] | None) -> dict[str, Any]:
        if self.gone:
            raise _Gone(self.gone)
        try:
            if message is not None:
                wire.send(self._fd, message, _VALUE_CAP)
            answer = wire.receive(self._fd, _VALUE_CAP)
        except (EOFError, OSError):
            self.gone = "the candidate's process ended"
            self.ended = True
        except wire.WireError as error:
            self.gone = f"the candidate sent {error}"
        else:
            if type(answer) is dict:
                return answer
            self.gone = "the candidate sent an answer that is no object"
        raise _Gone(self.gone)

    def load(self) -> dict[str, Any]:
        """Return the candidate's first word: ready, or the error that kept it from getting so far."""
        return self._exchange(None)

    def __call__(self, *arguments: object, **named: object) -> Any:
        """Call the candidate; arguments that it changes are changed here too."""
        parts = [_show(item) for item in arguments]
        parts += [f"{key}={_show(item)}" for key, item in named.items()]
        self.last = f"{self.__name__}({', '.join(parts)})"
        message = {"args": [encode(item) for item in arguments], "kwargs": encode(dict(named))}
        answer = self._exchange(message)
        try:
            if "raised" in answer:
                error = _rebuilt(answer)
                self.last += f" raised {type(error).__name__}"
                raise error
            value = decode(answer["value"])
            changed = {int(index): decode(item) for index, item in answer["changed"].items()}
        except (wire.WireError, KeyError, AttributeError, ValueError) as error:
            if "raised" in answer:
                raise
            self.gone = f"the candidate sent a broken answer: {type(error).__name__}"
            raise _Gone(self.gone) from None
        for index, item in changed.items():
            if 0 <= index < len(arguments):
                _overwrite(arguments[index], item)
        self.last += f" returned {_show(value)}"
        return value


def _show(value: object) -> str:
    try:
        return reprlib.repr(value)
    except ValueError:
        return "a very large number"


def _overwrite(old: object, new: object) -> None:
    """Give a mutable argument the contents that the candidate left in its copy."""
    if isinstance(old, (list, bytearray)) and isinstance(new, type(old)):
        old[:] = new
    elif isinstance(old, (dict, set)) and isinstance(new, type(old)):
        old.clear()
        old.update(new)


def _rebuilt(answer: dict[str, Any]) -> Exception:
    """Return the exception that the candidate raised, as the nearest builtin type of the same name."""
    try:
        arguments = decode(answer["args"])
    except wire.WireError:
        arguments = []
    names = answer["raised"] if type(answer["raised"]) is list else []
    error: Exception | None = None
    for name in names:
        kind = getattr(builtins, name, None) if type(name) is str else None
        if isinstance(kind, type) and issubclass(kind, Exception) and kind is not Exception:
            try:
                error = kind(*arguments)
                break
            except TypeError:
                continue
    if error is None:
        error = CandidateError(": ".join(str(part) for part in (*names[:1], *arguments)))
    error.add_note(_shorten(str(answer.get("trace", ""))))
    return error


def _judge() -> NoReturn:
    request = wire.receive(_WIRE, _VALUE_CAP)
    if request.get("lasting"):
        _judge_many(request)
    _finish(_judgement(_PEER, request))


def _judge_many(request: dict[str, Any]) -> NoReturn:
    """Judge one candidate after the other: the host sends the descriptor of a channel to each."""
    channel = socket.socket(fileno=_WIRE)
    while True:
        _, fds, _, _ = socket.recv_fds(channel, 1, 1)
        if not fds:
            os._exit(0)
        random.seed(0)
        result = _judgement(fds[0], request)
        os.close(fds[0])
        with contextlib.suppress(OSError):  # what the tests printed is not wanted, and counts
            sys.stdout.flush()
            os.lseek(1, 0, os.SEEK_SET)
            os.ftruncate(1, 0)
        wire.send(_WIRE, {**result, "cpu_s": time.process_time()})


def _judgement(peer: int, request: dict[str, Any]) -> dict[str, Any]:
    """Run the tests against the candidate behind a descriptor, and send a verdict for each."""
    proxy = Proxy(peer, request["entry"])
    try:
        first = proxy.load()
        if "error" in first:
            return {"error": _shorten(str(first["error"])), "memory": first.get("memory") is True}
        namespace: Namespace = {"__name__": "tests"}
        _execute(request["setup"], "<setup>", namespace)
    except _Gone:
        return _last_word(proxy)
    except BaseException:
        return _failure()
    namespace[request["entry"]] = proxy
    for number, test in enumerate(request["tests"], 1):
        wire.send(_WIRE, {"failure": _verdict(test, number, namespace, proxy)})
    return _last_word(proxy)


def _last_word(proxy: Proxy) -> dict[str, Any]:
    """Return whether the candidate was there to the end; how its process ended, the host knows better."""
    if proxy.ended:
        return {"gone": True}
    return {"error": proxy.gone} if proxy.gone else {"done": True}


def _tests() -> NoReturn:
    """Run the tests in the candidate's own process: they can use everything it defines, and it can cheat."""
    request = wire.receive(_WIRE, _VALUE_CAP)
    try:
        namespace = types.ModuleType("candidate")
        sys.modules["candidate"] = namespace
        _execute(request["setup"], "<setup>", namespace.__dict__)
        _execute(request["code"], "<candidate>", namespace.__dict__)
    except BaseException:
        _finish(_failure())
    for number, test in enumerate(request["tests"], 1):
        wire.send(_WIRE, {"failure": _verdict(test, number, namespace.__dict__, None)})
    _finish({"done": True})


def _verdict(test: str, number: int, namespace: Namespace, proxy: Proxy | None) -> str:
    """Return why a test failed, empty when it passed."""
    filename = f"<test {number}>"
    if proxy:
        proxy.last = ""
    try:
        _execute(test, filename, namespace)
    except _Gone as error:
        return str(error)
    except BaseException as error:
        return _message(error, filename, proxy.last if proxy else "")
    return proxy.gone if proxy else ""


def _message(error: BaseException, filename: str, last: str) -> str:
    trace = sys.exc_info()[2]
    try:
        lines = [frame for frame in traceback.extract_tb(trace) if frame.filename == filename]
        text = f"{type(error).__name__}: {error}".removesuffix(": ")
        if lines:
            text += f"\n  at line {lines[-1].lineno} of the test: {lines[-1].line}"
        if last:
            text += f"\n  last call: {last}"
        notes = getattr(error, "__notes__", ())
        if notes:
            text += "\n" + "\n".join(notes)
        return _shorten(text, 2000)
    except BaseException:
        return "a failure that cannot be shown"


_ROLES: dict[str, Callable[[], NoReturn]] = {
    "run": _run,
    "session": _session,
    "candidate": _candidate,
    "calls": _calls,
    "judge": _judge,
    "tests": _tests,
}


def prepare(box: str) -> None:
    """Make this process what every role wants, and whatever is forked from it.

    Args:
        box: The working folder.

    """
    os.environ.clear()
    os.environ.update({"HOME": box, "TMPDIR": box, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"})
    sys.argv = [""]
    random.seed(0)
    # Not buffered beyond a line, so that what was printed is there when the program is killed.
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), "utf-8", "replace")
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(
            io.BufferedWriter(io.FileIO(fd, "w", closefd=False)),
            "utf-8",
            "backslashreplace",
            line_buffering=True,
        )
        for fd in (1, 2)
    )


_REHEARSAL = """
import collections, heapq, itertools, math, re
from typing import Any, Dict, List, Optional, Tuple

class Node:
    def __init__(self, value: int = 0) -> None:
        self.value = value
    def __eq__(self, other):
        return self.value == other.value

def f(items: List[int], *rest, key=None, **named) -> Optional[str]:
    seen, found = set(), {}
    for index, item in enumerate(sorted(items, key=lambda x: -x, reverse=True)):
        seen.add(item)
        found[str(item)] = found.get(str(item), 0) + index
    words = [word.strip().lower() for word in "One two,  Three".replace(",", " ").split() if word]
    text = " ".join(words[::-1])[:-1] + "".join(map(str, filter(None, range(9)))) + f"{len(words):>4}{math.sqrt(2):.3f}"
    count = collections.Counter(text)
    most = max(count.items(), key=lambda pair: pair[1])
    try:
        int("x")
    except ValueError as error:
        text += str(error)
    while len(seen) > 2 and not seen.isdisjoint(items):
        seen.pop()
    total = sum(a * b for a, b in zip(items, items[1:])) // 3 % 7 + abs(-1) + ord("a") + round(2.5)
    return text + str(all(isinstance(item, int) for item in items)) + str(any([])) + chr(total + 30)

assert f([3, 1, 2]) == f([3, 1, 2]) and Node(1) == Node(1)
"""


def rehearse() -> None:
    """Do, in the process that forks, what programs commonly do.

    The interpreter remembers attributes it has looked up and specialises code that it ran: every child then finds
    that done, where it would have to copy the pages for it.
    """
    for _ in range(10):
        program = _load(_REHEARSAL, "program", "program")
        for kind, value in (("args", [[3, 1, 2]]), ("value", {"a": ({1.5, None}, "b", b"c", 1 << 70)})):
            decode(wire.unpack(wire.pack({kind: encode(value)})[4:])[kind])
        program["f"]([1, 2])
        _called(program["f"], {"args": [[1, 2]], "kwargs": {"dict": []}})
        _verdict("assert f([1, 2]) == 1", 1, dict(program), None)
    del sys.modules["program"]
    linecache.clearcache()


def lend(packages: str) -> None:
    """Let programs import what is installed in a folder; its libraries keep to one thread each."""
    sys.path.append(packages)
    os.environ.update({"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"})


def play(role: str) -> NoReturn:
    """Play a role to its end, in a process that is prepared and shut in.

    Args:
        role: ``run``, ``session``, ``candidate``, ``calls``, ``judge`` or ``tests``.

    """
    try:
        _ROLES[role]()
    except (EOFError, OSError):  # whoever asked has gone
        os._exit(0)


def serve(role: str, box: str) -> NoReturn:
    """Prepare and play a role to its end."""
    prepare(box)
    play(role)
