from __future__ import annotations

import json
from itertools import combinations
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from archive import Program, Run
from meta_agent.agents import SEEDS, load_agent
from meta_agent.check import check
from meta_agent.commands.portfolio import portfolio
from meta_agent.config import SearchConfig
from meta_agent.errors import UserError
from meta_agent.portfolio import Attempt, Candidate, Portfolio, choose, compose, measured

if TYPE_CHECKING:
    from pathlib import Path

    from tests.meta_agent.conftest import Bench


def solver(name: str, condition: str) -> Program:
    """A program that solves the tasks ``plus_K`` whose K fits, and is off by one on the others."""
    return Program(
        f'"""{name}."""\n\nimport re\n\nSEEN = 0\n\n\ndef number(task):\n    global SEEN\n    SEEN += 1\n'
        "    return int(re.search(r'\\d+', task.entry_point).group())\n\n\n"
        f"def forward(task, kit):\n    kit.llm('{name}' + task.prompt)\n    k = number(task)\n"
        f"    wrong = 0 if {condition} else 1\n    assert SEEN == 1\n"
        "    return f'def plus_{k}(x):\\n    return x + {k + wrong}'\n",
        name,
    )


EVEN, ODD, THIRDS = solver("Even", "k % 2 == 0"), solver("Odd", "k % 2"), solver("Thirds", "k % 3 == 0")
CRASH = Program("def forward(task, kit):\n    kit.llm('c' + task.prompt)\n    return 1 / 0\n", "Crash")


def run(bench: Bench, *programs: Program) -> list[float]:
    tasks = bench.domain.tasks("search")
    evaluations = bench.evaluator.evaluate("r", programs, tasks, "search")
    held = [{r.task: r for r in bench.archive.rollouts(e.id)} for e in evaluations]
    assert all(not rollout.failure for rollouts in held for rollout in rollouts.values())
    return [sum(r.score for r in rollouts.values()) / len(tasks) for rollouts in held]


def test_a_portfolio_solves_what_its_members_solve(bench: Bench) -> None:
    both = compose([EVEN, ODD])
    assert check(both.source) == ""
    assert run(bench, both) == [1.0]
    (evaluation,) = bench.archive.evaluations(program=both.id)
    calls = {r.task: r.calls for r in bench.archive.rollouts(evaluation.id)}
    assert calls == {t.id: 1 + int(t.entry_point.split("_")[1]) % 2 for t in bench.domain.tasks("search")}


def test_a_member_that_fails_does_no_harm(bench: Bench) -> None:
    assert run(bench, compose([CRASH, EVEN, ODD])) == [1.0]


def test_what_it_would_have_scored_is_what_it_scores(bench: Bench) -> None:
    programs = [EVEN, ODD, THIRDS, load_agent("direct")]
    run(bench, *programs)
    candidates = measured(bench.archive, "r", "search", bench.domain, bench.evaluator.sandbox)
    assert {c.program.id for c in candidates} == {p.id for p in programs}
    for pair in combinations(candidates, 2):
        found = choose(pair, 1e9, 2)
        (scored,) = run(bench, compose([member.program for member in found.members]))
        assert scored == pytest.approx(found.score)


@pytest.mark.parametrize("name", SEEDS)
def test_every_seed_can_be_a_member(bench: Bench, name: str) -> None:
    program = compose([load_agent(name), THIRDS])
    rollout = bench.evaluator.attempt(program, bench.domain.tasks("search")[0])
    assert not rollout.failure
    assert rollout.calls


def candidate(name: str, scores: list[float], tokens: int, *, code: bool = True) -> Candidate:
    attempts = tuple(
        Attempt(s, tokens, s if code else None, "right" if s else f"wrong {name}") for s in scores
    )
    return Candidate(Program(f"# {name}", name), attempts)


def names(found: Portfolio) -> list[str]:
    return [member.program.name for member in found.members]


def test_members_complement_each_other_and_the_cheapest_comes_first() -> None:
    good = candidate("good", [1, 1, 1, 1, 1, 1, 0, 0, 0, 0], 100)
    like_it = candidate("like it", [1, 1, 1, 1, 1, 0, 0, 0, 0, 0], 10)
    other = candidate("other", [0, 0, 0, 0, 0, 0, 1, 1, 1, 0], 50)
    found = choose([good, like_it, other], 1e9, 2)
    assert names(found) == ["other", "good"]
    assert found.score == found.oracle == pytest.approx(0.9)
    assert found.tokens == pytest.approx(
        50 + 0.7 * 100
    )  # the second is asked where the first fails its tests


def test_the_cap_holds() -> None:
    dear, cheap = candidate("dear", [1] * 9 + [0], 100), candidate("cheap", [0] * 9 + [1], 20)
    assert names(choose([dear, cheap], 50, 2)) == ["cheap"]
    assert names(choose([dear, cheap], 110, 2)) == ["cheap", "dear"]  # 20 + 0.9 * 100
    assert names(choose([dear, cheap], 109, 2)) == ["dear"]
    with pytest.raises(UserError, match="no agent is within 10 tokens a task: the cheapest takes 20"):
        choose([dear, cheap], 10, 2)


def test_without_visible_tests_the_majority_decides() -> None:
    a = candidate("a", [1, 1, 0, 0], 1, code=False)
    b = candidate("b", [1, 0, 1, 0], 2, code=False)
    c = candidate("c", [0, 1, 1, 0], 3, code=False)
    found = choose([a, b, c], 1e9, 3)
    assert found.oracle == pytest.approx(
        0.5
    )  # greedy: no second member adds anything to the first, whom ties favour
    assert found.score == pytest.approx(0.5)


def test_luck_on_the_tasks_of_the_choice_is_not_promised() -> None:
    """Coins: the best of many looks good on the tasks it was chosen by, and is a coin on others."""
    import random

    draws = random.Random(3)
    coins = [candidate(str(n), [draws.randrange(2) for _ in range(40)], 10, code=False) for n in range(30)]
    found = choose(coins, 1e9, 1)
    assert found.score > 0.6
    assert found.expected.low <= 0.5 <= found.expected.high


def test_the_command(bench: Bench, tmp_path: Path) -> None:
    config = SearchConfig(domain=bench.domain.name, search_tasks=6, selection_tasks=4, test_tasks=8)
    bench.archive.add_run(
        Run("p", "search", bench.domain.name, bench.domain.version, config.model_dump(mode="json"))
    )
    bench.evaluator.evaluate("p", [EVEN, ODD], bench.domain.tasks("search"), "search")
    out = str(tmp_path / "both.py")
    result = CliRunner().invoke(
        portfolio, ["p", "--archive", bench.archive.name, "--out", out, "--json"], catch_exceptions=False
    )
    row = json.loads(result.stdout)
    assert {m["name"] for m in row["members"]} == {"Even", "Odd"}
    assert row["score"] == 1.0
    assert run(bench, load_agent(out)) == [1.0]
