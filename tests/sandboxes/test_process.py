from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandboxes import Limits, ProcessSandbox, SandboxFaultError, SandboxUnavailableError, process
from tests.sandboxes import contract
from tests.sandboxes.nobody import NOBODY, run_as_nobody


@pytest.fixture(scope="module", params=["L2", "L1"])
def sandbox(request):
    with ProcessSandbox(level=request.param) as sandbox:
        yield sandbox


@pytest.mark.parametrize("promise", contract.CONTRACT + contract.OWN, ids=lambda promise: promise.__name__)
def test_promise(sandbox, promise):
    promise(sandbox)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
@pytest.mark.parametrize("level", ["L2", "L1"])
def test_promises_to_an_unprivileged_user(level):
    done = run_as_nobody("contract", level)
    if done is None:
        pytest.skip("this Python neither can be read by other users nor works as a copy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"at {level} as uid {NOBODY}, 0 broken" in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="a container's root is looked at")
def test_root_that_may_not_mount_has_l1():
    code = """
import ctypes
drop_from_bounding_set, sys_admin = 24, 21
assert ctypes.CDLL(None).prctl(drop_from_bounding_set, sys_admin, 0, 0, 0) == 0  # for what is executed from here on
from sandboxes import ProcessSandbox
with ProcessSandbox(level="L1") as sandbox:
    print(sandbox.run("import sqlite3, os\\nprint(os.getuid() > 0)\\nopen('/etc/shadow')"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "stdout='True\\n'" in done.stdout
    assert "PermissionError" in done.stdout


HOST = """
import sys, threading
from sandboxes import Limits, ProcessSandbox

sandbox, limits = ProcessSandbox(level=sys.argv[1]), Limits(wall_s=600)
sandbox.check("def f(): return 1", ["assert 1 == f()"], entry="f")  # its judge waits for the next one
sleep = "import time; time.sleep(600)"
kit = "def build(task, call): return task, call"
calls = [
    lambda: sandbox.run(sleep, limits=limits),
    lambda: sandbox.check(sleep + "\\ndef f(): pass", ["f()"], entry="f", limits=limits),
    lambda: sandbox.session(f"def forward(task, kit): kit({{}}); {sleep}", {}, lambda r: {}, kit=kit, limits=limits),
]
for call in calls:
    threading.Thread(target=call).start()
"""
UNDER_WAY = 5
"""Processes of the calls above: a judge that waits, a run, a candidate and its judge, a session."""


def alive(pid):
    """Whether a process is more than an entry that its adoptive parent has not yet collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize(("level", "servers"), [("L2", 2), ("L1", 1)])
def test_everything_ends_with_the_host(level, servers, tmp_path):
    """A host that is killed without warning takes along its programs, judges, sessions and the fork server."""
    mounts = Path("/proc/self/mounts").read_text()
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", HOST, level], env=environment) as host:
        try:
            started = contract.eventually(lambda: len(contract.descendants(host.pid)) >= servers + UNDER_WAY)
            family = contract.descendants(host.pid)
        finally:
            host.kill()
        killed = time.monotonic()
        assert started
        assert contract.eventually(lambda: not any(map(alive, family)))
        print(f"all gone after {time.monotonic() - killed:.2f} s")
    assert list(tmp_path.iterdir()) == []
    assert Path("/proc/self/mounts").read_text() == mounts


@pytest.mark.parametrize(
    ("level", "victim"), [("L2", "its parent"), ("L2", "the server"), ("L1", "the server")], ids=str
)
def test_a_killed_server_faults_what_is_under_way_and_is_replaced(level, victim):
    sleep, limits = "import time; time.sleep(600)", Limits(wall_s=600)
    with ProcessSandbox(level=level) as sandbox, ThreadPoolExecutor(3) as pool:
        top = sandbox._server._process.pid
        servers = {top} | contract.descendants(top)
        under_way = [
            pool.submit(sandbox.run, sleep, limits=limits),
            pool.submit(sandbox.check, f"{sleep}\ndef f(): pass", ["f()"], entry="f", limits=limits),
            pool.submit(
                sandbox.session,
                f"def forward(task, kit): {sleep}", {}, lambda request: request, kit=contract.KIT, limits=limits,
            ),
        ]  # fmt: skip
        assert contract.eventually(lambda: len(contract.descendants(top)) >= len(servers) - 1 + 4)
        family = contract.descendants(top)
        (inner,) = servers - {top} or {top}
        os.kill(top if victim == "its parent" else inner, signal.SIGKILL)
        for call in under_way:
            with pytest.raises(SandboxFaultError):
                call.result(60)
        assert contract.eventually(lambda: not any(map(alive, family)))
        assert sandbox.check("def f(): return 1", ["assert f() == 1"], entry="f").passed == (True,)
        assert sandbox.level == level


def test_a_kit_of_any_length_and_alphabet():
    with ProcessSandbox() as sandbox:
        for length in (1_000, 6_000, 9_999, 40_000):
            kit = f"{contract.KIT}\nword = '{chr(0x1F388) * length}'"
            outcome = sandbox.session(
                "def forward(task, kit): return kit({})", {}, lambda request: {"a": 1}, kit=kit
            )
            assert outcome.value == {"a": 1}


def test_close_ends_what_is_under_way():
    sandbox = ProcessSandbox()
    failures = []

    def call():
        try:
            sandbox.run("import time; time.sleep(60)", limits=Limits(wall_s=90))
        except SandboxFaultError as error:
            failures.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    time.sleep(0.5)
    sandbox.close()
    thread.join(20)
    assert len(failures) == 1
    sandbox.close()
    with pytest.raises(SandboxFaultError, match="closed"):
        sandbox.run("")


def test_an_interrupted_call_leaves_no_program(request):
    # A shell starts its background jobs with the interrupt ignored, and Python then keeps it so.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, handler))
    with ProcessSandbox() as sandbox:
        before = contract.descendants(os.getpid())
        timer = threading.Timer(0.5, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            sandbox.run("import time; time.sleep(60)", limits=Limits(wall_s=90))
        assert contract.descendants(os.getpid()) <= before


def test_slots_bound_what_runs_at_the_same_time():
    with ProcessSandbox(slots=1) as sandbox:
        times = []

        def call():
            sandbox.run("import time; time.sleep(0.3)")
            times.append(time.monotonic())

        threads = [threading.Thread(target=call) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert times[1] - times[0] > 0.29
        assert times[2] - times[1] > 0.29


def test_modules_are_preloaded():
    program = "import sys\ndef f(): return 'asyncio' in sys.modules"
    with ProcessSandbox() as sandbox:
        assert sandbox.run(program, entry="f").value is False
    with ProcessSandbox(preload=["asyncio"]) as sandbox:
        assert sandbox.run(program, entry="f").value is True
    with pytest.raises(SandboxUnavailableError, match="nonesuch cannot be preloaded: ModuleNotFoundError"):
        ProcessSandbox(preload=["nonesuch"])


def test_without_isolation_only_on_demand():
    with ProcessSandbox(level="L1", accept_no_isolation=True) as sandbox:
        assert sandbox.level == "L1"


def test_the_lowest_level_has_limits_only(monkeypatch):
    """Where neither namespaces nor Landlock can be had; only programs of our own are run here."""
    started = []

    class Poor(process._Server):
        def __init__(self, level, *more):
            started.append(level)
            if level != "L0":
                raise SandboxUnavailableError("not on this kernel")
            super().__init__(level, *more)

    monkeypatch.setattr(process, "_Server", Poor)
    with pytest.raises(SandboxUnavailableError, match="accept_no_isolation=True"):
        ProcessSandbox()
    with ProcessSandbox(accept_no_isolation=True) as sandbox:
        assert started == ["L2", "L1", "L2", "L1", "L0"]
        assert sandbox.run("def f(x): return x", entry="f", args=[1]).level == "L0"
        contract.stops_at_the_memory_limit(sandbox)
        contract.stops_at_the_wall(sandbox)
        contract.judges_every_test(sandbox)


def test_a_server_never_comes_back_at_a_lower_level():
    with ProcessSandbox() as sandbox:
        level, pid = sandbox.level, sandbox._server._process.pid
        family = contract.descendants(pid)
        os.kill(pid, signal.SIGKILL)
        assert contract.eventually(lambda: not family & set(contract.processes()))
        assert sandbox.run("").level == level
