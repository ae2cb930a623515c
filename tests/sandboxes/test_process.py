from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from sandboxes import Limits, ProcessSandbox, SandboxFaultError, SandboxUnavailableError, process
from tests.sandboxes import contract

NOBODY = 65534


@pytest.fixture(scope="module", params=["L2", "L1"])
def sandbox(request):
    with ProcessSandbox(level=request.param) as sandbox:
        yield sandbox


@pytest.mark.parametrize("promise", contract.CONTRACT + contract.OWN, ids=lambda promise: promise.__name__)
def test_promise(sandbox, promise):
    promise(sandbox)


def everybodys_python() -> str | None:
    """Return an interpreter that any user may execute, with a library that any user may read."""
    for name in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        if not Path(name).exists():
            continue
        path = Path(name).resolve()
        probe = "import sys, ctypes, sysconfig; sys.exit(sys.version_info < (3, 11))"
        try:
            done = subprocess.run(
                [path, "-S", "-c", probe], user=NOBODY, group=NOBODY, extra_groups=[], cwd="/"
            )
        except PermissionError:
            continue
        if done.returncode == 0:
            return str(path)
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests are not run by root either")
@pytest.mark.parametrize("level", ["L2", "L1"])
def test_promises_to_an_unprivileged_user(level):
    python = everybodys_python()
    if python is None:
        pytest.skip("no Python 3.11 that other users can run")
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory(prefix="contract-") as folder:
        Path(folder).chmod(0o755)
        shutil.copytree(
            root / "sandboxes", f"{folder}/sandboxes", ignore=shutil.ignore_patterns("__pycache__")
        )
        shutil.copy(contract.__file__, folder)
        done = subprocess.run(
            [python, "-B", f"{folder}/contract.py", level],
            user=NOBODY, group=NOBODY, extra_groups=[], cwd="/", env={"PYTHONPATH": folder},
            capture_output=True, text=True, timeout=110,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"at {level} as uid {NOBODY}, 0 broken" in done.stdout


def test_everything_ends_with_the_host():
    """A host that is killed without warning takes its programs along."""
    code = """
import sys
from sandboxes import *

def broker(request):
    print("running", flush=True)
    return {}

program = "import time\\ndef forward(task, kit): kit({}); time.sleep(600)"
kit = "def build(task, call): return task, call"
ProcessSandbox(level=sys.argv[1]).session(program, {}, broker, kit=kit, limits=Limits(wall_s=600))
"""
    for level in ("L2", "L1"):
        host = subprocess.Popen([sys.executable, "-c", code, level], stdout=subprocess.PIPE, text=True)
        with host:
            assert host.stdout.readline() == "running\n"
            family = contract.descendants(host.pid)
            assert len(family) >= 2
            host.kill()
        assert contract.eventually(lambda family=family: not family & set(contract.processes())), level


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
