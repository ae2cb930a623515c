"""What do agent programs cost that wait for their model, all at once?

200 sessions, each asking a scripted model that takes a second five times. The waits alone are 5 s; what is beyond is ours.
Memory is the proportional set size of this process and of every process it started, at its highest.

    python benchmarks/sessions.py
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from sandboxes import Json, Limits, ProcessSandbox

KIT = "def build(task, call):\n    return task, call\n"
PROGRAM = """
def forward(task, call):
    return [call({"number": task["number"], "turn": turn})["turn"] for turn in range(task["turns"])]
"""
MEMORY_MB = 1500.0
"""What 200 sessions may take; their wall time should stay below 7 s."""


def family() -> set[int]:
    """Return this process and every process below it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = {os.getpid()}
    while grown := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= grown
    return found


def memory_mb() -> float:
    """Return the memory of the family, shared pages counted once."""
    total = 0
    for pid in family():
        with contextlib.suppress(OSError, StopIteration):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def measure(sessions: int, turns: int, seconds: float) -> dict[str, float]:
    """Run the sessions; return wall seconds and the most memory, in MiB."""
    highest = memory_mb()
    over = threading.Event()

    def watch() -> None:
        nonlocal highest
        while not over.wait(0.8):
            highest = max(highest, memory_mb())

    def answer(request: dict[str, Json]) -> dict[str, Json]:
        time.sleep(seconds)
        return request

    with ProcessSandbox() as sandbox, ThreadPoolExecutor(sessions) as pool:

        def one(number: int) -> None:
            task: dict[str, Json] = {"number": number, "turns": turns}
            outcome = sandbox.session(PROGRAM, task, answer, kit=KIT, limits=Limits(wall_s=60.0))
            assert outcome.value == list(range(turns)), outcome

        watcher = threading.Thread(target=watch)
        watcher.start()
        started = time.perf_counter()
        try:
            list(pool.map(one, range(sessions)))
            wall = time.perf_counter() - started
        finally:
            over.set()
            watcher.join()
    return {"wall_s": round(wall, 2), "memory_mb": round(highest, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="latency of the model")
    parser.add_argument("--check-memory", action="store_true", help=f"fail above {MEMORY_MB:g} MiB")
    options = parser.parse_args()
    result = measure(options.sessions, options.turns, options.seconds)
    result["waits_s"] = options.turns * options.seconds
    print(json.dumps({"sessions": options.sessions, **result}))
    if options.check_memory and result["memory_mb"] > MEMORY_MB:
        sys.exit(f"more than {MEMORY_MB:g} MiB")


if __name__ == "__main__":
    main()
