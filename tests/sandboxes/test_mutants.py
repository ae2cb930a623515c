"""The judge in a process of its own accepts no program that the same tests reject when they are run plainly.

Plainly: in the candidate's own process, as other harnesses run them, but in the jail.
"""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from sandboxes import Limits, ProcessSandbox
from tests.sandboxes import humaneval
from tests.sandboxes.mutants import mutants

LIMITS = Limits(wall_s=30, cpu_s=1)
OPERATORS = {
    "comparison", "arithmetic", "boolean", "sign", "constant", "return", "condition", "slice", "index", "call",
}  # fmt: skip


def test_each_operator_changes_one_place():
    source = "def f(x, y=1):\n    if not x < y and x[1:]:\n        return -max(x[0], 2) + 3\n    return [a for a in x if a]"
    changed = list(mutants(source, "f"))
    assert {operator for operator, _ in changed} == OPERATORS
    assert len({text for _, text in changed}) == len(changed)
    assert ("comparison", source.replace("<", "<=")) in changed
    assert ("slice", source.replace("[1:]", "[:]")) in changed
    assert ("return", source.replace("-max(x[0], 2) + 3", "None")) in changed


def chosen(problem, most):
    program = problem["prompt"] + problem["canonical_solution"]
    found = list(mutants(program, problem["entry_point"]))
    if most and len(found) > most:
        found = random.Random(problem["task_id"]).sample(found, most)
    return [(problem, operator, text) for operator, text in found]


def verdicts(sandbox, problem, program, limits):
    """Return whether a program passes with the judge outside, and whether it passes plainly."""
    outcomes = [
        sandbox.check(program, humaneval.tests(problem), setup=problem["prompt"], entry=entry, limits=limits)
        for entry in (problem["entry_point"], None)
    ]
    return [outcome.passed == (True,) for outcome in outcomes]


def compare(most):
    """Judge mutants in both ways; return how many of each operator were rejected, and where the ways differ."""
    rejected, disagreed = Counter(), []
    with ProcessSandbox() as sandbox:

        def one(mutant):
            problem, _, program = mutant
            split, plain = verdicts(sandbox, problem, program, LIMITS)
            if split != plain:  # one may have met a limit that the other just did not
                split, plain = verdicts(sandbox, problem, program, replace(LIMITS, cpu_s=10))
            return split, plain

        candidates = [mutant for problem in humaneval.problems() for mutant in chosen(problem, most)]
        with ThreadPoolExecutor(4) as pool:
            for (problem, operator, program), (split, plain) in zip(
                candidates, pool.map(one, candidates), strict=True
            ):
                rejected[operator] += not split
                if split != plain:
                    disagreed.append((problem["task_id"], operator, f"passes outside: {split}", program))
    return rejected, disagreed


def test_wrong_variants_fail():
    rejected, disagreed = compare(3)
    assert sum(rejected.values()) >= 300, rejected
    assert set(rejected) == OPERATORS
    assert disagreed == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_all_wrong_variants_fail(capsys):
    rejected, disagreed = compare(None)
    with capsys.disabled():
        print(f"\n{sum(rejected.values())} mutants rejected: {dict(rejected)}")
    assert disagreed == []
