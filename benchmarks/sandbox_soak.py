"""Soak the sandbox: does anything stay behind, does memory grow, does it get slower?

    python benchmarks/sandbox_soak.py [executions, 100000 by default] [--workers 2] [--step]

Executions are HumanEval's canonical solutions, judged in a process of their own, and calls of a small function; every
hundredth is a program from ``tests/sandboxes/hostile``, the same ones in each tenth. Before and after each portion a
process of constant size forks a few hundred times: its rate says how fast the machine is just then, and speed is
compared in forks of that kind. Exits with 1 when something leaked or a verdict was wrong.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from sandboxes import Limits, ProcessSandbox
from tests.sandboxes import attacks, humaneval
from tests.sandboxes.contract import descendants, eventually

# ruff: noqa: SLF001
# It looks for the sandbox's own processes.

LIMITS = Limits(wall_s=60, cpu_s=30)
FORKS = 200
PORTION = 500
_FORKER = """
import os, sys, time
for line in sys.stdin:
    start = time.perf_counter()
    for _ in range(int(line)):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    print(time.perf_counter() - start, flush=True)
"""


class Forker:
    """Measures how fast the machine forks at the moment."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _FORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def seconds(self) -> float:
        """Return the seconds that the forks take."""
        print(FORKS, file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self._process.stdin.close()
        self._process.wait()


@dataclass(frozen=True)
class State:
    """What there is of the sandbox between two executions."""

    processes: int
    descriptors: int
    mounts: int
    files: int
    host_mb: float
    server_mb: float


def _lines(path: str) -> int:
    return len(Path(path).read_text().splitlines())


def _resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def state(sandbox: ProcessSandbox, temporary: Path) -> State:
    """Look around when nothing is under way; the judges that wait are sent away first."""
    sandbox._judges.close()
    top = sandbox._server._process.pid
    alone = 1 if sandbox.level == "L2" else 0  # the server has a parent in front of its namespace
    eventually(lambda: len(descendants(top)) <= alone)
    time.sleep(0.5)  # until the server has put away the last one's descriptors
    servers = {top, *descendants(top)}
    return State(
        processes=len(descendants(os.getpid())),
        descriptors=sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in {os.getpid(), *servers}),
        mounts=max(
            _lines(f"/proc/{pid}/mounts") for pid in servers - {top} or {top}
        ),  # the machine's are not ours
        files=sum(1 for _ in temporary.rglob("*")),
        host_mb=_resident_mb(os.getpid()),
        server_mb=sum(map(_resident_mb, servers)),
    )


def honest(sandbox: ProcessSandbox, number: int) -> str:
    """Execute something right; return what is wrong with the verdict."""
    if number % 2:
        outcome = sandbox.run("def f(n): return n * n", entry="f", args=[number], limits=LIMITS)
        return "" if outcome.value == number * number else f"f({number}): {outcome}"
    problem = humaneval.problems()[number // 2 % 164]
    outcome = sandbox.check(
        problem["prompt"] + problem["canonical_solution"],
        humaneval.tests(problem),
        setup=problem["prompt"],
        entry=problem["entry_point"],
        limits=LIMITS,
    )
    return "" if outcome.passed == (True,) else f"{problem['task_id']}: {outcome}"


def hostile(sandbox: ProcessSandbox, name: str) -> str:
    """Execute an attack; return what is wrong with its end."""
    try:
        attacks.attack(sandbox, name)
    except AssertionError as error:
        return f"{name}: {error}"
    return ""


def tenth(
    sandbox: ProcessSandbox, forker: Forker, count: int, workers: int
) -> tuple[float, float, list[str]]:
    """Execute ``count`` programs; return the seconds, the seconds of a fork meanwhile, and what went wrong."""
    places, names = range(50, count, 100), list(attacks.PROGRAMS)
    attacked = {place: names[index * len(names) // len(places)] for index, place in enumerate(places)}

    def one(number: int) -> str:
        name = attacked.get(number)
        return hostile(sandbox, name) if name else honest(sandbox, number)

    spent, forking, wrong = 0.0, [forker.seconds()], []
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, count, PORTION):
            began = time.perf_counter()
            wrong += filter(None, pool.map(one, range(start, min(start + PORTION, count))))
            spent += time.perf_counter() - began
            forking.append(forker.seconds())
    return spent, sum(forking) / len(forking) / FORKS, wrong


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("executions", type=int, nargs="?", default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--step", action="store_true", help="wait for a line of input before each tenth")
    options = parser.parse_args()
    tenths = []
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        forker = Forker()
        with ProcessSandbox() as sandbox:
            for number in range(400):
                honest(sandbox, number)
            before = state(sandbox, Path(folder))
            print(f"before: {before}")
            print("tenth  executions/s  forks/s  executions a fork  host MiB  server MiB", flush=True)
            wrong = []
            for number in range(1, 11):
                if options.step:
                    sys.stdin.readline()
                spent, fork_s, more = tenth(sandbox, forker, options.executions // 10, options.workers)
                rate = options.executions // 10 / spent
                after = state(sandbox, Path(folder))
                tenths.append((rate * fork_s, after))
                wrong += more
                print(
                    f"{number:5}  {rate:12.1f}  {1 / fork_s:7.0f}  {rate * fork_s:17.4f}  {after.host_mb:8.1f}  {after.server_mb:10.1f}",
                    flush=True,
                )
        forker.close()
    for text in wrong:
        print("WRONG", text[:300])
    print(f"after:  {after}")
    things = ("processes", "descriptors", "mounts", "files")
    leaked = [thing for thing in things if getattr(after, thing) > getattr(before, thing)]
    first, last = tenths[0], tenths[-1]
    grown = [
        thing
        for thing in ("host_mb", "server_mb")
        if getattr(last[1], thing) > 1.05 * getattr(first[1], thing) + 2
    ]
    print(
        f"wrong verdicts: {len(wrong)}; leaked: {', '.join(leaked) or 'nothing'}; grew: {', '.join(grown) or 'nothing'}"
    )
    print(f"speed of the last tenth, in forks: {last[0] / first[0]:.1%} of the first")
    return 1 if wrong or leaked or grown else 0


if __name__ == "__main__":
    sys.exit(main())
