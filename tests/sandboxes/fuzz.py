"""Hostile bytes for both protocols: what a candidate may send to judge and host, and an agent to its broker.

The frames are made by structure (values of the protocol with wrong parts, lengths that lie, bodies cut short, bytes
changed), and are sent by real programs in the jail. Each ``attack_*`` function drives one border with one example, and
raises when the other side crashed, hung, or let itself be told a verdict.
"""

from __future__ import annotations

import json
import socket
import struct
from dataclasses import replace

from hypothesis import strategies as st

from sandboxes import Call, Limits, Outcome, ProcessSandbox, guest, wire
from sandboxes.cases import call_failure

LIMITS = Limits(wall_s=20, cpu_s=10, memory_mb=256)
BRIEF = replace(LIMITS, wall_s=1)
"""For a candidate that may wait for its judge while the judge waits for the rest of its frame."""
SECRET = "8c6f1d7a52e94b03"
"""What the tests expect and no program knows."""
KIT = "def build(task, call): return task, call"

# -- bytes ------------------------------------------------------------------------------------------

_KINDS = [
    "int",
    "float",
    "complex",
    "bytes",
    "bytearray",
    "range",
    "dict",
    "tuple",
    "set",
    "frozenset",
    "object",
]
_KEYS = ["value", "changed", "raised", "args", "trace", "ready", "error", "memory", "failure", "done", "gone", "cpu_s",
         "answer", "op", "prompt", "n", "code", "tests", "0", "-1"]  # fmt: skip
_NAMES = [
    "ValueError",
    "SystemExit",
    "KeyError",
    "print",
    "UnicodeDecodeError",
    "ExceptionGroup",
    "OSError",
    "",
    "__import__",
]
_plain = (
    st.none() | st.booleans() | st.integers(-9, 9) | st.integers(-(1 << 300), 1 << 300) | st.floats()
    | st.text(max_size=9) | st.sampled_from([*_NAMES, "0x1", "f" * 5000, "\ud800", "nan"])
)  # fmt: skip
values = st.recursive(
    _plain,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(_KINDS), inner, min_size=1, max_size=1)
        | st.dictionaries(st.sampled_from(_KEYS) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=25,
)
messages = (
    st.fixed_dictionaries({"value": values, "changed": st.dictionaries(st.sampled_from(["0", "7", "-1", "x"]), values) | values})
    | st.fixed_dictionaries({"raised": st.lists(st.sampled_from(_NAMES) | values, max_size=6), "args": values, "trace": values})
    | st.fixed_dictionaries({"failure": values})
    | st.fixed_dictionaries({"answer": values})
    | st.fixed_dictionaries({"op": st.sampled_from(["llm", "run", "select", "vote", "log", "remaining", "call"]) | values,
                             "prompt": values, "n": values, "code": values, "tests": values})
    | st.sampled_from([{"ready": True}, {"done": True}, {"gone": True}, {"done": True, "cpu_s": 0.0}, {"error": "x", "memory": True}])
    | values
)  # fmt: skip


def _framed(body: bytes, lie: int = 0) -> bytes:
    return struct.pack("<I", (len(body) + lie) & 0xFFFFFFFF) + body


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """Return a frame that is right, or wrong in one of the ways a frame can be."""
    body = json.dumps(draw(messages)).encode()
    match draw(
        st.sampled_from(["right"] * 4 + ["cut", "changed", "lie", "deep", "twice", "raw", "empty", "huge"])
    ):
        case "cut":
            body = body[: draw(st.integers(0, len(body)))]
        case "changed" if body:
            place, byte = draw(st.integers(0, len(body) - 1)), draw(st.integers(0, 255))
            body = body[:place] + bytes([byte]) + body[place + 1 :]
        case "lie":
            return _framed(body, draw(st.integers(-9, 9) | st.integers(-(1 << 31), 1 << 31)))
        case "deep":
            depth = draw(st.integers(1, 2000))
            left, right = draw(st.sampled_from([(b"[", b"]"), (b'{"tuple":', b"}"), (b'{"value":[', b"]}")]))
            body = b'{"value": ' + left * depth + b"1" + right * depth + b', "changed": {}}'
        case "twice":
            body = b'{"done": true, "done": ' + body + b"}"
        case "raw":
            return draw(st.binary(max_size=60))
        case "empty":
            body = b""
        case "huge":
            body = b'"' + b"x" * draw(st.integers(0, 3 << 20)) + b'"'
    return _framed(body)


floods = st.lists(frames(), max_size=6).map(b"".join)

CHOPS = [1, 3, 100, 1 << 20]
"""Bytes that an agent sends at a time."""
READS = ["meanwhile", "afterwards", "never"]
"""When it reads the answers."""

# -- borders ----------------------------------------------------------------------------------------

_SAY = """
import os, threading
def say(fd, data):
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]
"""


def _quiet(outcome: Outcome) -> None:
    """Check what must hold of any outcome."""
    for text in (outcome.stdout, outcome.error or "", *outcome.failures):
        text.encode()
        assert len(text) < 100_000
    str(outcome.value)
    json.dumps(outcome.value)
    assert outcome.killed_by in (None, "wall", "cpu", "memory"), outcome
    assert SECRET not in outcome.stdout


def attack_judge(sandbox: ProcessSandbox, before: bytes, answer: bytes) -> None:
    """A candidate floods the judge when it is loaded and when it is called."""
    code = f"{_SAY}\nsay(3, {before!r})\ndef f(x):\n    say(3, {answer!r})\n    os._exit(0)"
    tests = [
        f"assert {SECRET!r} == f([1])",
        f"assert {SECRET!r} == f([2])",
    ]  # in this order they need a judge
    outcome = sandbox.check(code, tests, entry="f", limits=BRIEF)
    assert outcome.passed == (False, False), outcome
    _quiet(outcome)
    honest = sandbox.check(f"def f(x): return {SECRET!r}", tests, entry="f", limits=LIMITS)
    assert honest.passed == (True, True), honest


def attack_comparison(sandbox: ProcessSandbox, flood: bytes) -> None:
    """A candidate floods the host that compares its answers."""
    calls = [Call(([1],), SECRET), Call(([2],), {SECRET: [1]})]
    code = f"{_SAY}\ndef f(x):\n    say(3, {flood!r})\n    os._exit(0)"
    outcome = sandbox.check(code, calls, entry="f", limits=LIMITS)
    assert outcome.passed == (False, False), outcome
    _quiet(outcome)


def attack_host(sandbox: ProcessSandbox, flood: bytes, entry: bool) -> None:
    """A program floods the host in place of its result, or in the place of verdicts on itself."""
    code = f"{_SAY}\ndef f():\n    say(3, {flood!r})\n    os._exit(0)"
    if entry:
        _quiet(sandbox.run(code, entry="f", limits=LIMITS))
        return
    outcome = sandbox.check(code, ["f()", "assert False"], limits=LIMITS)
    assert len(outcome.passed) == len(outcome.failures) == 2
    assert not outcome.cheat_proof
    _quiet(outcome)


_BUILTIN = {
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    bytearray,
    range,
    list,
    tuple,
    dict,
    set,
    frozenset,
}


def attack_proxy(flood: bytes) -> None:
    """What stands for the candidate in a judge reads a flood, in this process."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        theirs.send(flood[:100_000])
        theirs.shutdown(socket.SHUT_WR)
        proxy = guest.Proxy(ours.fileno(), "f")
        for act in (proxy.load, lambda: proxy([1], {2: 3}), lambda: proxy([1]), lambda: proxy()):
            try:
                value = act()
            except (Exception, guest._Gone):  # noqa: BLE001 - what a test would get
                continue
            assert type(value) in _BUILTIN


def attack_decoder(value: object) -> None:
    """The decoder and the comparison of answers get any JSON value, in this process."""
    body = wire.unpack(wire.pack(value)[4:])
    try:
        decoded = guest.decode(body)
    except wire.WireError:
        decoded = None
    again = guest.decode(wire.unpack(wire.pack(guest.encode(decoded))[4:]))
    assert type(again) is type(decoded)
    for expected in (SECRET, [SECRET], {SECRET}, {SECRET: 1.5}, (1, (SECRET,)), range(77), 1e77):
        assert call_failure(Call((), expected, 1e-9), {"value": body}) != ""
        assert call_failure(Call((), expected), body) != ""


def _answers(flood: bytes) -> tuple[list[bool], bool]:
    """Return, for each frame, whether it is a request, and whether the stream breaks the protocol after them."""
    buffer, known = wire.Buffer(), []
    buffer.feed(flood)
    try:
        while (body := buffer.take()) is not None:
            try:
                known.append(type(wire.unpack(body, finite=True)) is dict)
            except wire.WireError:
                known.append(False)
    except wire.WireError:
        return known, True
    return known, False


_AGENT = (
    _SAY
    + """
def forward(task, kit):
    data, flags = bytes.fromhex(task["data"]), []

    def take(size):
        parts = b""
        while len(parts) < size: parts += os.read(4, size - len(parts)) or os._exit(0)
        return parts

    def read():
        for _ in range(task["expected"]): flags.append(b'"echo"' in take(int.from_bytes(take(4), "little"))[:9])

    reader = threading.Thread(target=read, daemon=True)
    if task["reads"] == "meanwhile": reader.start()
    for place in range(0, len(data), task["chop"]): say(4, data[place:place + task["chop"]])
    if task["reads"] == "afterwards": reader.start()
    if task["reads"] != "never": reader.join()
    return flags
"""
)


def attack_broker(sandbox: ProcessSandbox, flood: bytes, chop: int, reads: str) -> None:
    """An agent floods its broker in pieces and reads the answers ``meanwhile``, ``afterwards`` or ``never``."""
    expected, breaks = _answers(flood)
    task = {
        "data": flood.hex(),
        "expected": len(expected),
        "reads": reads,
        "chop": max(chop, len(flood) // 300),
    }
    asked = []

    def broker(request: dict) -> dict:
        asked.append(request)
        return {"echo": len(asked)}

    outcome = sandbox.session(_AGENT, task, broker, kit=KIT, limits=LIMITS)
    _quiet(outcome)
    assert all(type(request) is dict for request in asked)
    assert len(asked) <= sum(expected)
    if not breaks:
        assert outcome.value == ([] if reads == "never" else expected), outcome
