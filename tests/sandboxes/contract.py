"""What every sandbox must do, one function a promise.

Without pytest, so that the same promises can be checked under another user by ``python contract.py LEVEL``.
"""

# ruff: noqa: BLE001, ISC004, PT017
# Programs are in strings, pytest is not there, and a broken promise must not hide the next.

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from sandboxes import (
    Call,
    Cancel,
    Exchange,
    Limits,
    Outcome,
    ProcessSandbox,
    Sandbox,
    SandboxFaultError,
    SandboxUnavailableError,
    SessionCancelledError,
)

QUICK = Limits(wall_s=20, cpu_s=10, memory_mb=256)
KIT = "def build(task, call):\n    return task, call\n"


def processes() -> dict[int, int]:
    """Return the parent of every process of this machine."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            found[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    return found


def descendants(ancestor: int) -> set[int]:
    """Return the processes below one."""
    parents = processes()
    family = {ancestor}
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    return family - {ancestor}


def eventually(condition, seconds: float = 20.0) -> bool:
    """Return whether a condition comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


# -- run --------------------------------------------------------------------------------------------


def returns_a_value(sandbox: Sandbox) -> None:
    outcome = sandbox.run(
        "def f(a, b):\n    print('in f')\n    return {'sum': [a + b, None, 0.5]}", entry="f", args=[1, 2]
    )
    assert outcome.value == {"sum": [3, None, 0.5]}
    assert outcome.ok
    assert outcome.stdout == "in f\n"
    assert outcome.level == sandbox.level
    assert 0 < outcome.cpu_s < 5
    assert 0 < outcome.wall_s < 30
    assert 1 < outcome.peak_mb < 200


def returns_an_error_with_its_line(sandbox: Sandbox) -> None:
    outcome = sandbox.run("def f(x):\n    y = x\n    return 1 / y\n", entry="f", args=[0])
    assert outcome.value is None
    assert outcome.error is not None
    assert 'File "<program>", line 3, in f' in outcome.error
    assert "return 1 / y" in outcome.error
    assert outcome.error.endswith("ZeroDivisionError: division by zero")
    assert outcome.killed_by is None
    assert "guest.py" not in outcome.error


def runs_a_script(sandbox: Sandbox) -> None:
    outcome = sandbox.run("if __name__ == '__main__':\n    print(input()[::-1])", stdin="äbc\n")
    assert (outcome.stdout, outcome.error) == ("cbä\n", None)
    assert sandbox.run("import sys; sys.exit(0)").ok
    assert "3" in (sandbox.run("import sys; sys.exit(3)").error or "")
    late = sandbox.run(
        "import threading, time\ndef f():\n    time.sleep(0.1)\n    print('late')\nthreading.Thread(target=f).start()"
    )
    assert late.stdout == "late\n"


def says_what_is_wrong_with_a_program(sandbox: Sandbox) -> None:
    assert "SyntaxError" in (sandbox.run("def f(:").error or "")
    assert "line 1" in (sandbox.run("def f(:").error or "")
    assert "no function 'g'" in (sandbox.run("def f(): pass", entry="g").error or "")
    assert "not JSON" in (sandbox.run("def f(): return {1, 2}", entry="f").error or "")
    assert "too large" in (sandbox.run("def f(): return 'x' * (2 << 20)", entry="f").error or "")
    assert "exit status 0" in (sandbox.run("import os\nos._exit(0)").error or "")


def repeats_itself(sandbox: Sandbox) -> None:
    program = "import random\ndef f(): return [random.random(), hash('x'), list({'a', 'b', 'c'})]"
    assert sandbox.run(program, entry="f").value == sandbox.run(program, entry="f").value


def keeps_no_state_between_runs(sandbox: Sandbox) -> None:
    sandbox.run(
        "import builtins, os; builtins.left = 1; os.environ['LEFT'] = '1'\ntry: open('left', 'w')\nexcept OSError: pass"
    )
    outcome = sandbox.run(
        "import builtins, os\nprint(hasattr(builtins, 'left'), 'LEFT' in os.environ, os.path.exists('left'))"
    )
    assert outcome.stdout == "False False False\n", outcome


# -- limits -----------------------------------------------------------------------------------------


def stops_at_the_wall(sandbox: Sandbox) -> None:
    for code in ("while True: pass", "import time; time.sleep(60)"):
        outcome = sandbox.run(code, limits=replace(QUICK, wall_s=0.7))
        assert outcome.killed_by == "wall"
        assert "0.7 s" in (outcome.error or "")
        assert 0.6 < outcome.wall_s < 10


def stops_at_the_processor_limit(sandbox: Sandbox) -> None:
    outcome = sandbox.run("print('here')\nwhile True: pass", limits=replace(QUICK, cpu_s=1, wall_s=60))
    assert outcome.killed_by == "cpu"
    assert 0.5 < outcome.cpu_s < 2
    assert outcome.stdout == "here\n"


def stops_at_the_memory_limit(sandbox: Sandbox) -> None:
    outcome = sandbox.run(
        "a = []\nwhile True: a.append(bytearray(1 << 20))", limits=replace(QUICK, memory_mb=64)
    )
    assert outcome.killed_by == "memory"
    assert "MemoryError" in (outcome.error or "")
    assert outcome.peak_mb < 64 + 64


def cuts_a_flood_of_output(sandbox: Sandbox) -> None:
    outcome = sandbox.run(
        "for _ in range(100): print('x' * 1023)\nprint('end')", limits=replace(QUICK, output_kb=8)
    )
    assert outcome.ok
    assert len(outcome.stdout) < 9000
    assert "bytes cut" in outcome.stdout
    endless = sandbox.run("while True: print('x' * 100000)", limits=replace(QUICK, file_mb=2, output_kb=1))
    assert endless.killed_by == "output"
    assert len(endless.stdout) < 2000


def shows_output_safely(sandbox: Sandbox) -> None:
    outcome = sandbox.run(
        "import os, sys\nos.write(1, b'\\xff\\x00\\x1b[2J')\nprint('\\ud800')\nraise ValueError('\\udfff\\x07')"
    )
    for text in (outcome.stdout, outcome.error or ""):
        text.encode()
        assert not set(map(chr, range(32))) - {"\n", "\t"} & set(text)


def survives_crashes(sandbox: Sandbox) -> None:
    outcome = sandbox.run("import ctypes; ctypes.string_at(0)")
    assert outcome.killed_by == "signal"
    assert "SIGSEGV" in (outcome.error or "")
    deep = sandbox.run("def f(): return f()\nf()")
    assert "RecursionError" in (deep.error or "")
    assert len(deep.error or "") < 5000


# -- walls ------------------------------------------------------------------------------------------


def starts_no_process(sandbox: Sandbox) -> None:
    code = """
import os, subprocess, sys
for start in (os.fork, lambda: subprocess.run([sys.executable]), lambda: os.execv(sys.executable, ["python"]),
              lambda: os.posix_spawn(sys.executable, ["python"], {}), lambda: os.system("true") and 1 / 0):
    try:
        start()
        print("started")
    except (OSError, ZeroDivisionError):
        pass
"""
    outcome = sandbox.run(code)
    assert (outcome.stdout, outcome.error) == ("", None)


def has_threads(sandbox: Sandbox) -> None:
    code = "from concurrent.futures import ThreadPoolExecutor\nprint(sum(ThreadPoolExecutor(8).map(len, ['ab'] * 20)))"
    outcome = sandbox.run(code)
    assert (outcome.stdout, outcome.error) == ("40\n", None)
    loop = sandbox.run(
        "import asyncio\nasync def f(): await asyncio.sleep(0.01); print('ok')\nasyncio.run(f())"
    )
    assert (loop.stdout, loop.error) == ("ok\n", None)


def has_the_standard_library(sandbox: Sandbox) -> None:
    code = "import bz2, ctypes, lzma, sqlite3, ssl, xml.dom.minidom, zoneinfo, email, http.client, multiprocessing\nprint('ok')"
    outcome = sandbox.run(code)
    assert (outcome.stdout, outcome.error) == ("ok\n", None)


def has_no_network(sandbox: Sandbox) -> None:
    code = """
import ctypes, socket
for family in range(46):
    for kind in (1, 2, 3):
        try:
            socket.socket(family, kind)
            print("socket", family, kind)
        except OSError:
            pass
for kind in (2, 5):
    try:
        socket.socketpair(socket.AF_UNIX, kind)
        print("pair", kind)
    except OSError:
        pass
left, right = socket.socketpair()
for name in ("\\0anything", "/anything"):
    try:
        left.connect(name)
        print("connect")
    except OSError:
        pass
try:
    socket.getaddrinfo("example.org", 80)
    print("resolved")
except OSError:
    pass
"""
    outcome = sandbox.run(code)
    assert (outcome.stdout, outcome.error) == ("", None)


def has_an_environment_of_its_own(sandbox: Sandbox) -> None:
    outcome = sandbox.run("import os\ndef f(): return dict(os.environ)", entry="f")
    assert isinstance(outcome.value, dict)
    assert set(outcome.value) == {"HOME", "TMPDIR", "LANG", "PYTHONHASHSEED"}
    seen = sandbox.run("print(open('/proc/self/environ').read())")
    assert "Error" in (seen.error or "") or not set(os.environ.values()) & set(seen.stdout.split("\0"))


def sees_no_file_of_the_host(sandbox: Sandbox) -> None:
    with tempfile.NamedTemporaryFile("w", prefix="canary-", suffix=".txt") as file:
        file.write("CANARY")
        file.flush()
        code = f"""
import os
for path in [{file.name!r}, {__file__!r}, {str(Path.home() / ".bashrc")!r}, {f"/proc/1/root{file.name}"!r}, "/etc/shadow"]:
    try:
        open(path).read()
        print("read", path)
    except OSError:
        pass
for root, folders, files in os.walk("/"):
    if root.startswith("/proc"):
        folders.clear()
    if any("canary-" in name for name in files): print("found in", root)
"""
        outcome = sandbox.run(code)
    assert (outcome.stdout, outcome.error) == ("", None)


def reads_nothing_but_python(sandbox: ProcessSandbox) -> None:
    paths = ["/etc/passwd", "/etc/hostname", "/proc/1/environ", "/proc/self/mem", "/sys/class", "/root", "/home", "/tmp",
             "/var", str(Path.home()), str(Path(__file__).parent), __file__, "/dev/shm", "/bin/sh", "/usr/bin/env"]  # fmt: skip
    code = f"""
import os
for path in {paths!r}:
    try:
        if os.path.isdir(path):
            os.scandir(path)
            inner = os.listdir(path)
            if set(inner) - set(os.__file__.split("/")): print("listed", path, inner)
        else:
            open(path, "rb").read(1)
            print("read", path)
    except OSError:
        pass
"""
    outcome = sandbox.run(code)
    assert (outcome.stdout, outcome.error) == ("", None)


def hides_installed_packages(sandbox: Sandbox) -> None:
    code = """
import os, sys
for root in [*sys.path, *(f"{path}/site-packages" for path in sys.path), *(f"{path}/dist-packages" for path in sys.path)]:
    if root.endswith("-packages"):
        try:
            if os.listdir(root): print(root)
        except OSError:
            pass
try:
    import pip
    print("pip")
except ImportError:
    pass
"""
    outcome = sandbox.run(code)
    assert (outcome.stdout, outcome.error) == ("", None)


def writes_only_in_its_box(sandbox: Sandbox) -> None:
    code = """
import os, sys
for place in ["/", "/etc", "/usr", "/dev", "/dev/shm", "/tmp", "/var/tmp", os.path.dirname(os.__file__),
              os.path.dirname(sys.executable), "/usr/lib", "/box/.."]:
    for act in (lambda: open(place + "/evil", "w"), lambda: os.mkdir(place + "/evil"), lambda: os.symlink("/", place + "/evil"),
                lambda: os.rename(place, place + "x")):
        try:
            act()
            print("changed", place)
        except OSError:
            pass
for act in (lambda: open(os.__file__, "a"), lambda: os.chmod(os.__file__, 0o777), lambda: os.utime(os.__file__),
            lambda: os.unlink(os.__file__), lambda: os.truncate(os.__file__, 0), lambda: os.open(os.__file__, os.O_TRUNC),
            lambda: os.link(os.__file__, "link")):
    try:
        act()
        print("changed the library")
    except OSError:
        pass
"""
    outcome = sandbox.run(code)
    assert (outcome.stdout, outcome.error) == ("", None)
    box = sandbox.run(
        "import tempfile, os\nwith tempfile.NamedTemporaryFile('w+') as f: f.write('x'); f.flush(); print(os.path.getsize(f.name))"
    )
    if sandbox.level != "L1":
        assert box.stdout == "1\n"
    else:
        assert "Error" in (box.error or "")


def bounds_its_box(sandbox: Sandbox) -> None:
    code = """
import os
total = 0
try:
    for i in range(64):
        with open(f"f{i}", "wb") as f: total += f.write(b"x" * (1 << 20))
except OSError: pass
for name in os.listdir(): os.unlink(name)
print(total >> 20)
"""
    outcome = sandbox.run(code, limits=replace(QUICK, file_mb=4))
    if sandbox.level != "L1":
        assert outcome.stdout in ("3\n", "4\n")
    else:
        assert "Error" in (outcome.error or "")


def bounds_the_number_of_its_files(sandbox: ProcessSandbox) -> None:
    code = """
count = 0
try:
    for count in range(100000): open(f"{count}", "w").close()
except OSError: pass
print(count < 10000)
"""
    assert sandbox.run(code).stdout == "True\n"


def has_no_privilege(sandbox: Sandbox) -> None:
    code = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
print(os.getuid() != 0, libc.prctl(39, 0, 0, 0, 0))
for flag in (0x10000000, 0x20000, 0x20000000, 0x40000000):
    if libc.unshare(flag) == 0: print("unshare")
for act in (lambda: os.setuid(0), lambda: os.setgroups([]), lambda: os.chroot("."), lambda: os.nice(-1), lambda: os.mknod("d", 0o20600, 259)):
    try:
        act()
        print("allowed")
    except (OSError, AttributeError):
        pass
"""
    outcome = sandbox.run(code)
    assert (outcome.stdout, outcome.error) == ("True 1\n", None)


def reaches_no_other_process(sandbox: Sandbox) -> None:
    code = f"""
import os, signal
for pid in (os.getppid(), {os.getpid()}, {os.getppid()}, -1):
    if pid == 0: continue
    try:
        os.kill(pid, 0 if pid > 0 else signal.SIGURG)
        if pid > 0: print("reached", pid)
    except OSError:
        pass
"""
    outcome = sandbox.run(code)
    assert (outcome.stdout, outcome.error) == ("", None)


def ends_its_children(sandbox: Sandbox) -> None:
    limits = replace(QUICK, processes=8, wall_s=2)
    try:
        sandbox.run("", limits=limits)
    except SandboxUnavailableError as error:
        assert sandbox.level != "L2"
        assert "processes=0" in str(error)
        return
    assert sandbox.level != "L1", "processes without namespaces"
    code = """
import os, time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(100)
        os._exit(0)
print("done")
"""
    before = descendants(os.getpid())
    outcome = sandbox.run(code, limits=replace(limits, wall_s=20))
    assert (outcome.stdout, outcome.error) == ("done\n", None)
    bomb = sandbox.run("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", limits=limits)
    assert bomb.killed_by == "wall"
    python = "import subprocess, sys\nprint(subprocess.run([sys.executable, '-I', '-S', '-c', 'print(6 * 7)'], capture_output=True).stdout)"
    assert sandbox.run(python, limits=replace(limits, wall_s=20)).stdout == "b'42\\n'\n"
    assert eventually(lambda: descendants(os.getpid()) <= before)


# -- check ------------------------------------------------------------------------------------------


def judges_every_test(sandbox: Sandbox) -> None:
    tests = ["assert add(1, 2) == 3", "assert add(1, 2) == 4", "add(1, 'x')", "assert add(2, 2) == 4"]
    for entry in ("add", None):
        outcome = sandbox.check("def add(a, b):\n    return a + b", tests, entry=entry)
        assert outcome.passed == (True, False, False, True)
        assert outcome.ok
        assert outcome.failures[0] == outcome.failures[3] == ""
        assert outcome.failures[1].startswith("AssertionError")
        assert "assert add(1, 2) == 4" in outcome.failures[1]
        assert outcome.failures[2].startswith("TypeError")
    assert (
        "add(1, 2) returned 3"
        in sandbox.check("def add(a, b):\n    return a + b", tests, entry="add").failures[1]
    )


def judges_in_the_manner_of_humaneval(sandbox: Sandbox) -> None:
    test = "def check(candidate):\n    assert candidate([1, 2]) == 3\n    assert candidate([]) == 0\n\ncheck(total)"
    assert sandbox.check("def total(xs): return sum(xs)", [test], entry="total").passed == (True,)
    wrong = sandbox.check("def total(xs): return sum(xs) or 1", [test], entry="total")
    assert wrong.passed == (False,)
    assert "line 3 of the test" in wrong.failures[0]


def gives_the_judge_its_setup(sandbox: Sandbox) -> None:
    setup = "import math\ndef helper(x): return x * 2\ndef f(x): raise NotImplementedError"
    outcome = sandbox.check(
        "def f(x): return x + x", ["assert math.isclose(f(3), helper(3))"], setup=setup, entry="f"
    )
    assert outcome.passed == (True,)
    broken = sandbox.check("def f(x): return x", ["assert True"], setup="1 / 0", entry="f")
    assert broken.passed == (False,)
    assert "ZeroDivisionError" in (broken.error or "")


def passes_values_of_every_builtin_type(sandbox: Sandbox) -> None:
    tests = [
        f"value = {value}\nresult = same(value)\nassert result == value and type(result) is type(value), result"
        for value in ("None", "True", "10 ** 5000", "-7", "1.5", "float('inf')", "'\\ud800é\\0'", "b'\\xff'", "bytearray(b'x')",
                      "(1, (2,))", "{1, 2}", "frozenset([()])", "{1: {(2, 3): [4]}, None: {5}}", "range(3, 9, 2)", "2 + 3j")
    ]  # fmt: skip
    tests += ["result = same(float('nan'))\nassert result != result"]
    outcome = sandbox.check("def same(x): return x", tests, entry="same")
    assert outcome.failures == ("",) * len(tests)


def carries_exceptions_by_name(sandbox: Sandbox) -> None:
    code = """
class Mine(KeyError): pass
class Own(Exception): pass
def f(kind):
    if kind == "value": raise ValueError("bad", 3)
    if kind == "mine": raise Mine("k")
    if kind == "own": raise Own("o")
    if kind == "exit": raise SystemExit(0)
    raise UnicodeDecodeError("utf-8", b"x", 0, 1, "why")
"""
    expect = (
        "def expect(kind, error):\n    try: f(kind)\n    except error as e: return e.args\n    assert False"
    )
    tests = [
        "assert expect('value', ValueError) == ('bad', 3)",
        "assert expect('mine', KeyError) == ('k',)",
        "expect('own', Exception)",
        "expect('exit', Exception)",
        "expect('unicode', UnicodeDecodeError)",
        "expect('mine', ValueError)",
        "f('exit')",
    ]
    outcome = sandbox.check(code, tests, setup=expect, entry="f")
    assert outcome.passed == (True, True, True, True, True, False, False)
    assert "<candidate>" in outcome.failures[5]


def carries_changes_of_arguments(sandbox: Sandbox) -> None:
    tests = [
        "xs = [3, 1, 2]\nassert order(xs) is None\nassert xs == [1, 2, 3]",
        "d = {'k': [1]}\norder(d)\nassert d == {'k': [1], 'new': 1}",
        "xs = (2, 1)\norder(xs)\nassert xs == (2, 1)",
    ]
    code = "def order(x):\n    if isinstance(x, list): x.sort()\n    if isinstance(x, dict): x['new'] = 1"
    assert sandbox.check(code, tests, entry="order").failures == ("", "", "")


def fails_what_a_dead_candidate_did_not_reach(sandbox: Sandbox) -> None:
    code = "import os\ndef f(x):\n    if x == 2: os._exit(0)\n    return x"
    tests = ["assert f(1) == 1", "assert f(2) == 2", "assert True", "try: f(1)\nexcept BaseException: pass"]
    outcome = sandbox.check(code, tests, entry="f")
    assert outcome.passed == (True, False, False, False)
    assert "exit status 0" in (outcome.error or "")
    loop = sandbox.check(
        "def f(x):\n    while x: pass", ["f(0)", "f(1)", "f(0)"], entry="f", limits=replace(QUICK, wall_s=1)
    )
    assert loop.passed == (True, False, False)
    assert loop.killed_by == "wall"
    spin = sandbox.check(
        "def f(x):\n    while x: pass", ["f(1)"], entry="f", limits=replace(QUICK, cpu_s=1, wall_s=60)
    )
    assert (spin.passed, spin.killed_by) == ((False,), "cpu")
    broken = sandbox.check("def f(x) return x", ["assert True"], entry="f")
    assert broken.passed == (False,)
    assert "SyntaxError" in (broken.error or "")


def sees_through_cheats(sandbox: Sandbox) -> None:
    honest = "def f(x): return x + 1"
    tests = ["assert f(41) == 42", "secret = 271828\nassert f(271827) == secret"]
    assert sandbox.check(honest, tests, entry="f").passed == (True, True)
    cheats = [
        "import os\ndef f(x): os._exit(0)",
        "import os\nos._exit(0)",
        "class Any:\n    def __eq__(self, other): return True\ndef f(x): return Any()",
        "class Int(int):\n    def __eq__(self, other): return True\n    __hash__ = None\ndef f(x): return Int(0)",
        "import re, sys\ndef f(x):\n    frame = sys._getframe()\n    while frame:\n        for v in frame.f_locals.values():\n"
        "            if m := re.search('secret = ([0-9]+)', str(v)): return int(m[1])\n        frame = frame.f_back\n    return 0",
        "import gc, re\ndef f(x):\n    for o in gc.get_objects():\n        if type(o) in (list, dict, tuple):\n"
        "            if m := re.search('secret = ([0-9]+)', repr(o)): return int(m[1])\n    return 0",
        "import builtins\nbuiltins.AssertionError = ZeroDivisionError\nclass AssertionError(BaseException): pass\ndef f(x): return 0",
        "import atexit, os\natexit.register(os._exit, 0)\ndef f(x): raise SystemExit(0)",
        "import os, struct, json\nfor fd in range(3, 9):\n    for m in ({'failure': ''}, {'done': True}, {'ready': True}, {'value': 42}):\n"
        "        d = json.dumps(m).encode()\n        try: os.write(fd, struct.pack('<I', len(d)) + d)\n        except OSError: pass\ndef f(x): return 0",
        "import sys\nsys.modules['json'].dumps = lambda *a: '{\"done\": true}'\ndef f(x): return 0",
    ]
    for cheat in cheats:
        outcome = sandbox.check(cheat, tests, entry="f")
        assert not all(outcome.passed), cheat
        assert not outcome.passed[1], cheat


# -- session ----------------------------------------------------------------------------------------


def talks_to_its_broker(sandbox: Sandbox) -> None:
    program = "def forward(task, kit):\n    return [kit({'n': n})['twice'] for n in range(task['count'])]"
    asked: list[int] = []
    threads = set()

    def broker(request):
        asked.append(request["n"])
        threads.add(threading.get_ident())
        return {"twice": 2 * request["n"]}

    outcome = sandbox.session(program, {"count": 5}, broker, kit=KIT)
    assert outcome.value == [0, 2, 4, 6, 8]
    assert asked == [0, 1, 2, 3, 4]
    assert threads == {threading.get_ident()}


def shares_a_broker_between_threads(sandbox: Sandbox) -> None:
    program = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def forward(task, kit):\n    with ThreadPoolExecutor(8) as pool: return sum(pool.map(lambda n: kit({'n': n})['n'], range(50)))"
    )
    assert sandbox.session(program, {}, lambda request: request, kit=KIT).value == sum(range(50))


def reports_what_is_wrong_with_an_agent(sandbox: Sandbox) -> None:
    def end(program: str, **more) -> Outcome:
        return sandbox.session(program, {}, lambda request: {}, kit=KIT, **more)

    assert "'forward'" in (end("x = 1").error or "")
    assert 'File "<program>", line 2, in forward' in (
        end("def forward(task, kit):\n    return task['x']").error or ""
    )
    assert "not JSON" in (end("def forward(task, kit): return kit").error or "")
    assert "exit status 7" in (end("import os\ndef forward(task, kit): os._exit(7)").error or "")
    assert (
        end("def forward(task, kit):\n    while True: pass", limits=replace(QUICK, wall_s=0.5)).killed_by
        == "wall"
    )


def lets_a_broker_raise(sandbox: Sandbox) -> None:
    before = descendants(os.getpid())

    def broker(request):
        raise LookupError("no model")

    try:
        sandbox.session(
            "def forward(task, kit):\n    try: kit({})\n    except BaseException: return 1",
            {},
            broker,
            kit=KIT,
        )
    except LookupError as error:
        assert str(error) == "no model"
    else:
        raise AssertionError("the exception of the broker was lost")
    assert descendants(os.getpid()) <= before


def excludes_the_broker_from_the_wall(sandbox: Sandbox) -> None:
    def broker(request):
        time.sleep(0.4)
        return {}

    program = "def forward(task, kit):\n    for _ in range(task['n']): kit({})\n    return 'ok'"
    slow = sandbox.session(program, {"n": 5}, broker, kit=KIT, limits=replace(QUICK, wall_s=1.5))
    assert slow.value == "ok"
    assert slow.wall_s > 1.9
    capped = sandbox.session(program, {"n": 50}, broker, kit=KIT, limits=replace(QUICK, wall_s=30, cap_s=1))
    assert capped.killed_by == "cap"


def answers_garbage_with_an_error(sandbox: Sandbox) -> None:
    program = """
import json, os, struct
def forward(task, kit):
    fd = int(os.environ["ADAS_BROKER_FD"])
    answers = []
    for body in (b"\\xff", b"[" * 100000, b"null", b"[1]", b'{"a": 1, "a": 2}', b'{"a": NaN}', b"", b'{"a": 1} x'):
        os.write(fd, struct.pack("<I", len(body)) + body)
        (size,) = struct.unpack("<I", os.read(fd, 4))
        answers.append(json.loads(os.read(fd, size)))
    return [kit({"fine": 1}), *answers]
"""
    requests = []
    outcome = sandbox.session(program, {}, lambda request: requests.append(request) or {"ok": 1}, kit=KIT)
    assert isinstance(outcome.value, list), outcome
    assert outcome.value[0] == {"ok": 1}
    assert all(isinstance(answer, dict) and set(answer) == {"error"} for answer in outcome.value[1:]), (
        outcome.value
    )
    assert requests == [{"fine": 1}]
    long = "import os, struct\ndef forward(task, kit):\n    os.write(4, struct.pack('<I', 1 << 30) + b'x' * 1000)\n    os.read(4, 1)"
    assert "at most" in (sandbox.session(long, {}, lambda request: {}, kit=KIT).error or "")
    polite = sandbox.session(
        "def forward(task, kit): kit({'x': 'y' * (1 << 21)})", {}, lambda request: {}, kit=KIT
    )
    assert "WireError" in (polite.error or "")
    large = sandbox.session(
        "def forward(task, kit): return kit({})", {}, lambda r: {"x": "y" * (1 << 21)}, kit=KIT
    )
    assert isinstance(large.value, dict)
    assert "too large" in str(large.value["error"])


# -- many at a time, and what is left ---------------------------------------------------------------


def runs_many_at_a_time(sandbox: Sandbox) -> None:
    def one(number: int) -> object:
        if number % 2:
            return sandbox.run(
                "def f(n): return n * n", entry="f", args=[number], limits=replace(QUICK, wall_s=60)
            ).value
        program = "def forward(task, kit): return kit({'n': task['n']})['n'] ** 2"
        return sandbox.session(
            program, {"n": number}, lambda r: r, kit=KIT, limits=replace(QUICK, wall_s=60)
        ).value

    with ThreadPoolExecutor(64) as pool:
        assert list(pool.map(one, range(100))) == [n * n for n in range(100)]


def leaves_nothing_behind(sandbox: Sandbox) -> None:
    def state() -> tuple[set[int], int, int, int]:
        here = len(list(Path("/proc/self/fd").iterdir()))
        there = 0
        for pid in descendants(os.getpid()):
            with contextlib.suppress(OSError):
                there += len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return descendants(os.getpid()), here, there, Path("/proc/self/mounts").read_text().count("/box")

    sandbox.run("")
    time.sleep(0.2)
    before = state()
    for code in ("", "1 / 0", "import os; os._exit(1)", "import time; time.sleep(9)"):
        sandbox.run(code, limits=replace(QUICK, wall_s=0.3))
        sandbox.check(f"{code}\ndef f(): pass", ["f()", "f(1)"], entry="f", limits=replace(QUICK, wall_s=0.3))
        sandbox.session(
            f"{code}\ndef forward(t, k): k({{}})",
            {},
            lambda r: {},
            kit=KIT,
            limits=replace(QUICK, wall_s=0.3),
        )
    assert eventually(lambda: state() == before), (before, state())


def compares_calls_on_the_host(sandbox: Sandbox) -> None:
    code = "def f(x):\n    if x == 9: raise KeyError(x)\n    return x / 2, {x}"
    calls = [
        Call((3,), (1.5, {3})),
        Call((9,), 1),
        Call((1,), [0.5, {1}]),
        Call((1,), (0.5 + 1e-9, {1}), 1e-6),
    ]
    outcome = sandbox.check(code, calls, entry="f", limits=QUICK)
    assert outcome.passed == (True, False, False, True)
    assert outcome.failures[1].startswith("KeyError: raised by the candidate")
    assert 'File "<candidate>", line 2' in outcome.failures[1]
    assert outcome.failures[2] == "AssertionError\n  last call: f(1) returned (0.5, {1})"
    assert (outcome.mode, outcome.cheat_proof, outcome.ok) == ("calls", True, True)
    leaving = "import os\ndef f(x):\n    return x if x else os._exit(0)"
    outcome = sandbox.check(leaving, [Call((1,), 1), Call((0,), 0), Call((2,), 2)], entry="f", limits=QUICK)
    assert outcome.passed == (True, False, False)
    assert not outcome.ok
    slow = "def f(x):\n    while x: pass\n    return x"
    limits = replace(QUICK, wall_s=0.5)
    outcome = sandbox.check(slow, [Call((0,), 0), Call((1,), 1)], entry="f", limits=limits)
    assert (outcome.passed, outcome.killed_by) == ((True, False), "wall")
    assert "SyntaxError" in (sandbox.check("def f(:", [Call((1,), 1)], entry="f", limits=QUICK).error or "")


def talks_to_whole_programs(sandbox: Sandbox) -> None:
    exchanges = [Exchange("2\n", "4\n"), Exchange("3", "7"), Exchange("x", "")]
    outcome = sandbox.check("print(2 * int(input()))", exchanges, limits=QUICK)
    assert outcome.passed == (True, False, False)
    assert "ValueError" in outcome.failures[2]
    assert (outcome.mode, outcome.cheat_proof) == ("stdio", True)


def ends_a_session_from_outside(sandbox: ProcessSandbox) -> None:
    cancel, asked = Cancel(), threading.Event()

    def broker(_: dict) -> dict:
        asked.set()
        return {}

    program = "import time\ndef forward(task, kit):\n    kit({})\n    time.sleep(task['s'])"

    def session(seconds: float) -> Outcome:
        limits = replace(QUICK, wall_s=60)
        return sandbox.session(program, {"s": seconds}, broker, kit=KIT, limits=limits, cancel=cancel)

    assert session(0).ok
    asked.clear()
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(session, 50)
        assert asked.wait(20)
        cancel.cancel()
        for again in (under_way, pool.submit(session, 50)):
            try:
                again.result(20)
            except SessionCancelledError:
                continue
            raise AssertionError("a cancelled session had an outcome")


def says_who_marked(sandbox: Sandbox) -> None:
    code, tests = "def f(): return 1", ["assert 1 == f()"]
    assert sandbox.check(code, ["assert f() == 1"], entry="f", limits=QUICK).mode == "calls"
    split, inproc = (
        sandbox.check(code, tests, entry="f", limits=QUICK),
        sandbox.check(code, tests, limits=QUICK),
    )
    assert (split.mode, split.cheat_proof, split.passed) == ("split", True, (True,))
    assert (inproc.mode, inproc.cheat_proof, inproc.passed) == ("inproc", False, (True,))
    assert (sandbox.run("").mode, sandbox.run("").cheat_proof) == ("run", False)


def judges_each_candidate_afresh(sandbox: Sandbox) -> None:
    """A judge that goes on to the next candidate has forgotten the last one."""
    tests = [
        "seen = globals().setdefault('seen', []); seen.append(f()); assert len(seen) == 1",
        "print(seen); f()",
    ]
    judged = [
        sandbox.check(f"def f(): {body}", tests, entry="f", limits=QUICK)
        for body in (
            "return 1",
            "raise ValueError",
            "import os; os._exit(0)",
            "return 2",
            "return [3]",
            "return",
        )
    ]
    assert [outcome.passed[0] for outcome in judged] == [True, False, False, True, True, True]
    assert all(0 < outcome.cpu_s < 2 for outcome in judged)
    with ThreadPoolExecutor(8) as pool:
        values = list(
            pool.map(
                lambda n: sandbox.check(f"def f(): return {n}", ["assert f() % 3"], entry="f", limits=QUICK),
                range(24),
            )
        )
    assert [outcome.passed for outcome in values] == [(n % 3 != 0,) for n in range(24)]


def starts_again_when_its_server_dies(sandbox: ProcessSandbox) -> None:
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(sandbox.run, "import time; time.sleep(30)", limits=replace(QUICK, wall_s=40))
        time.sleep(0.5)
        family = descendants(sandbox._server._process.pid)
        os.kill(sandbox._server._process.pid, 9)
        try:
            under_way.result(20)
        except SandboxFaultError:
            pass
        else:
            raise AssertionError("a program outlived its server")
    assert eventually(lambda: not family & set(processes()))
    assert sandbox.run("print('again')").stdout == "again\n"


def promises(kind: str) -> list:
    """Return the functions above that check a ``kind`` of sandbox."""
    functions = [each for each in globals().values() if callable(each)]
    return [each for each in functions if getattr(each, "__annotations__", {}).get("sandbox") == kind]


CONTRACT = promises("Sandbox")
"""What every backend promises."""
OWN = promises("ProcessSandbox")
"""What the fork server promises besides."""


def main(level: str) -> int:
    failed = 0
    with ProcessSandbox(level=level) as sandbox:  # type: ignore[arg-type]
        for promise in CONTRACT + OWN:
            try:
                promise(sandbox)
            except Exception as error:
                failed += 1
                print(f"{promise.__name__}: {type(error).__name__}: {error}")
    print(f"{len(CONTRACT + OWN)} promises at {level} as uid {os.geteuid()}, {failed} broken")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
