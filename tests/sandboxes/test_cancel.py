"""What covers a thread ends whatever the thread does in a sandbox."""

from __future__ import annotations

import os
import shutil
import threading

import pytest

from sandboxes import Cancel, ProcessSandbox, SessionCancelledError
from sandboxes.bwrap import BwrapSandbox
from tests.sandboxes.contract import descendants, eventually

FOREVER = "def f(x):\n    while x:\n        pass\n    return x"
KIT = "def build(task, call): return task, call"


@pytest.fixture(scope="module", params=["process", "bwrap"])
def sandbox(request):
    if request.param == "bwrap" and not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed")
    with ProcessSandbox() if request.param == "process" else BwrapSandbox() as sandbox:
        yield sandbox


WORK = {
    "run": lambda sandbox: sandbox.run(FOREVER, entry="f", args=[1]),
    "calls": lambda sandbox: sandbox.check(FOREVER, ["assert f(1) == 1"], entry="f"),
    "candidate": lambda sandbox: sandbox.check(FOREVER, ["x = f(1)\nassert x == 1"], entry="f"),
    "judge": lambda sandbox: sandbox.check(FOREVER, ["while True: f(0)"], entry="f"),
    "inproc": lambda sandbox: sandbox.check(FOREVER, ["f(1)"]),
    "session": lambda sandbox: sandbox.session(
        "def forward(task, kit):\n    while True: pass", {}, lambda request: {}, kit=KIT
    ),
    "run in a session": lambda sandbox: sandbox.session(
        "def forward(task, kit):\n    kit({})\n    while True: pass",
        {},
        lambda request: {"value": sandbox.run(FOREVER, entry="f", args=[1]).value},
        kit=KIT,
    ),
}


@pytest.mark.parametrize("work", WORK)
def test_a_cancellation_ends_what_is_under_way(sandbox, work):
    cancel = Cancel()
    ended = []
    idle = len(descendants(os.getpid()))

    def thread():
        with cancel.covering():
            try:
                WORK[work](sandbox)
            except SessionCancelledError:
                ended.append("cancelled")

    worker = threading.Thread(target=thread)
    worker.start()
    assert eventually(lambda: cancel._kills)
    cancel.cancel()
    worker.join(10)
    assert ended == ["cancelled"]
    assert eventually(lambda: len(descendants(os.getpid())) <= idle)
    # Nobody else is touched, the judges of the same tests least of all.
    right = sandbox.check("def f(x):\n    return x", ["x = f(1)\nassert x == 1"], entry="f")
    assert right.passed == (True,), right


def test_nothing_starts_once_it_is_cancelled(sandbox):
    cancel = Cancel()
    cancel.cancel()
    with cancel.covering(), pytest.raises(SessionCancelledError):
        sandbox.run("x = 1")
    assert Cancel.current() is None
    assert sandbox.run("x = 1").ok


def test_the_inner_one_covers():
    outer, inner = Cancel(), Cancel()
    with outer.covering():
        with inner.covering():
            assert Cancel.current() is inner
        assert Cancel.current() is outer
    assert Cancel.current() is None
