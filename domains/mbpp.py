"""MBPP, sanitized: 427 short Python problems with three or more asserts each.

Austin et al. 2021, "Program Synthesis with Large Language Models",
https://github.com/google-research/google-research/tree/master/mbpp, CC-BY-4.0.

The original prompt shows all asserts. Here the agent sees the signature and the first one, the others are
hidden.
"""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING, cast

from domains.benchmark import Benchmark, Item, from_pools
from domains.data import Row, Source
from domains.domain import SplitName, Task
from domains.examples import parse
from domains.scoring import HiddenTests

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = Source(
    file="mbpp/sanitized-mbpp.json",
    hub=("google-research-datasets/mbpp", "sanitized", "prompt+train+validation+test"),
)

OFFICIAL_TEST = range(11, 511)
"""Task numbers that the authors keep for testing (257 of them are in the sanitized set)."""


def mbpp(*, sizes: Mapping[SplitName, int] | None = None, seed: int = 0) -> Benchmark:
    """Load MBPP; ``test`` comes from the 257 official test tasks, the rest from the other 170."""
    rows = SOURCE.rows()
    test = [_item(row) for row in rows if row["task_id"] in OFFICIAL_TEST]
    rest = [_item(row) for row in rows if row["task_id"] not in OFFICIAL_TEST]
    return from_pools(
        "mbpp",
        "Each task describes a short Python function in a sentence, with its signature and one assert as an "
        "example; the answer is Python source that defines the function (named task.entry_point). Hidden "
        "asserts mark it: all must pass.",
        [({"search": 1, "selection": 1}, rest), ({"test": 1}, test)],
        sizes=sizes,
        seed=seed,
    )


def _item(row: Row) -> Item:
    tests = tuple(str(test) for test in cast("list[str]", row["test_list"]))
    function = _function_under_test(str(row["code"]), tests[0])
    header = f"def {function.name}({ast.unparse(function.args)}):"
    imports = _imports(tests)
    visible = f"{'; '.join(imports)}; {tests[0]}" if imports else tests[0]
    return Item(
        Task(
            f"MBPP/{row['task_id']}",
            f"{row['prompt']}\n\nSignature: {header}\nExample: {tests[0]}",
            "code",
            function.name,
            (visible,),
        ),
        HiddenTests(
            function.name,
            tests,
            setup="\n".join(imports),
            epilogue=_TRUTH.format(name=function.name) if _only_truth(tests, function.name) else "",
        ),
    )


_TRUTH = """
def {name}(*args, _function={name}):
    return bool(_function(*args))
"""


def _function_under_test(code: str, test: str) -> ast.FunctionDef:
    """Return the function of the reference code that the test calls."""
    called = {
        node.func.id
        for node in ast.walk(parse(test))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    return next(
        node for node in parse(code).body if isinstance(node, ast.FunctionDef) and node.name in called
    )


def _imports(tests: tuple[str, ...]) -> list[str]:
    """Return imports of the standard modules that tests name; the data forgets one (``sys``, task 596)."""
    names = {node.id for test in tests for node in ast.walk(parse(test)) if isinstance(node, ast.Name)}
    return [f"import {name}" for name in sorted(names & sys.stdlib_module_names)]


def _only_truth(tests: tuple[str, ...], name: str) -> bool:
    """Tell whether tests ask only for the truth of what ``name`` returns, which then need not be a plain value.

    Three reference solutions return the match of a regular expression, which cannot leave their process.
    """
    statements = [parse(test).body[0] for test in tests]
    asserted = [statement.test for statement in statements if isinstance(statement, ast.Assert)]
    bare = [test.operand if isinstance(test, ast.UnaryOp) else test for test in asserted]
    return len(bare) == len(tests) and all(
        isinstance(test, ast.Call) and ast.unparse(test.func) == name for test in bare
    )
