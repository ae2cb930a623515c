"""GSM8K: grade-school word problems with a whole number as the answer.

Cobbe et al. 2021, "Training Verifiers to Solve Math Word Problems",
https://github.com/openai/grade-school-math, MIT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.benchmark import Benchmark, Item, from_pools
from domains.data import Row, Source
from domains.domain import SplitName, Task
from domains.scoring import expected_number

if TYPE_CHECKING:
    from collections.abc import Mapping

TRAIN = Source(file="gsm8k/train.jsonl", hub=("openai/gsm8k", "main", "train"))
TEST = Source(file="gsm8k/test.jsonl", hub=("openai/gsm8k", "main", "test"))

INSTRUCTION = "End with the final answer as a number in digits, without thousands separators."


def gsm8k(*, sizes: Mapping[SplitName, int] | None = None, seed: int = 0) -> Benchmark:
    """Load GSM8K; ``test`` comes from the 1319 test problems, the rest from the 7473 training problems."""
    train = [_item("train", number, row) for number, row in enumerate(TRAIN.rows())]
    test = [_item("test", number, row) for number, row in enumerate(TEST.rows())]
    return from_pools(
        "gsm8k",
        "Each task is a word problem of primary-school arithmetic that takes 2 to 8 steps. The answer is one "
        "number; the last number in the returned text counts, compared exactly.",
        [({"search": 1, "selection": 1}, train), ({"test": 1}, test)],
        sizes=sizes,
        seed=seed,
    )


def _item(part: str, number: int, row: Row) -> Item:
    solution = str(row["answer"])  # the worked solution, then "#### 18"
    return Item(
        Task(f"gsm8k/{part}/{number}", f"{row['question']}\n\n{INSTRUCTION}", "answer"),
        expected_number(solution.rpartition("####")[2]),
    )
