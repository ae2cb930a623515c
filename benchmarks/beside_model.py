"""What do executions cost a local model on the same cores, and the model them?

Eight replies at a time from llama.cpp and programs of about 10 ms from two threads: alone, then side by side.

    python benchmarks/beside_model.py                 # two minutes
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent))

from meta_agent.llm import Request
from meta_agent.llm.engines.llamacpp import LlamaCpp
from meta_agent.llm.llm import Message
from meta_agent.llm.local import model_path
from sandboxes import ProcessSandbox

if TYPE_CHECKING:
    from collections.abc import Callable

STREAMS, RUNNERS = 8, 2
PROGRAM = "def f(n):\n    return sum(i * i % 7 for i in range(n))"


def rates(seconds: float, *loads: tuple[int, Callable[[int], int]]) -> list[float]:
    """Run loads side by side, each in so many threads; return what each did a second, from the second half."""
    counts = [0] * len(loads)
    counting, over = threading.Event(), threading.Event()

    def repeat(index: int, load: Callable[[int], int], first: int) -> None:
        number = first
        while not over.is_set():
            done = load(number)
            number += 1000
            if counting.is_set() and not over.is_set():
                counts[index] += done

    threads = [
        threading.Thread(target=repeat, args=(index, load, first))
        for index, (width, load) in enumerate(loads)
        for first in range(width)
    ]
    for thread in threads:
        thread.start()
    time.sleep(seconds / 2)
    counting.set()
    time.sleep(seconds / 2)
    over.set()
    for thread in threads:
        thread.join()
    return [round(2 * count / seconds, 1) for count in counts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="local/qwen2.5-coder-0.5b")
    parser.add_argument(
        "--seconds",
        type=float,
        default=40.0,
        help="of each of the three measurements, the first half of which does not count",
    )
    options = parser.parse_args()
    engine = LlamaCpp(model_path(options.model), concurrency=STREAMS)

    def reply(number: int) -> int:
        message = Message(
            "user", f"Write a story about a Python function and its author. Its number is {number}."
        )
        request = Request(options.model, (message,), temperature=0.7, max_tokens=12, sample=number)
        return engine.complete(request).completion_tokens

    with ProcessSandbox() as sandbox:

        def execute(_: int) -> int:
            assert sandbox.run(PROGRAM, entry="f", args=[100_000]).ok
            return 1

        decoding, executing = (STREAMS, reply), (RUNNERS, execute)
        (tokens,) = rates(options.seconds, decoding)
        (runs,) = rates(options.seconds, executing)
        tokens_beside, runs_beside = rates(options.seconds, decoding, executing)
    engine.close()
    print(
        json.dumps(
            {
                "tokens_per_s": {"alone": tokens, "beside executions": tokens_beside},
                "executions_per_s": {"alone": runs, "beside the model": runs_beside},
            }
        )
    )


if __name__ == "__main__":
    main()
