"""How many of QuixBugs' 40 programs `adas code` repairs: the deployed agent against the direct one, on the same programs.

    python benchmarks/repair.py [--model local/qwen2.5-coder-1.5b] [--arms chat_repair:3,direct:1,direct:3] [--workers 8]

Each program is a repository of one file with its tests, in a folder of its own. An arm is an agent and how many attempts
`adas code` gives it. A program counts as fixed when the patch that was proposed passes all of the benchmark's tests, as
the repair domain marks it. Every run is kept in ``--state`` as it ends, so the same command again goes on where it was
stopped. The report goes to ``--report``. Needs ADAS_DATA. Exits with 1 when a folder was changed without consent, or a
patch was called verified that the domain does not call fixed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from archive.statistics import mean_interval, paired
from domains.repair import repair
from meta_agent.assistant.agents import find_agent
from meta_agent.assistant.assistant import Assistant
from meta_agent.assistant.coder import Coder, NoChangeError
from meta_agent.evaluation import Allowance
from meta_agent.llm import open_gateway
from sandboxes import ProcessSandbox
from sandboxes.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domains import Task
    from domains.repository import RepositoryBenchmark


def digest(folder: Path) -> str:
    """Return a digest of everything in a folder."""
    rows = [
        (str(path.relative_to(folder)), path.lstat().st_mode, path.lstat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def one_run(
    domain: RepositoryBenchmark,
    task: Task,
    arm: str,
    assistant: Assistant,
    sandbox: ProcessSandbox,
    model: str,
) -> dict[str, Any]:
    """Have an agent repair a program in a folder, without consent to touch it; return what came of it."""
    name, _, attempts = arm.partition(":")
    started = time.monotonic()
    row: dict[str, Any] = {
        "arm": arm,
        "task": task.id,
        "model": model,
        "verdict": "none",
        "patch": "",
        "words": "",
    }
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for path, data in domain.snapshot(task).files.items():
            (folder / path).write_bytes(data)
        before = digest(folder)
        coder = Coder(assistant, Snapshot.of(folder), seconds=float(str(task.metadata["test_seconds"])))
        agent = find_agent(name, None, model)
        try:
            done = coder.propose(agent, str(task.metadata["problem"]), attempts=int(attempts or 1))
        except NoChangeError as error:
            row |= {"words": str(error), "calls": error.calls, "tokens": error.tokens}
        else:
            row |= {
                "verdict": done.verdict,
                "patch": done.patch,
                "words": done.words,
                "calls": done.calls,
                "tokens": done.tokens,
            }
        row["untouched"] = digest(folder) == before
    score = domain.score(task, row["patch"], sandbox)
    return row | {"fixed": score.value, "reason": score.reason, "seconds": time.monotonic() - started}


def report(rows: Sequence[dict[str, Any]], arms: Sequence[str], model: str, tasks: Sequence[str]) -> str:
    """Return the results as Markdown."""
    by = {(row["arm"], row["task"]): row for row in rows}
    shared = [task for task in tasks if all((arm, task) in by for arm in arms)]
    of = {arm: [by[arm, task] for task in shared] for arm in arms}
    lines = [
        "# Repair: QuixBugs with `adas code`",
        "",
        f"{len(shared)} programs with a bug on one line, each a repository of its own with its tests; {model}.",
        "Fixed: the proposed patch passes all tests of the benchmark, which the agent could run too (*plausible*, in the",
        "words of program repair). An arm is an agent and how many attempts it has.",
        "",
        f"Reproduce with `python {shlex.join(['benchmarks/repair.py', *sys.argv[1:]])}` and ADAS_DATA.",
        "",
        "| arm | fixed | 95% | called verified | verified, but not fixed | calls | tokens | s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for arm in arms:
        fixed = mean_interval([row["fixed"] for row in of[arm]])
        verified = [row for row in of[arm] if row["verdict"] == "verified"]
        calls, tokens = (sum(row[what] for row in of[arm]) / len(shared) for what in ("calls", "tokens"))
        seconds = sum(row["seconds"] for row in of[arm]) / len(shared)
        lines.append(
            f"| {arm} | {sum(row['fixed'] for row in of[arm]):.0f} of {len(shared)} | {fixed.low:.0%} to {fixed.high:.0%} | "
            f"{len(verified)} | {sum(not row['fixed'] for row in verified)} | {calls:.1f} | {tokens:,.0f} | {seconds:.1f} |"
        )
    lines += ["", "Calls, tokens and seconds are per program; seconds are of runs side by side.", ""]
    first = arms[0]
    for other in arms[1:]:
        d = paired([row["fixed"] for row in of[first]], [row["fixed"] for row in of[other]])
        lines.append(
            f"- {first} - {other}: {d.difference:+.1%} (95% {d.low:+.1%} to {d.high:+.1%}), {d.wins} won, {d.losses} lost, "
            f"{d.test} p = {d.p:.4f}"
        )
    touched = sum(not row["untouched"] for row in rows)
    lines += [
        f"- runs that changed the original folder without consent: {touched} of {len(rows)}",
        f"- patches called verified that did not pass the domain's own run of the tests: {len(lies(rows))}",
        "",
        f"| program | {' | '.join(arms)} |",
        f"|---|{'---|' * len(arms)}",
    ]
    for index, task in enumerate(shared):
        marks = ["fixed" if of[arm][index]["fixed"] else of[arm][index]["verdict"] for arm in arms]
        lines.append(f"| {task.rpartition('/')[2]} | {' | '.join(marks)} |")
    return "\n".join(lines) + "\n"


def lies(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the runs that called a patch verified which is not."""
    return [row for row in rows if row["verdict"] == "verified" and not row["fixed"]]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="local/qwen2.5-coder-1.5b")
    parser.add_argument(
        "--arms", default="chat_repair:3,direct:1,direct:3", help="the first one is the deployed agent"
    )
    parser.add_argument("--tasks", type=int, default=40)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--state", type=Path, default=ROOT / "docs/results/repair.jsonl")
    parser.add_argument("--report", type=Path, default=ROOT / "docs/results/repair.md")
    options = parser.parse_args()
    domain = repair(sizes={"search": options.tasks, "selection": 0, "test": 0})
    tasks, arms = domain.tasks("search"), options.arms.split(",")
    rows = (
        [json.loads(line) for line in options.state.read_text().splitlines()]
        if options.state.is_file()
        else []
    )
    rows = [row for row in rows if row["model"] == options.model]
    done = {(row["arm"], row["task"]) for row in rows}
    pending = [(task, arm) for task in tasks for arm in arms if (arm, task.id) not in done]
    options.state.parent.mkdir(parents=True, exist_ok=True)
    lock = threading.Lock()
    with (
        open_gateway(engine=options.engine) as gateway,
        ProcessSandbox() as sandbox,
        Assistant(gateway, sandbox, Allowance(calls=20, tokens=60_000)) as assistant,
        ThreadPoolExecutor(options.workers) as pool,
        options.state.open("a") as state,
    ):
        gateway.backend(options.model)

        def keep(pair: tuple[Task, str]) -> None:
            row = one_run(domain, *pair, assistant, sandbox, options.model)
            with lock:
                rows.append(row)
                state.write(json.dumps(row) + "\n")
                state.flush()
                fixed = "fixed" if row["fixed"] else f"not fixed ({row['verdict']})"
                print(f"{len(rows)} {row['task']} {row['arm']}: {fixed}, {row['seconds']:.0f} s", flush=True)

        list(pool.map(keep, pending))
    wanted = [row for row in rows if row["arm"] in arms]
    options.report.write_text(report(wanted, arms, options.model, [task.id for task in tasks]))
    print(options.report.read_text())
    return int(bool(lies(wanted) or not all(row["untouched"] for row in wanted)))


if __name__ == "__main__":
    sys.exit(main())
