from __future__ import annotations

import sqlite3
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver

from meta_agent.agents import load_agent
from meta_agent.config import ProposerName, SearchConfig
from meta_agent.errors import BudgetError
from meta_agent.finish import Finish
from meta_agent.llm import Budget
from meta_agent.pace import Pace
from meta_agent.proposers import Example, Proposal, Turn, open_proposers
from meta_agent.proposers.bandit import PATIENCE
from meta_agent.search import Search

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.meta_agent.conftest import Bench

SEEDS = [load_agent("direct"), load_agent("self_consistency")]
SOLVER = "def forward(task, kit):\n    kit.llm('x{n}')\n    k = task.entry_point.split('_')[1]\n    return f'def plus_{{k}}(x):\\n    return x + {{k}}'"


class Script:
    """A proposer that plays listed sources: the first of a slot's list is proposed, the others are its repairs."""

    name = "script"

    def __init__(self, plays: dict[int, list[str]]) -> None:
        self.plays = plays
        self.errors: list[str] = []
        self.parents: list[Sequence[Example]] = []

    def propose(self, turn: Turn) -> Proposal:
        self.parents.append(turn.parents)
        return Proposal(
            name=f"play {turn.draw}",
            thought="scripted",
            source=self.plays[turn.draw][0],
            parents=tuple(parent.program for parent in turn.parents),
        )

    def reflect(self, proposal: Proposal, step: int, draw: int) -> Proposal:
        return proposal

    def repair(self, proposal: Proposal, error: str, attempt: int, draw: int) -> Proposal:
        self.errors.append(error)
        return replace(proposal, source=self.plays[draw][attempt])


def search(
    bench: Bench,
    script: Script,
    observe: Callable[[int, int, str, str], None] = lambda _generation, _slot, _stage, _words: None,
    **settings: object,
) -> Search:
    config = SearchConfig.model_validate(
        {"generations": 1, "width": len(script.plays), "repairs": 2, **settings}
    )
    loop = Search(
        run="r",
        config=config,
        domain=bench.domain,
        archive=bench.archive,
        evaluator=bench.evaluator,
        proposers=[script],
        seeds=SEEDS,
        observe=observe,
    )
    loop(InMemorySaver())
    return loop


def test_programs_that_ran_become_members_with_parents_thought_and_diff(bench: Bench) -> None:
    search(bench, Script({0: [SOLVER.format(n=0)], 1: [SOLVER.format(n=1)]}))
    found = [m for m in bench.archive.members("r") if m.generation == 1]
    assert [m.slot for m in found] == [0, 1]
    for member in found:
        program = bench.archive.program(member.program)
        assert program.thought == "scripted"
        assert set(member.parents) <= {seed.id for seed in SEEDS}
        assert member.diff.startswith(f"--- {bench.archive.program(member.parents[0]).name}")
        (evaluation,) = bench.archive.evaluations(run="r", program=member.program)
        assert [r.score for r in bench.archive.rollouts(evaluation.id)] == [1.0] * 6


def test_a_broken_program_is_repaired_with_its_real_error(bench: Bench) -> None:
    script = Script(
        {
            0: [
                "def forward(task, kit):\n    return kit.llm(task.promt)",
                "def forward(task, kit):\n    return kit.llm(task.prompt) + 1",
                SOLVER.format(n=0),
            ]
        }
    )
    search(bench, script)
    assert "task has no 'promt'" in script.errors[0]
    assert "TypeError" in script.errors[1]
    assert "kit.llm(task.prompt) + 1" in script.errors[1]
    (found,) = [m for m in bench.archive.members("r") if m.generation == 1]
    assert found.repairs == 2
    assert [(f.attempt, f.stage) for f in bench.archive.failures("r")] == [(0, "check"), (1, "try")]


def test_what_cannot_be_repaired_is_counted_not_lost(bench: Bench) -> None:
    script = Script(
        {0: ["def forward(:"] * 3, 1: [SEEDS[0].source] * 3, 2: [SOLVER.format(n=2)], 3: [SOLVER.format(n=2)]}
    )
    search(bench, script)
    assert [m.slot for m in bench.archive.members("r") if m.generation == 1] == [2]
    stages = Counter((f.slot, f.stage) for f in bench.archive.failures("r"))
    assert stages == {(0, "check"): 3, (1, "duplicate"): 3, (3, "duplicate"): 1}


def test_a_candidate_that_is_dropped_stays_in_the_archive_with_what_it_did(bench: Bench) -> None:
    hopeless = "def forward(task, kit):\n    return kit.llm('nothing')"
    stages: list[tuple[str, ...]] = []
    script = Script({0: [SOLVER.format(n=0)], 1: [hopeless]})
    search(bench, script, lambda _generation, _slot, *seen: stages.append(seen), race_block=2, race_risk=0.4)
    first, second = (m.program for m in bench.archive.members("r") if m.generation == 1)
    (drop,) = bench.archive.drops("r")
    assert bench.archive.drops("r", first) == []
    assert bench.archive.drops("r", second) == [drop]
    assert len(bench.archive.rollouts(drop.evaluation)) == drop.tasks < 6
    assert ("dropped", drop.reason) in stages


def test_later_generations_descend_from_earlier_ones(bench: Bench) -> None:
    script = Script({n: [SOLVER.format(n=n)] for n in range(12)})
    search(bench, script, generations=6, width=2)
    found = [m for m in bench.archive.members("r") if m.generation > 1]
    assert {m.generation for m in found} == {2, 3, 4, 5, 6}
    bred = {m.program for m in bench.archive.members("r") if m.generation >= 1}
    assert any(bred & set(m.parents) for m in found)
    assert all(example.score == 1.0 for example in script.parents[-1] if example.name.startswith("play"))


class Named(Script):
    """A script with a name of its own; in the slots that others got it is not asked."""

    def __init__(self, name: str, source: str, count: int) -> None:
        super().__init__({n: [source.format(n=f"{name}{n}")] * 3 for n in range(count)})
        self.name = name


def mixed(bench: Bench, *proposers: Script, **settings: object) -> dict[str, int]:
    """Search with several proposers; return how many programs each has made."""
    config = SearchConfig.model_validate({"repairs": 0, **settings})
    Search(
        run="r",
        config=config,
        domain=bench.domain,
        archive=bench.archive,
        evaluator=bench.evaluator,
        proposers=proposers,
        seeds=SEEDS,
    )(InMemorySaver())
    return Counter(m.proposer for m in bench.archive.members("r") if m.generation > 0)


def test_a_proposer_that_does_well_gets_more_slots(bench: Bench) -> None:
    useless = "def forward(task, kit):\n    kit.llm('x{n}')\n    return 'nothing'"
    good, bad = Named("good", SOLVER, 40), Named("bad", useless, 40)
    made = mixed(bench, good, bad, generations=8, width=5)
    assert made["good"] + made["bad"] == 40
    assert made["good"] > 2 * made["bad"] > 0


def test_a_parent_from_which_nothing_runs_is_not_shown_again(bench: Bench) -> None:
    broken = Named("broken", "def forward(task, kit):\n    return kit.llm(task.promt)", 24)
    assert mixed(bench, broken, generations=6, width=4) == {}
    shown = [parents[0].program for parents in broken.parents]
    failed = Counter(shown[:4])
    barred = {program for program, count in failed.items() if count >= PATIENCE}
    assert barred
    if len(barred) < len(SEEDS):
        assert not barred & set(shown[4:8])


def test_the_archive_is_the_same_whatever_the_timing(bench: Bench) -> None:
    def outcome(run: str, workers: int) -> list[tuple[object, ...]]:
        from archive import Run
        from meta_agent.evaluation import Allowance, Evaluator

        bench.archive.add_run(
            Run(id=run, kind="search", domain=bench.domain.name, domain_version=bench.domain.version)
        )
        evaluator = Evaluator(
            archive=bench.archive,
            domain=bench.domain,
            gateway=bench.gateway,
            sandbox=bench.evaluator.sandbox,
            model="agent",
            workers=workers,
            allowance=Allowance(calls=12),
        )
        config = SearchConfig(generations=3, width=4, finalists=2, race_block=2, race_risk=0.4)
        proposers = open_proposers(
            get_args(ProposerName), bench.gateway, "meta", description="", kind="code", calls=12
        )
        Search(
            run=run,
            config=config,
            domain=bench.domain,
            archive=bench.archive,
            evaluator=evaluator,
            proposers=proposers,
            seeds=SEEDS,
        )(SqliteSaver(sqlite3.connect(":memory:", check_same_thread=False)))
        card = Finish(
            run=run,
            config=config,
            domain=bench.domain,
            archive=bench.archive,
            evaluator=evaluator,
            pace=Pace(Budget(), 0.4),
        )()
        evaluator.close()
        members = [
            (m.program, m.generation, m.slot, m.parents, m.repairs, m.proposer)
            for m in bench.archive.members(run)
        ]
        scores = sorted(
            (e.program, e.split, r.task, r.score)
            for e in bench.archive.evaluations(run=run)
            for r in bench.archive.rollouts(e.id)
        )
        drops = sorted((d.tasks, d.difference, d.reason) for d in bench.archive.drops(run))
        assert drops
        return [
            *members,
            *scores,
            *drops,
            *((line.role, line.program, line.accuracy.mean) for line in card.lines),
        ]

    assert outcome("a", 1) == outcome("b", 8)


@pytest.mark.parametrize("stop_at", [1, 2])
def test_enough_ends_the_search_early(bench: Bench, stop_at: int) -> None:
    asked: list[int] = []

    def enough() -> bool:
        asked.append(1)
        return len(asked) > stop_at

    loop = Search(
        run="r",
        config=SearchConfig(generations=5, width=1),
        domain=bench.domain,
        archive=bench.archive,
        evaluator=bench.evaluator,
        proposers=[Script({n: [SOLVER.format(n=n)] for n in range(5)})],
        seeds=SEEDS,
        enough=enough,
    )
    loop(InMemorySaver())
    assert max(m.generation for m in bench.archive.members("r")) == stop_at


def test_a_cut_generation_keeps_what_ran_and_a_resumed_one_goes_on(bench: Bench) -> None:
    script = Script({n: [SOLVER.format(n=n)] for n in range(3)})
    propose, budget_is_left = script.propose, False

    def propose_late(turn: Turn) -> Proposal:
        if turn.draw == 2 and not budget_is_left:
            deadline = time.monotonic() + 30
            while len(bench.archive.evaluations(run="r")) < 4 and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.5)
            raise BudgetError("used up")
        return propose(turn)

    script.propose = propose_late  # type: ignore[method-assign]
    checkpoints = InMemorySaver()
    loop = Search(
        run="r",
        config=SearchConfig(generations=1, width=3),
        domain=bench.domain,
        archive=bench.archive,
        evaluator=bench.evaluator,
        proposers=[script],
        seeds=SEEDS,
    )
    with pytest.raises(BudgetError):
        loop(checkpoints)
    assert [m.slot for m in bench.archive.members("r") if m.generation == 1] == [0, 1]
    budget_is_left = True
    loop(checkpoints)
    assert [m.slot for m in bench.archive.members("r") if m.generation == 1] == [0, 1, 2]
