"""How fast the archive takes rollouts, and how fast it answers when it is full.

    python benchmarks/archive_speed.py [--rollouts 100000] [--threads 64] [--folder DIR]

Writes rollouts with small traces from many threads, as a search does, then asks for the best.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from pathlib import Path

from archive import Archive, Evaluation, Program, Rollout, Run

TASKS = 200
TRACE = (
    {
        "event": "llm",
        "prompt": "Complete this function.\n" * 8,
        "reply": "def f(x):\n    return x\n" * 8,
        "tokens": 120,
    },
    {"event": "run", "ok": True, "stdout": "", "seconds": 0.02},
)


def fill(archive: Archive, rollouts: int, threads: int) -> float:
    """Return the seconds that ``rollouts`` rollouts took, from the first ``add_rollout`` to the last one stored."""
    archive.add_run(Run("bench", "search", "bench", "1"))
    ids = []
    for i in range(max(1, rollouts // TASKS)):
        program = archive.add_program(
            Program(f"def forward(task, kit):\n    return {i}\n", name=f"program_{i}")
        )
        evaluation = Evaluation("bench", program.id, "bench", "1", "search", "local/none", 0, "exact", TASKS)
        archive.add_evaluation(evaluation)
        ids.append(evaluation.id)

    def write(thread: int) -> None:
        for i in range(thread, rollouts, threads):
            archive.add_rollout(
                Rollout(
                    ids[i // TASKS % len(ids)], f"bench/{i % TASKS}", float((i * 7919) % 10 < 6),
                    answer="def f(x):\n    return x\n", calls=3, prompt_tokens=900, completion_tokens=240,
                    cost_usd=0.0, seconds=1.5, cpu_seconds=0.1, trace=({"event": "task", "number": i}, *TRACE),
                )
            )  # fmt: skip

    workers = [threading.Thread(target=write, args=(i,)) for i in range(threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    archive.flush()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rollouts", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument(
        "--folder", type=Path, default=None, help="where to write (default: a temporary folder)"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "archive.db"
        with Archive(path) as archive:
            cpu = time.process_time()
            seconds = fill(archive, options.rollouts, options.threads)
            cpu = time.process_time() - cpu
            rate = options.rollouts / seconds
            print(
                f"{options.rollouts} rollouts from {options.threads} threads in {seconds:.1f} s: {rate:,.0f}/s"
            )
            print(f"{cpu:.1f} s of CPU: about {options.rollouts / cpu:,.0f}/s where nothing else runs")
        times = []
        with Archive(path) as archive:
            for _ in range(9):
                start = time.perf_counter()
                rows = archive.best(limit=20)
                times.append(time.perf_counter() - start)
        print(
            f"best of {len(rows)} rows: first {times[0] * 1e3:.0f} ms, median {statistics.median(times) * 1e3:.0f} ms"
        )
        print(
            f"{path.stat().st_size / 1e6:.0f} MB on disk, {path.stat().st_size / options.rollouts:.0f} bytes a rollout"
        )


if __name__ == "__main__":
    main()
