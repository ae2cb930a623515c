"""All canonical solutions of HumanEval pass, and broken ones do not, with the tests in another process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from sandboxes import Limits, ProcessSandbox
from tests.sandboxes import humaneval

LIMITS = Limits(wall_s=60, cpu_s=30)


@pytest.fixture(scope="module")
def problems():
    return humaneval.problems()


def verdicts(sandbox, problems, body):
    def one(problem):
        entry = problem["entry_point"]
        code = problem["prompt"] + body(problem)
        return sandbox.check(
            code, humaneval.tests(problem), setup=problem["prompt"], entry=entry, limits=LIMITS
        )

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(one, problems))


@pytest.mark.parametrize("level", ["L2", "L1"])
def test_canonical_solutions_pass(problems, level):
    with ProcessSandbox(level=level) as sandbox:
        outcomes = verdicts(sandbox, problems, lambda problem: problem["canonical_solution"])
    failed = {
        p["task_id"]: o.failures for p, o in zip(problems, outcomes, strict=True) if o.passed != (True,)
    }
    assert len(problems) == 164
    assert failed == {}


def test_solutions_that_return_nothing_fail(problems):
    with ProcessSandbox() as sandbox:
        outcomes = verdicts(sandbox, problems, lambda problem: "    return None\n")
    assert [o.passed for o in outcomes] == [(False,)] * 164
