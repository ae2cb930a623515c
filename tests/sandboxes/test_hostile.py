"""Programs that attack: each says in its head what it does and what must come of it.

``script`` programs print ESCAPED when they got somewhere, ``cheat`` programs try to pass the tests of ``add(a, b)``
without adding, ``agent`` programs abuse the broker.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
from pathlib import Path

import pytest

from sandboxes import Limits, ProcessSandbox
from tests.sandboxes.contract import descendants, eventually

FOLDER = Path(__file__).with_name("hostile")
LIMITS = Limits(wall_s=2, cpu_s=1, memory_mb=256)
CANARY = "SBXCANARY-0a1b2c ADASCANARY"
TEST = """
def check(candidate):
    assert candidate(2, 3) == 5
    assert candidate(-1, 7) == 6
    assert candidate(100, 23) == 123

check(add)
"""
BUDGET = 50
AT_L1 = {
    "hostname_leak": "without namespaces the name of the machine is visible",
    "setuid_caps": "an interpreter in root's home can only be read with a capability, which Landlock holds in",
}


def head(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^# ([A-Z]+): (.*)$", path.read_text(), re.MULTILINE))


PROGRAMS = {head(path)["NAME"]: path for path in sorted(FOLDER.glob("*.py"))}


@pytest.fixture(scope="module")
def bait():
    """Put secrets where an escaped program would find them."""
    file = Path("/tmp/adas_canary.txt")  # the place that the programs look into
    with contextlib.ExitStack() as stack:
        monkeypatch = stack.enter_context(pytest.MonkeyPatch.context())
        monkeypatch.setenv("ADAS_CANARY_KEY", CANARY)
        file.write_text(CANARY)
        stack.callback(file.unlink, missing_ok=True)
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        with contextlib.suppress(OSError):  # another run of the tests may hold it
            udp.bind(("127.0.0.1", 47632))
        udp.setblocking(False)
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        with contextlib.suppress(OSError):
            abstract.bind("\0adas_canary")
            abstract.listen()
        yield udp
        with pytest.raises(BlockingIOError):
            udp.recv(1)


@pytest.fixture(scope="module", params=["L2", "L1"])
def sandbox(request, bait):
    with ProcessSandbox(level=request.param) as sandbox:
        yield sandbox


def test_the_suite_is_whole():
    assert len(PROGRAMS) == 74


@pytest.mark.parametrize("name", PROGRAMS)
def test_hostile_program(sandbox, name):
    path = PROGRAMS[name]
    if sandbox.level == "L1" and name in AT_L1:
        pytest.xfail(AT_L1[name])
    source, about = path.read_text(), head(path)
    before = descendants(os.getpid())
    if about["KIND"] == "script":
        outcome = sandbox.run(source, limits=LIMITS)
    elif about["KIND"] == "cheat":
        outcome = sandbox.check(source, [TEST], entry="add", limits=LIMITS)
        assert outcome.passed == (False,)
    else:
        answered = []

        def broker(request):
            answered.append(request)
            return {"text": "ok"} if len(answered) <= BUDGET else {"error": "the budget is spent"}

        agent = f"{source}\ndef forward(task, kit): return None"
        outcome = sandbox.session(
            agent, {}, broker, kit="def build(task, call): return task, call", limits=LIMITS
        )
        if name == "broker_race":
            assert outcome.stdout == f"answers {BUDGET}\n"
    assert "ESCAPED" not in outcome.stdout + (outcome.error or "") + "".join(outcome.failures)
    assert CANARY not in outcome.stdout
    if "verdict=timeout" in about["EXPECT"]:
        assert outcome.killed_by in ("wall", "cpu")
    assert outcome.wall_s < 30
    outcome.stdout.encode()
    assert eventually(lambda: descendants(os.getpid()) <= before)


def test_an_honest_candidate_passes(sandbox):
    assert sandbox.check("def add(a, b):\n    return a + b", [TEST], entry="add").passed == (True,)
