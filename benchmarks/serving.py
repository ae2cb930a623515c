"""How well the server serves: throughput of concurrent streams, what stays behind, and how fast a hang-up ends the work.

    python benchmarks/serving.py [--streams 50] [--calls 10] [--latency 0.1] [--requests 1000]

A server with a scripted model of 100 ms runs in a process of its own; a client in another one keeps so many streams open.
An agent makes ``--calls`` model calls, one after the other, so an ideal server answers ``streams / (calls x latency)``
requests a second. Then the client sends ``--requests`` requests in all, while the server's memory, processes and
descriptors are watched, and hangs up on agents that would go on for long. Exits with 1 when something stays behind.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

ANSWERS = """
def forward(task, kit):
    reply = ""
    for step in range({calls}):
        reply = kit.llm(f"{{task.prompt}} {{step}}")
    return reply
"""
LOOPS = """
def forward(task, kit):
    while True:
        kit.llm(task.prompt, temperature=1.0)
        kit.run("while True: pass")
"""


def reply(_request: object) -> str:
    return "An answer of a few words."


def serve(latency: float, calls: int, streams: int, port: int) -> None:
    """Serve two agents until the process is ended: one that answers, one that never does."""
    import uvicorn

    from archive import Program
    from meta_agent.assistant.admission import Gate, Keys
    from meta_agent.assistant.agents import Agent
    from meta_agent.assistant.assistant import Assistant
    from meta_agent.assistant.server import Service, build_app
    from meta_agent.evaluation import Allowance
    from meta_agent.llm import FREE, Backend, Cache, Gateway, ScriptedLLM
    from sandboxes import ProcessSandbox

    agents = {
        f"adas/{name}": Agent(name, Program(source=source, name=name), "scripted")
        for name, source in (("answers", ANSWERS.format(calls=calls)), ("loops", LOOPS))
    }
    llm = ScriptedLLM(reply, latency)
    with (
        ProcessSandbox() as sandbox,
        Gateway(
            lambda _: Backend(llm, None, FREE), cache=Cache(Path(tempfile.mkdtemp()) / "llm.db")
        ) as gateway,
        Assistant(gateway, sandbox, Allowance(calls=10_000, tokens=10_000_000)) as assistant,
    ):
        service = Service(assistant, agents, Keys([]), Gate(streams + 1, streams))
        uvicorn.run(build_app(service), host="127.0.0.1", port=port, log_level="error")


def family(pid: int) -> list[int]:
    """Return a process and all below it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def state(pid: int) -> dict[str, float]:
    """Return what there is of the server."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return {
        "processes": len(family(pid)),
        "descriptors": sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
        "threads": sum(1 for _ in Path(f"/proc/{pid}/task").iterdir()),
        "MB": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
    }


async def stream(port: int, model: str, text: str, leave_after_s: float | None = None) -> int:
    """Ask for a stream on a connection of its own; return the status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps(
        {"model": model, "stream": True, "messages": [{"role": "user", "content": text}]}
    ).encode()
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    await writer.drain()
    try:
        head = await reader.readline()
        if leave_after_s is not None:
            await asyncio.sleep(leave_after_s)
            return 0
        last = b""
        while line := await reader.readline():
            last = line if line.startswith(b"data:") else last
        return int(head.split()[1]) if last == b"data: [DONE]\n" else 0
    finally:
        writer.close()


async def crowd(port: int, streams: int, requests: int, mark: str) -> tuple[float, list[float], int]:
    """Keep so many streams open until all requests are answered; return seconds, latencies and failures."""
    numbers = iter(range(requests))
    latencies: list[float] = []
    failures = 0

    async def one() -> None:
        nonlocal failures
        for number in numbers:
            started = time.perf_counter()
            failures += await stream(port, "adas/answers", f"{mark} {number}") != 200
            latencies.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(streams)))
    return time.perf_counter() - started, latencies, failures


async def cancelled(port: int) -> float:
    """Return how many requests the server counts as cancelled: their threads and jails have ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    found = [
        line for line in text.splitlines() if line.startswith("adas_requests_total") and "cancelled" in line
    ]
    return sum(float(line.rpartition(" ")[2]) for line in found)


async def hang_up(port: int) -> float:
    """Return the seconds between a client's end and the end of the work for it."""
    before = await cancelled(port)
    await stream(port, "adas/loops", f"hang up {time.time()}", leave_after_s=0.5)
    left = time.perf_counter()
    while await cancelled(port) == before and time.perf_counter() - left < 20:
        await asyncio.sleep(0.01)
    return time.perf_counter() - left


async def measure(options: argparse.Namespace, port: int, pid: int) -> int:
    ideal = options.streams / (options.calls * options.latency)
    await crowd(port, options.streams, options.streams * 2, "warm up")
    await asyncio.sleep(0.5)
    before = state(pid)
    sizes, failed = [before["MB"]], 0
    rates: list[float] = []
    print(f"ideal: {ideal:.1f} requests/s")
    portion = max(options.streams * 3, options.requests // 5)
    for start in range(0, options.requests, portion):
        count = min(portion, options.requests - start)
        seconds, latencies, failures = await crowd(port, options.streams, count, f"request {start}")
        failed += failures
        rates.append(count / seconds)
        sizes.append(state(pid)["MB"])
        print(
            f"{start + count:6} requests: {count / seconds:6.1f}/s, ideal / measured {ideal * seconds / count:.2f}, "
            f"p50 {statistics.median(latencies):.2f} s, p99 {sorted(latencies)[int(0.99 * len(latencies))]:.2f} s, "
            f"{sizes[-1]:.0f} MB",
            flush=True,
        )
    busy = asyncio.ensure_future(crowd(port, options.streams, options.streams * 8, "meanwhile"))
    ends = [await hang_up(port) for _ in range(10)]
    await busy
    await asyncio.sleep(1.0)
    after = state(pid)
    left = [name for name in ("processes", "descriptors") if after[name] > before[name]]
    grown = sizes[-1] > 1.05 * sizes[1] + 2
    print(f"before: {before}\nafter:  {after}")
    print(
        f"failed: {failed}; stays behind: {', '.join(left) or 'nothing'}; memory {'grows' if grown else 'is flat'}"
    )
    print(
        f"a hang-up, {options.streams} others at work, ends the work after {statistics.median(ends):.3f} s, "
        f"{max(ends):.3f} s at most"
    )
    return int(bool(failed or left or grown))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.latency, options.calls, options.streams, options.serve)
        return 0
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, __file__, *sys.argv[1:], "--serve", str(port)])
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        return asyncio.run(measure(options, port, process.pid))
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
