"""How many tokens a second do local engines give a search, and what does our gateway cost?

One load for all: 64 requests in flight, prompts of about 300 tokens that share their beginning, replies of 120 tokens.

- raw: an ``xllamacpp`` server as it comes, only the model's path set;
- direct: the engine that this machine chose, asked without our gateway;
- gateway: the same engine through ``open_gateway``, with an empty cache.

direct and gateway take turns, on fresh prompts each time, so that a busy machine is busy for both.

    python benchmarks/engines.py                      # all engines that are installed, some minutes
    python benchmarks/engines.py --quick              # 16 requests, one turn
    python benchmarks/engines.py --json engines.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import httpx
from rich.console import Console
from rich.table import Table

from meta_agent.llm import Backend, Cache, Gateway, Request
from meta_agent.llm.engines.environment import installed_python
from meta_agent.llm.engines.llamacpp import LlamaCpp
from meta_agent.llm.engines.machine import describe
from meta_agent.llm.engines.measure import request as load_request
from meta_agent.llm.engines.vllm import Vllm, fastest_format
from meta_agent.llm.local import choose, model_path

REPLY_TOKENS = 120
Ask = Callable[[Request], tuple[int, int]]
"""Sends one request; returns prompt and reply tokens."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="local/qwen2.5-coder-0.5b")
    parser.add_argument("--requests", type=int, default=128, help="requests a turn")
    parser.add_argument(
        "--raw-requests", type=int, default=64, help="requests to the raw server, which is slow"
    )
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--engines", default=None, help="comma-separated; default: the one chosen here")
    parser.add_argument("--quick", action="store_true", help="16 requests in one turn")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    if options.quick:
        options.requests = options.raw_requests = 16
        options.turns = 1
    path = model_path(options.model)
    chosen = choose(options.model)
    bench = Bench(options.model, options.in_flight)
    for engine in (options.engines or chosen).split(","):
        llm: LlamaCpp | Vllm = Vllm(path) if engine == "vllm" else LlamaCpp(path)
        with Gateway(lambda _, llm=llm: Backend(llm, llm.concurrency), cache=Cache()) as gateway:
            bench.warm(direct(llm))
            for _ in range(options.turns):
                bench.run(f"{engine}, direct", direct(llm), options.requests)
                bench.run(f"{engine}, gateway", through(gateway), options.requests)
    bench.run("raw xllamacpp", raw(path), options.raw_requests)
    report(bench.rows, chosen, options.json)


class Bench:
    """Runs the load against one engine after the other, never the same prompt twice."""

    def __init__(self, model: str, in_flight: int) -> None:
        self.model = model
        self.in_flight = in_flight
        self.numbers = count()
        self.rows: list[dict[str, Any]] = []

    def requests(self, number: int) -> list[Request]:
        return [
            replace(load_request(next(self.numbers), REPLY_TOKENS), model=self.model) for _ in range(number)
        ]

    def warm(self, ask: Ask) -> None:
        with ThreadPoolExecutor(8) as crowd:
            list(crowd.map(ask, [replace(each, max_tokens=4) for each in self.requests(8)]))

    def run(self, name: str, ask: Ask, number: int) -> None:
        requests = self.requests(number)
        started = time.perf_counter()
        with ThreadPoolExecutor(self.in_flight) as crowd:
            tokens = list(crowd.map(ask, requests))
        seconds = time.perf_counter() - started
        row = {
            "name": name,
            "requests": number,
            "prompt_tokens": sum(prompt for prompt, _ in tokens),
            "reply_tokens": sum(reply for _, reply in tokens),
            "seconds": round(seconds, 2),
        }
        self.rows.append(row)
        print(f"{name:20} {row['reply_tokens'] / seconds:7.1f} tokens/s", file=sys.stderr, flush=True)


def raw(path: Path) -> Ask:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.verbosity = 0
    return _in_process(xllamacpp.Server(params))


def direct(llm: LlamaCpp | Vllm) -> Ask:
    if isinstance(llm, LlamaCpp):
        return _in_process(llm._server)  # noqa: SLF001
    client = httpx.Client(
        headers={"Authorization": f"Bearer {llm.key}"}, timeout=600, limits=httpx.Limits(max_connections=None)
    )

    def ask(request: Request) -> tuple[int, int]:
        reply = client.post(f"{llm.url}/chat/completions", json={"model": llm.log.stem, **_body(request)})
        usage = reply.raise_for_status().json()["usage"]
        return usage["prompt_tokens"], usage["completion_tokens"]

    return ask


def through(gateway: Gateway) -> Ask:
    def ask(request: Request) -> tuple[int, int]:
        completion = gateway.complete(request)
        assert not completion.cached
        return completion.prompt_tokens, completion.completion_tokens

    return ask


def _in_process(server: Any) -> Ask:
    def ask(request: Request) -> tuple[int, int]:
        usage = server.handle_chat_completions(_body(request))["usage"]
        return usage["prompt_tokens"], usage["completion_tokens"]

    return ask


def _body(request: Request) -> dict[str, Any]:
    messages = [{"role": message.role, "content": message.content} for message in request.messages]
    return {"messages": messages, "temperature": 0.0, "max_tokens": request.max_tokens}


def report(rows: list[dict[str, Any]], chosen: str, out: Path | None) -> None:
    speed: dict[str, float] = {}
    for name in {row["name"]: None for row in rows}:
        mine = [row for row in rows if row["name"] == name]
        speed[name] = sum(row["reply_tokens"] for row in mine) / sum(row["seconds"] for row in mine)
    table = Table("", "requests", "prompt tokens", "reply tokens", "seconds", "tokens/s", box=None)
    for name, rate in speed.items():
        mine = [row for row in rows if row["name"] == name]
        sums = [sum(row[field] for row in mine) for field in ("requests", "prompt_tokens", "reply_tokens")]
        table.add_row(name, *map(str, sums), f"{sum(row['seconds'] for row in mine):.1f}", f"{rate:.1f}")
    Console().print(table)
    ours = speed[f"{chosen}, gateway"] if f"{chosen}, gateway" in speed else max(speed.values())
    figures = {
        "machine": describe(),
        "weights": fastest_format() if installed_python() else "gguf",
        "chosen": chosen,
        "tokens_per_second": {name: round(rate, 1) for name, rate in speed.items()},
        "times_raw": round(ours / speed["raw xllamacpp"], 2),
        "of_direct": {
            name.removesuffix(", direct"): round(speed[name.replace("direct", "gateway")] / speed[name], 3)
            for name in speed
            if name.endswith("direct")
        },
        "runs": rows,
    }
    print(json.dumps({key: value for key, value in figures.items() if key != "runs"}, indent=2))
    if out:
        out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
