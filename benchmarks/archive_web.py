"""How fast `adas archive web` answers on a large archive, what it weighs, and what watching costs a search.

    python benchmarks/archive_web.py pages [--programs 20000] [--tasks 250] [--folder DIR]
    python benchmarks/archive_web.py live [--rounds 80] [--rollouts 1000]

``pages`` fills an archive (in DIR it is kept for the next time), starts the server in a process of its own, and asks for
each page: the first time and the median of the next ones. ``live`` alternates evaluations with and without a page that
watches them, from a process of its own as a browser does, and measures how long a rollout takes to show. The model's replies
come from the cache, so both cores are busy with rollouts: any slower search loses less.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent))

import httpx

from archive import Archive, Call, Evaluation, Failure, Member, Program, Run, schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.queues import SimpleQueue
    from multiprocessing.synchronize import Event

TRACE = schema.rollouts.c.trace.type.pack(  # type: ignore[attr-defined]
    (
        {
            "op": "llm",
            "prompt": "Complete this function.\n" * 8,
            "reply": "def f(x):\n    return x\n" * 8,
            "sample": 0,
        },
        {
            "op": "run",
            "code": "def f(x):\n    return x\n",
            "tests": ["assert f(1) == 1"],
            "score": 1.0,
            "feedback": "",
        },
    )
)
ROLLOUT = "INSERT INTO rollouts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def fill(path: Path, programs: int, tasks: int) -> None:
    """Make an archive with one large search and forty small ones."""
    chance = random.Random(7)
    with Archive(path) as archive:
        archive.add_run(Run("large", "search", "bench", "1", {"width": 20}, "running"))
        held = [
            Program(
                f"def forward(task, kit):\n    reply = kit.llm(task.prompt + {i!r})\n" + "    reply = kit.extract(reply)\n" * 12 + "    return reply\n",
                f"program {i}", f"Thought {i}: ask, then look again. " * 4, created=1.0 + i,
            )
            for i in range(programs)
        ]  # fmt: skip
        archive.add_all(held)
        members, evaluations = [], []
        for i, program in enumerate(held):
            parents = (
                ()
                if i < 10
                else tuple({held[int(i * chance.random() ** 2)].id, held[chance.randrange(i)].id})
            )
            members.append(
                Member("large", program.id, i // 20, i % 20, parents, proposer=f"proposer {i % 4}")
            )
            evaluations.append(
                Evaluation(
                    "large",
                    program.id,
                    "bench",
                    "1",
                    "search",
                    "local/none",
                    0,
                    "exact",
                    tasks,
                    created=1.0 + i,
                )
            )
        archive.add_all(members)
        archive.add_all(evaluations)
        archive.add_all(
            Failure("large", i // 20, i % 20, 0, "try", f"NameError: {i}", "x = 1", 1.0 + i)
            for i in range(programs // 4)
        )
        archive.add_all(
            Call(
                "large",
                "agent",
                "local/none",
                f"k{i}",
                i % 3 == 0,
                300,
                80,
                0.0,
                1.5,
                1.0 + i,
                '{"a": 1}',
                "reply",
            )
            for i in range(programs * 5)
        )
        for number in range(40):
            run = Run(f"small{number}", "evaluate", "bench", "1", {}, "done")
            archive.add_run(run)
            archive.add_evaluation(
                Evaluation(run.id, held[number].id, "bench", "1", "search", "local/none", 0, "exact", tasks)
            )
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("DROP INDEX rollout_sums")
    with connection:
        for evaluation in sorted(evaluations, key=lambda one: one.id):
            level = chance.random()
            connection.executemany(
                ROLLOUT,
                (
                    (evaluation.id, f"bench/{t}", float(chance.random() < (level + t / tasks) / 2), b"\0x", "", "", 3, 900, 240,
                     0.001, 1.5, 0.1, TRACE, 1e9 + t)
                    for t in range(tasks)
                ),
            )  # fmt: skip
    with connection:
        columns = ", ".join(
            next(i for i in schema.rollouts.indexes if i.name == "rollout_sums").columns.keys()
        )
        connection.execute(f"CREATE INDEX rollout_sums ON rollouts ({columns})")
    connection.close()


@contextmanager
def served(path: Path) -> Iterator[tuple[str, int]]:
    """Start the server; yield its address and process id."""
    command = [
        sys.executable,
        "-m",
        "meta_agent",
        "archive",
        "web",
        "--archive",
        str(path),
        "--port",
        "0",
        "--no-browser",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
    assert process.stderr
    try:
        found = re.search(r"at (http://\S+)/", process.stderr.readline())
        assert found
        yield found[1], process.pid
    finally:
        process.terminate()
        process.wait()


def memory(process: int) -> dict[str, float]:
    """Return what a process holds now and held at most, in MB."""
    status = Path(f"/proc/{process}/status").read_text()
    sizes = dict(re.findall(r"(VmHWM|VmRSS):\s+(\d+) kB", status))
    return {"rss_mb": int(sizes["VmRSS"]) / 1000, "most_mb": int(sizes["VmHWM"]) / 1000}


def cpu_seconds(process: int) -> float:
    """Return the processor time a process took."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def pages(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(options.folder or temporary) / "large.db"
        if not path.exists():
            start = time.perf_counter()
            fill(path, options.programs, options.tasks)
            print(
                f"filled in {time.perf_counter() - start:.0f} s: {path.stat().st_size / 1e9:.2f} GB",
                flush=True,
            )
        with Archive(path) as archive:
            first, last = (
                archive.program("program 0").id,
                archive.program(f"program {options.programs - 1}").id,
            )
            evaluation = archive.evaluations("large", last)[0].id
            call = archive.rows(schema.calls.select().limit(1))[0].digest
        run = "/runs/large"
        asked = {
            "runs": "/", "runs, live": "/live", "overview": run, "overview, live": f"{run}/live",
            "overview by seconds": f"{run}?unit=seconds", "nothing new": "",
            "lineage": f"{run}/lineage", "lineage, one branch": f"{run}/lineage?root={first}",
            "programs": f"{run}/programs", "programs, page 300": f"{run}/programs?page=300&order=cost",
            "programs by name": f"{run}/programs?q=77", "outcomes": f"{run}/outcomes",
            "outcomes, clustered": f"{run}/outcomes?order=cluster&columns=cluster", "outcomes, page 200": f"{run}/outcomes?page=200",
            "failures": f"{run}/failures", "failures, page 100": f"{run}/failures?page=100", "calls": f"{run}/calls",
            "call": f"/calls/{call}", "program": f"/programs/{last}", "program with many children": f"/programs/{first}",
            "hover card": f"/programs/{last}/card?run=large", "rollout": f"/rollouts/{evaluation}?task=bench/7",
            "compare": f"/compare?a={first}&b={last}", "search": "/search?q=program",
        }  # fmt: skip
        with served(path) as (address, process), httpx.Client(base_url=address, timeout=120) as client:
            start = time.perf_counter()
            while (answer := client.get("/")).status_code == 503:
                time.sleep(0.1)
            print(f"first look: {time.perf_counter() - start:.1f} s, {memory(process)}", flush=True)
            found = re.search(r"seen=(\d+)", answer.text)
            assert found
            asked["nothing new"] = f"{run}/live?seen={found[1]}"
            slow = []
            for name, url in asked.items():
                times, before = [], cpu_seconds(process)
                for _ in range(options.repeats):
                    start = time.perf_counter()
                    answer = client.get(url)
                    times.append((time.perf_counter() - start) * 1e3)
                    assert answer.status_code in (200, 204), (name, answer.status_code, answer.text[:300])
                median = statistics.median(times[1:])
                slow += [name] * (median > 300)
                print(
                    f"{name:28} first {times[0]:6.0f} ms, median {median:6.0f} ms, {len(answer.content) / 1e3:6.0f} kB,"
                    f" {1e3 * (cpu_seconds(process) - before) / options.repeats:4.0f} ms of CPU",
                    flush=True,
                )
            print(json.dumps({"slower_than_300_ms": slow, **memory(process)}))


def live(options: argparse.Namespace) -> None:
    from domains import load_domain
    from meta_agent.agents import load_agent
    from meta_agent.evaluation import Allowance, Evaluator
    from meta_agent.llm import open_gateway
    from sandboxes import ProcessSandbox
    from tests.meta_agent.rehearsal import write_tasks

    sizes = {"search": options.rollouts, "selection": 1, "test": 1}
    with tempfile.TemporaryDirectory() as folder, Archive(Path(folder) / "archive.db") as archive:
        domain = load_domain(str(write_tasks(Path(folder) / "plus.jsonl", options.rollouts + 9)), sizes=sizes)  # type: ignore[arg-type]
        program = archive.add_program(load_agent("direct"))
        sandbox = ProcessSandbox()
        rates: dict[bool, list[float]] = {False: [], True: []}
        context = multiprocessing.get_context("spawn")
        delays: list[float] = []
        busy: list[float] = []
        with served(Path(archive.name)) as (address, process):
            for number in range(-1, 2 * options.rounds):  # the first one fills the cache
                watched = number % 4 in (1, 2)  # in the order ABBA, which a steady drift does not favour
                run = f"round{number}"
                archive.add_run(Run(run, "evaluate", domain.name, domain.version))
                ready, done, found = context.Event(), context.Event(), context.SimpleQueue()
                watcher = context.Process(target=watch, args=(address, run, ready, done, found))
                with open_gateway(ledger=archive.add_call, run=run) as gateway:
                    evaluator = Evaluator(
                        archive=archive, domain=domain, gateway=gateway, sandbox=sandbox, workers=options.workers,
                        model="scripted:tests.meta_agent.rehearsal:slow_agent", allowance=Allowance(calls=9),
                    )  # fmt: skip
                    if watched:
                        watcher.start()
                        ready.wait()
                    before = cpu_seconds(process)
                    start = time.perf_counter()
                    evaluator.evaluate(run, [program], domain.tasks("search"), "search")
                    seconds = time.perf_counter() - start
                    if watched:
                        busy.append((cpu_seconds(process) - before) / seconds)
                        done.set()
                        delays += found.get()
                        watcher.join()
                    evaluator.close()
                if number >= 0:
                    rates[watched].append(options.rollouts / seconds)
                print(
                    f"{'watched' if watched else 'alone':8} {options.rollouts / seconds:7.1f} rollouts/s",
                    flush=True,
                )
        sandbox.close()
    falls = [100 * (1 - seen / alone) for alone, seen in zip(rates[False], rates[True], strict=True)]
    half = 1.96 * statistics.stdev(falls) / len(falls) ** 0.5
    print(
        json.dumps(
            {
                "alone_rollouts_per_s": round(statistics.mean(rates[False]), 1),
                "fall_percent": round(statistics.mean(falls), 2), "fall_percent_95": [round(statistics.mean(falls) + half * sign, 2) for sign in (-1, 1)],
                "server_share_of_a_core_percent": round(100 * statistics.mean(busy), 2),
                "most_seconds_to_show": round(max(delays), 2), "median_seconds_to_show": round(statistics.median(delays), 2),
            }
        )
    )  # fmt: skip


def watch(address: str, run: str, ready: Event, done: Event, found: SimpleQueue[list[float]]) -> None:
    """Ask as often as the page does; put how old each of the newest rollouts is when it first shows."""
    seen, shown, delays = -1, set[str](), []
    with httpx.Client(base_url=address, timeout=30) as client:
        ready.set()
        while not done.wait(0.7):
            answer = client.get(f"/runs/{run}/live?seen={seen}")
            if answer.status_code != 200:
                continue
            version = re.search(r"seen=(\d+)", answer.text)
            seen = int(version[1]) if version else seen
            for link, moment in re.findall(r'href="(/rollouts/[^"]+)".*? · \S+ s · ([\d: -]+)<', answer.text):
                if link not in shown:
                    ended = time.mktime(time.strptime(moment, "%Y-%m-%d %H:%M:%S"))
                    delays.append(
                        time.time() - ended - 0.5
                    )  # the page gives whole seconds: half a second on average
                    shown.add(link)
    found.put(delays)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ways = parser.add_subparsers(required=True)
    page = ways.add_parser("pages")
    page.add_argument("--programs", type=int, default=20_000)
    page.add_argument("--tasks", type=int, default=250)
    page.add_argument("--repeats", type=int, default=6)
    page.add_argument("--folder", type=Path, help="where the archive is kept (default: nowhere)")
    page.set_defaults(do=pages)
    watching = ways.add_parser("live")
    watching.add_argument("--rounds", type=int, default=80)
    watching.add_argument("--rollouts", type=int, default=1000)
    watching.add_argument("--workers", type=int, default=16)
    watching.set_defaults(do=live)
    options = parser.parse_args()
    options.do(options)


if __name__ == "__main__":
    main()
