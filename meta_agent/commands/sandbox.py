"""``adas sandbox``: run a program in a sandbox, check what a sandbox promises, measure it."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandboxes import Outcome, Sandbox

_ROUNDS = 3
_PROGRAM = """
def primes(limit):
    sieve = [True] * (limit + 1)
    for n in range(2, int(limit ** 0.5) + 1):
        if sieve[n]:
            sieve[n * n :: n] = [False] * len(sieve[n * n :: n])
    return [n for n in range(2, limit + 1) if sieve[n]]
"""
_TEST = "assert primes(30) == [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]\nassert len(primes(1000)) == 168"

_backend = click.option(
    "--backend", default="process", show_default=True,
    help="process, bwrap, gvisor, docker, podman or e2b; docker:IMAGE, process:L1.",
)  # fmt: skip
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def sandbox() -> None:
    """Run a program in a sandbox, check what a sandbox promises, or measure it."""


@sandbox.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_backend
@click.option("--entry", help="Call this function instead of running a script.")
@click.option("--args", "arguments", default="[]", help="Its arguments, as a JSON list.")
@click.option("--wall", default=10.0, show_default=True, help="Seconds of wall clock.")
@click.option("--cpu", default=10.0, show_default=True, help="Seconds of processor time.")
@click.option("--memory", default=512, show_default=True, help="MiB of memory.")
@click.option("--processes", default=0, show_default=True, help="Child processes it may start.")
@click.option(
    "--environment", type=click.Path(path_type=Path), help="Virtual environment whose packages it may import."
)
@_json
def run(
    file: Path,
    backend: str,
    entry: str | None,
    arguments: str,
    wall: float,
    cpu: float,
    memory: int,
    processes: int,
    environment: Path | None,
    as_json: bool,
) -> None:
    """Run the Python program FILE; exit code 1 when it fails or is stopped."""
    from sandboxes import Limits, open_sandbox

    limits = Limits(wall_s=wall, cpu_s=cpu, memory_mb=memory, processes=processes)
    given = "" if sys.stdin.isatty() else sys.stdin.read()
    with closing(open_sandbox(backend, environment)) as opened:
        outcome = opened.run(_text(file), entry=entry, args=_arguments(arguments), stdin=given, limits=limits)
    if as_json:
        click.echo(json.dumps(asdict(outcome)))
    else:
        _print(outcome, with_value=entry is not None)
    if not outcome.ok:
        sys.exit(1)


def _text(file: Path) -> str:
    from meta_agent.errors import UserError

    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {file}: {error}") from None


def _arguments(text: str) -> list[Any]:
    from meta_agent.errors import UserError

    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, list):
        raise UserError(f"cannot read --args {text!r}: expected a JSON list, for example '[1, \"two\"]'")
    return value


def _print(outcome: Outcome, *, with_value: bool) -> None:
    click.echo(outcome.stdout, nl=False)
    if with_value and outcome.ok:
        click.echo(json.dumps(outcome.value))
    if outcome.error:
        click.echo(outcome.error, err=True)
    click.echo(
        f"{outcome.level}: {outcome.wall_s:.3f} s, {outcome.cpu_s:.3f} s of processor, {outcome.peak_mb:.0f} MiB",
        err=True,
    )


@sandbox.command()
@_backend
@_json
def check(backend: str, as_json: bool) -> None:
    """Try what a sandbox must prevent and what it must do; exit code 1 when a promise is broken."""
    from meta_agent.commands.table import show
    from sandboxes import open_sandbox
    from sandboxes.promises import examine

    with closing(open_sandbox(backend)) as opened:
        findings = list(examine(opened))
        level = opened.level
    broken = sum(not finding.kept for finding in findings)
    if as_json:
        click.echo(json.dumps({"level": level, "broken": broken, "promises": [*map(asdict, findings)]}))
    else:
        show(["", "a program ...", "seen"], [["✓" if f.kept else "✗", f.promise, f.seen] for f in findings])
        click.echo(f"{len(findings)} promises at {level}, {broken} broken")
    if broken:
        sys.exit(1)


@sandbox.command()
@_backend
@click.option("--seconds", default=1.0, show_default=True, help="Seconds a method and round.")
@click.option("--workers", default=2, show_default=True, help="Executions at the same time.")
@_json
def bench(backend: str, seconds: float, workers: int, as_json: bool) -> None:
    """Measure executions a second and their latency, against a fresh interpreter without any isolation."""
    from meta_agent.commands.table import show
    from sandboxes import open_sandbox

    with closing(open_sandbox(backend)) as opened:
        rows = _measured(_methods(opened), seconds, workers)
    if as_json:
        click.echo(
            json.dumps({"level": opened.level, "workers": workers, "rounds": _ROUNDS, "methods": rows})
        )
        return
    fresh = rows[0]["per_second"]
    cells = [
        [row["method"], f"{row['per_second']:.1f}", f"{row['per_second'] / fresh:.2f}", f"{row['p50_ms']:.1f}",
         f"{row['p99_ms']:.1f}"]
        for row in rows
    ]  # fmt: skip
    show(["method", "executions/s", "x fresh", "p50 ms", "p99 ms"], cells)
    click.echo(f"{backend} at {opened.level}, {workers} at a time, medians of {_ROUNDS} rounds in turns")


def _methods(opened: Sandbox) -> dict[str, Callable[[], bool]]:
    """Return what is measured; each runs one small program of ours and tells whether it did what it should."""
    python = [sys.executable, "-I", "-S", "-c", f"{_PROGRAM}\n{_TEST}"]
    return {
        "fresh interpreter, no isolation": lambda: subprocess.run(python, check=False).returncode == 0,
        "run": lambda: opened.run(_PROGRAM, entry="primes", args=[30]).ok,
        "check, judged in a process of its own": lambda: opened.check(_PROGRAM, [_TEST], entry="primes").ok,
    }


def _measured(methods: dict[str, Callable[[], bool]], seconds: float, workers: int) -> list[dict[str, Any]]:
    rates: dict[str, list[float]] = {name: [] for name in methods}
    latencies: dict[str, list[float]] = {name: [] for name in methods}
    with ThreadPoolExecutor(workers) as pool:
        for _ in range(_ROUNDS):
            for name, method in methods.items():
                started = time.monotonic()
                repeated = pool.map(_repeat, [method] * workers, [started + seconds] * workers)
                times = list(chain.from_iterable(repeated))
                rates[name].append(len(times) / (time.monotonic() - started))
                latencies[name] += times
    return [
        {
            "method": name,
            "per_second": statistics.median(rates[name]),
            "p50_ms": 1000 * statistics.median(latencies[name]),
            "p99_ms": 1000 * sorted(latencies[name])[int(0.99 * len(latencies[name]))],
        }
        for name in methods
    ]


def _repeat(method: Callable[[], bool], deadline: float) -> list[float]:
    """Call a method until the deadline, once at least; return the seconds of each call."""
    times: list[float] = []
    while not times or time.monotonic() < deadline:
        started = time.monotonic()
        if not method():
            raise RuntimeError("the measured program failed")
        times.append(time.monotonic() - started)
    return times
