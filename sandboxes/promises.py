"""What every sandbox promises, checked by doing: the short form of the tests, for a user's own machine.

Every check runs a program that tries what must not work, beside one that shows that the rest does.
"""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandboxes.sandbox import Limits, SandboxFaultError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandboxes.sandbox import Json, Sandbox

_LIMITS = Limits(wall_s=20, cpu_s=10, memory_mb=256)


class BrokenPromiseError(AssertionError):
    """A sandbox let something happen that it must not, or failed to do what it should; says what was seen."""


@dataclass(frozen=True)
class Finding:
    """One promise, and what was seen."""

    promise: str
    kept: bool
    seen: str


def examine(sandbox: Sandbox) -> Iterator[Finding]:
    """Check one promise after the other.

    Raises:
        SandboxUnavailableError: The sandbox cannot be had any more.

    """
    for promise, check in PROMISES.items():
        try:
            yield Finding(promise, kept=True, seen=check(sandbox))
        except (BrokenPromiseError, SandboxFaultError) as error:
            yield Finding(promise, kept=False, seen=str(error))


def _expect(condition: object, seen: object) -> None:
    if not condition:
        raise BrokenPromiseError(str(seen)[:300])


def _silent(sandbox: Sandbox, code: str, seen: str) -> str:
    """Run a program that prints what it achieved, which should be nothing."""
    outcome = sandbox.run(code, limits=_LIMITS)
    _expect(outcome.ok, outcome.error)
    _expect(not outcome.stdout, outcome.stdout)
    return seen


def _value(sandbox: Sandbox) -> str:
    code = "import json, zlib\ndef f(text): return json.loads(text)['n'] + len(zlib.compress(b''))"
    outcome = sandbox.run(code, entry="f", args=['{"n": 34}'], limits=_LIMITS)
    _expect(outcome.value == 42, outcome.error or outcome.value)
    return f"42, in {1000 * outcome.wall_s:.0f} ms, {outcome.peak_mb:.0f} MiB"


def _wall(sandbox: Sandbox) -> str:
    outcome = sandbox.run("import time; time.sleep(60)", limits=Limits(wall_s=0.5))
    _expect(outcome.killed_by == "wall", outcome)
    return f"killed after {outcome.wall_s:.2f} s"


def _processor(sandbox: Sandbox) -> str:
    outcome = sandbox.run("while True: pass", limits=Limits(cpu_s=1, wall_s=30))
    _expect(outcome.killed_by == "cpu", outcome)
    return f"killed after {outcome.cpu_s:.2f} s"


def _memory(sandbox: Sandbox) -> str:
    code = "held = []\nwhile True: held.append(bytearray(1 << 20))"
    outcome = sandbox.run(code, limits=Limits(memory_mb=64))
    _expect(outcome.killed_by == "memory", outcome)
    return f"stopped at {outcome.peak_mb:.0f} MiB"


def _output(sandbox: Sandbox) -> str:
    outcome = sandbox.run("for _ in range(100): print('x' * 1000)", limits=Limits(output_kb=4))
    _expect(outcome.ok, outcome.error)
    _expect(len(outcome.stdout) < 5000, f"{len(outcome.stdout)} characters")
    return f"{len(outcome.stdout)} of 100,100 characters kept"


def _network(sandbox: Sandbox) -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        code = f"""
import socket
try:
    with socket.create_connection(("127.0.0.1", {server.getsockname()[1]}), timeout=2): print("connected")
except OSError: pass
try:
    socket.getaddrinfo("example.org", 80)
    print("resolved a name")
except OSError: pass
"""
        seen = _silent(sandbox, code, "no connection, no name")
        try:
            server.accept()
        except BlockingIOError:
            return seen
    raise BrokenPromiseError("a program has reached a server of this machine")


def _files(sandbox: Sandbox) -> str:
    secret = secrets.token_hex(8)
    with tempfile.NamedTemporaryFile("w", prefix="secret-", suffix=".txt") as file:
        file.write(secret)
        file.flush()
        paths = [
            file.name,
            f"/proc/1/root{file.name}",
            f"/proc/self/root{file.name}",
            __file__,
            "/etc/shadow",
        ]
        code = f"""
for path in {paths!r}:
    try:
        open(path).read()
        print("read", path)
    except OSError: pass
"""
        return _silent(sandbox, code, f"{len(paths)} files out of reach")


def _variables(sandbox: Sandbox) -> str:
    code = "import os\ndef f(): return dict(os.environ)"
    seen = sandbox.run(code, entry="f", limits=_LIMITS).value
    _expect(isinstance(seen, dict), seen)
    assert isinstance(seen, dict)
    strange = sorted(set(seen) - {"HOME", "TMPDIR", "LANG", "PYTHONHASHSEED"})
    _expect(not strange, f"{', '.join(strange)} in the environment")
    code = """
import glob, os
for path in glob.glob("/proc/[0-9]*/environ"):
    try: print(open(path).read())
    except OSError: pass
"""
    leaked = sandbox.run(code, limits=_LIMITS).stdout
    private = [name for name, value in os.environ.items() if len(value) > 15 and value in leaked]
    _expect(not private, f"{', '.join(private)} in /proc")
    return f"{len(seen)} variables, none of this machine's"


def _writes(sandbox: Sandbox) -> str:
    code = """
import os, sys
for place in ("/", "/etc", "/usr", "/dev/shm", "/tmp", os.path.dirname(os.__file__), os.path.dirname(sys.executable)):
    try:
        open(place + "/evil", "w").close()
        os.unlink(place + "/evil")
        print("wrote to", place)
    except OSError: pass
try:
    open(os.__file__, "a").close()
    print("changed the standard library")
except OSError: pass
"""
    return _silent(sandbox, code, "only its own folder")


def _processes(sandbox: Sandbox) -> str:
    code = f"""
import os, subprocess, sys
starts = os.fork, lambda: subprocess.run([sys.executable]), lambda: os.posix_spawn(sys.executable, ["python"], {{}})
for start in starts:
    try:
        start()
        print("started a process")
    except OSError: pass
for pid in {{1, os.getppid(), {os.getpid()}}} - {{os.getpid()}}:
    try:
        if pid: os.kill(pid, 0); print("can signal", pid)
    except OSError: pass
"""
    return _silent(sandbox, code, "no fork, no exec, no signal")


def _privileges(sandbox: Sandbox) -> str:
    code = """
import ctypes, os
libc = ctypes.CDLL(None)
if os.getuid() == 0: print("is root")
if libc.prctl(39, 0, 0, 0, 0) != 1: print("could gain privileges")
for flag in (0x10000000, 0x20000, 0x40000000):
    if libc.unshare(flag) == 0: print("made a namespace", hex(flag))
if libc.mount(b"none", b"/box", b"tmpfs", 0, None) == 0: print("mounted")
"""
    return _silent(sandbox, code, "not root, no namespace, no mount")


def _remains(sandbox: Sandbox) -> str:
    sandbox.run(
        "import builtins\nbuiltins.left = 1\ntry: open('left', 'w').close()\nexcept OSError: pass",
        limits=_LIMITS,
    )
    code = "import builtins, os\nif hasattr(builtins, 'left') or os.path.exists('left'): print('found')"
    return _silent(sandbox, code, "the next program finds nothing")


def _verdicts(sandbox: Sandbox) -> str:
    tests = ["assert add(1, 2) == 3", "total = 271828\nassert add(271800, 28) == total"]
    good = sandbox.check("def add(a, b): return a + b", tests, entry="add", limits=_LIMITS)
    _expect(good.passed == (True, True), good)
    bad = sandbox.check("def add(a, b): return a - b", tests, entry="add", limits=_LIMITS)
    _expect(bad.passed == (False, False), bad)
    return "right passes, wrong fails"


_CHEATS = {
    "leaving with exit code 0": "import os\ndef f(x): os._exit(0)",
    "an object equal to everything": (
        "class Any:\n    def __eq__(self, other): return True\ndef f(x): return Any()"
    ),
    "a walk through the callers": (
        "import re, sys\ndef f(x):\n    frame = sys._getframe()\n    while frame:\n"
        "        if m := re.search('secret = ([0-9]+)', str(frame.f_locals)): return int(m[1])\n"
        "        frame = frame.f_back\n    return 0"
    ),
    "a search in memory": (
        "import gc, re\ndef f(x):\n    for o in gc.get_objects():\n"
        "        if m := re.search('secret = ([0-9]+)', repr(o)[:9999]): return int(m[1])\n    return 0"
    ),
    "a verdict written to every descriptor": (
        "import json, os, struct\nfor fd in range(3, 9):\n"
        "    for m in ({'failure': ''}, {'done': True}):\n        d = json.dumps(m).encode()\n"
        "        try: os.write(fd, struct.pack('<I', len(d)) + d)\n        except OSError: pass\n"
        "def f(x): return 0"
    ),
}


def _cheats(sandbox: Sandbox) -> str:
    for name, code in _CHEATS.items():
        outcome = sandbox.check(code, ["secret = 271828\nassert f(1) == secret"], entry="f", limits=_LIMITS)
        _expect(outcome.passed == (False,), f"{name} passed")
    return f"{len(_CHEATS)} cheats fail"


def _session(sandbox: Sandbox) -> str:
    program = """
import json, os, struct
def forward(task, kit):
    asked = [kit({"n": n})["twice"] for n in range(task["count"])]
    fd = int(os.environ["ADAS_BROKER_FD"])
    os.write(fd, struct.pack("<I", 3) + b"{x}")
    (size,) = struct.unpack("<I", os.read(fd, 4))
    return [asked, sorted(json.loads(os.read(fd, size)))]
"""
    answered: list[Json] = []

    def broker(request: dict[str, Json]) -> dict[str, Json]:
        number = request["n"]
        assert isinstance(number, int)
        answered.append(number)
        return {"twice": 2 * number}

    kit = "def build(task, call): return task, call"
    outcome = sandbox.session(program, {"count": 3}, broker, kit=kit, limits=_LIMITS)
    _expect(outcome.value == [[0, 2, 4], ["error"]], outcome)
    _expect(answered == [0, 1, 2], f"the broker was asked {answered}")
    return "3 requests answered, garbage refused"


PROMISES: dict[str, Callable[[Sandbox], str]] = {
    "runs a function and returns its value": _value,
    "stops at the wall clock": _wall,
    "stops at the processor limit": _processor,
    "stops at the memory limit": _memory,
    "cuts a flood of output": _output,
    "has no network": _network,
    "reads no file of this machine": _files,
    "sees no variable of this machine": _variables,
    "writes nowhere but in its own folder": _writes,
    "starts and reaches no other process": _processes,
    "has no privilege": _privileges,
    "leaves nothing behind": _remains,
    "judges by what a program does": _verdicts,
    "cannot be cheated into a pass": _cheats,
    "lets an agent talk to its broker, and to nothing else": _session,
}
"""Each promise and its check, which returns what was seen or raises :class:`BrokenPromiseError`."""
