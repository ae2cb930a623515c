"""Every program in ``hostile`` against a sandbox: did it get anywhere, and was its end told rightly?

Without pytest, so that another user can run it: ``python -m tests.sandboxes.attacks LEVEL`` prints the findings as
JSON. A program says in its head what it does and what must come of it. ``script`` programs print ESCAPED when they
got somewhere, ``cheat`` programs try to pass the tests of ``add(a, b)`` without adding, ``agent`` programs abuse the
broker of a session.
"""

from __future__ import annotations

import json
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from sandboxes import Call, Limits, Outcome, ProcessSandbox
from tests.sandboxes.contract import descendants, eventually

FOLDER = Path(__file__).with_name("hostile")
CANARY = "SBXCANARY-0a1b2c ADASCANARY"
LIMITS = Limits(wall_s=30, cpu_s=1, memory_mb=256)
KIT = "def build(task, call): return task, call"
TEST = """
def check(candidate):
    assert candidate(2, 3) == 5
    assert candidate(-1, 7) == 6
    assert candidate(100, 23) == 123

check(add)
"""
CALLS = [Call((2, 3), 5), Call((-1, 7), 6), Call((100, 23), 123)]
BUDGET = 50
"""Answers that a broker gives before it has none left."""
KILLED_BY = {
    "wall": {
        "deadlock", "drip_answer", "half_frame", "hang_at_exit", "sleep_forever", "sleeping_answer", "slow_drip",
        "stop_parent",
    },
    "cpu": {
        "alarm_off", "busy_loop", "c_loop", "cpu_threads", "endless_result", "evil_exception", "ignore_signals",
        "regex_bomb", "swallow_timeout",
    },
    "signal": {"segfault", "self_kill", "x32_i386"},
    "memory": {"alloc_uncaught"},
}  # fmt: skip
"""The limit that must end a program; what is not named here ends by itself."""
EITHER = {
    "kill_all": {None, "signal"},  # without a namespace it meets itself
    "broker_flood": {None, "cpu", "wall"},
}
"""Programs that may end in one way or another."""
AT_L1 = {"hostname_leak": "the machine's name is visible without namespaces"}
"""What gets through where there are no namespaces."""


def head(path: Path) -> dict[str, str]:
    """Return what a program says of itself: NAME, KIND, DOES, MUST, EXPECT."""
    return dict(re.findall(r"^# ([A-Z]+): (.*)$", path.read_text(), re.MULTILINE))


PROGRAMS = {head(path)["NAME"]: path for path in sorted(FOLDER.glob("*.py"))}


def attack(sandbox: ProcessSandbox, name: str) -> None:
    """Run one program; raises :class:`AssertionError` when it got anywhere or its end is told wrongly."""
    source, kind = PROGRAMS[name].read_text(), head(PROGRAMS[name])["KIND"]
    ends = EITHER.get(name) or {limit for limit, names in KILLED_BY.items() if name in names} or {None}
    limits = replace(LIMITS, wall_s=1) if "wall" in ends else LIMITS
    if kind == "script":
        outcome = sandbox.run(source, limits=limits)
    elif kind == "cheat":
        outcome = sandbox.check(source, [TEST], entry="add", limits=limits)
        assert outcome.passed == (False,), "a cheat passed"
        assert not all(sandbox.check(source, CALLS, entry="add", limits=limits).passed), (
            "a cheat passed as data"
        )
    else:
        outcome = _session(sandbox, source, limits)
    told = outcome.stdout + (outcome.error or "") + "".join(outcome.failures)
    assert "ESCAPED" not in told, told[:300]
    assert CANARY not in told
    told.encode()
    assert outcome.killed_by in ends, f"killed by {outcome.killed_by}, expected {ends}: {outcome.error}"
    honest = sandbox.check("def add(a, b):\n    return a + b", [TEST], entry="add", limits=LIMITS)
    assert honest.passed == (True,), f"the next run was harmed: {honest}"


def _session(sandbox: ProcessSandbox, source: str, limits: Limits) -> Outcome:
    answered = 0

    def broker(request: dict) -> dict:
        nonlocal answered
        answered += 1
        return {"text": "ok"} if answered <= BUDGET else {"error": "the budget is spent"}

    agent = source if "def forward(" in source else f"{source}\ndef forward(task, kit): return None"
    outcome = sandbox.session(agent, {}, broker, kit=KIT, limits=limits)
    paid = re.findall(r"^answers (\d+)$", outcome.stdout, re.MULTILINE)
    assert all(int(count) <= BUDGET for count in paid), outcome.stdout
    return outcome


def findings(sandbox: ProcessSandbox) -> dict[str, str]:
    """Return what is wrong with each program's end, an empty text where nothing is."""
    kept = descendants(os.getpid())

    def one(name: str) -> str:
        try:
            attack(sandbox, name)
        except Exception as error:  # noqa: BLE001 - a crash of the sandbox is a finding like any other
            return f"{type(error).__name__}: {error}"
        return ""

    with ThreadPoolExecutor(4) as pool:
        found = dict(zip(PROGRAMS, pool.map(one, PROGRAMS), strict=True))
    sandbox._judges.close()  # these may stay
    found["survivors"] = "" if eventually(lambda: descendants(os.getpid()) <= kept) else "processes are left"
    return found


if __name__ == "__main__":
    with ProcessSandbox(level=sys.argv[1]) as jail:
        print(json.dumps(findings(jail)))
