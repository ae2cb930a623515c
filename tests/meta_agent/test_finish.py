from __future__ import annotations

import io
from math import comb
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from archive import ArchiveError, Member, Program, Run
from meta_agent.agents import load_agent
from meta_agent.config import SearchConfig
from meta_agent.evaluation import StoppedError
from meta_agent.finish import Finish, ScoreCard
from meta_agent.llm import Budget, Spend
from meta_agent.pace import Pace
from meta_agent.scorecard import show

if TYPE_CHECKING:
    from tests.meta_agent.conftest import Bench

PERFECT = Program(
    source="def forward(task, kit):\n    kit.llm(task.prompt)\n    k = task.entry_point.split('_')[1]\n"
    "    return f'def plus_{k}(x):\\n    return x + {k}'",
    name="Perfect",
)
HOPELESS = Program(source="def forward(task, kit):\n    return kit.llm('nothing')", name="Hopeless")
SEEDS = [load_agent("direct"), load_agent("self_consistency"), load_agent("self_debug")]


def finish(bench: Bench, *found: Program) -> ScoreCard:
    return prepare(bench, *found)()


def prepare(bench: Bench, *found: Program, run: str = "r") -> Finish:
    for slot, program in enumerate(SEEDS):
        bench.archive.add_program(program)
        bench.archive.add_member(Member(run, program.id, 0, slot, proposer="hand"))
    for slot, program in enumerate(found):
        bench.archive.add_program(program)
        bench.archive.add_member(Member(run, program.id, 1, slot, (SEEDS[0].id,)))
    bench.evaluator.evaluate(run, [*SEEDS, *found], bench.domain.tasks("search"), "search")
    parts = {"domain": bench.domain, "archive": bench.archive, "evaluator": bench.evaluator}
    return Finish(run=run, config=SearchConfig(), pace=Pace(Budget(), 0.4), **parts)  # type: ignore[arg-type]


def test_a_real_gain_is_said(bench: Bench) -> None:
    card = finish(bench, HOPELESS, PERFECT)
    roles = {line.role: line for line in card.lines}
    assert roles["finalist"].name == "Perfect"
    assert roles["finalist"].accuracy.mean == 1.0
    for versus in card.versus:
        d = versus.difference
        assert d.p == pytest.approx(
            min(
                1.0,
                2
                * sum(comb(d.wins + d.losses, k) for k in range(min(d.wins, d.losses) + 1))
                / 2 ** (d.wins + d.losses),
            )
        )
        assert d.difference == pytest.approx((d.wins - d.losses) / 8)


def test_a_null_or_a_loss_is_said_as_plainly(bench: Bench) -> None:
    card = finish(bench, HOPELESS)
    assert {line.role: line.accuracy.mean for line in card.lines}["finalist"] == 0.0
    assert card.verdict.startswith(("A null result", "A loss"))


def test_without_a_discovery_the_baselines_stand_alone(bench: Bench) -> None:
    card = finish(bench)
    assert "No program was discovered" in card.verdict
    assert not card.versus
    assert {line.role.split(" x")[0] for line in card.lines} == {"best hand-designed", "self-consistency"}


def test_self_consistency_costs_what_the_finalist_costs(bench: Bench) -> None:
    card = finish(
        bench,
        Program(
            source=PERFECT.source.replace(
                "kit.llm(task.prompt)", "[kit.llm(task.prompt * 2 + str(i)) for i in range(9)]"
            ),
            name="Dear",
        ),
    )
    lines = {line.role.split(" x")[0]: line for line in card.lines}
    assert lines["self-consistency"].calls > 3
    assert 0.5 < lines["self-consistency"].tokens / lines["finalist"].tokens < 2


def test_the_test_split_is_opened_once_and_again_only_to_resume(bench: Bench) -> None:
    first = finish(bench, PERFECT)
    assert finish(bench, PERFECT) == first
    with pytest.raises(ArchiveError):
        bench.archive.open_split("r", "test", [HOPELESS.id])


def test_a_selection_that_was_cut_ends_as_it_would_have(bench: Bench) -> None:
    found = [
        Program(PERFECT.source.replace("x + {k}", f"x + {{k + (k % {n} == 0)}}"), f"Wrong on every {n}th")
        for n in (2, 3, 5, 7)
    ]
    bench.archive.add_run(Run("whole", "search", bench.domain.name, bench.domain.version))
    whole, cut = (prepare(bench, *found, HOPELESS, run=run) for run in ("whole", "r"))
    whole.config = cut.config = cut.config.model_copy(update={"race_block": 1})
    seen: list[str] = []

    def stop_after_three(_evaluation: object, rollout: object) -> None:
        seen.append(str(rollout))
        if len(seen) == 3:
            bench.evaluator.stop()

    expected = whole.select()
    bench.evaluator.observe = stop_after_three
    with pytest.raises(StoppedError):
        cut.select()
    bench.evaluator._stop.clear()
    assert cut.select() == expected == cut.select()
    asked = [
        sorted(
            (e.program, len(bench.archive.rollouts(e.id)))
            for e in bench.archive.evaluations(run, split="selection")
        )
        for run in ("whole", "r")
    ]
    assert asked[0] == asked[1]
    assert len(seen) == sum(count for _, count in asked[1])  # nothing was run twice


def test_alarms_are_on_the_card(bench: Bench) -> None:
    silent = Program(PERFECT.source.replace("    kit.llm(task.prompt)\n", ""), "Silent")
    card = finish(bench, silent)
    assert card.alarms >= 6 + 8  # on every task of the search and the test
    shown = io.StringIO()
    show(card, Console(file=shown, width=80))
    assert f"{card.alarms} alarms of scores without merit" in shown.getvalue()


def test_the_card_says_what_was_expected_of_the_finalist(bench: Bench) -> None:
    card = finish(bench, HOPELESS, PERFECT)
    assert card.raw == 1.0
    assert 0.5 < card.shrunken < 1.0
    assert (card.dropped, card.saved_calls) == (0, 0)


def test_splits_are_disjoint_and_so_are_samples(bench: Bench) -> None:
    finish(bench, PERFECT)
    tasks = [task.id for split in ("search", "selection", "test") for task in bench.domain.tasks(split)]  # type: ignore[arg-type]
    assert len(tasks) == len(set(tasks))
    assert {(e.split, e.seed) for e in bench.archive.evaluations(run="r")} == {
        ("search", 0),
        ("selection", 1),
        ("test", 2),
    }


def test_the_card_fits_80_columns(bench: Bench) -> None:
    shown = io.StringIO()
    show(finish(bench, PERFECT), Console(file=shown, width=80))
    assert "Perfect" in shown.getvalue()
    assert "finalist - best hand-designed" in shown.getvalue()


def test_the_test_goes_on_until_the_budget_is_used(bench: Bench) -> None:
    budget = Budget(tokens=100_000)
    ready = prepare(bench, PERFECT)
    ready.pace = Pace(budget, 0.4)
    bench.evaluator.admit = ready.pace.rollout
    bench.evaluator.observe = lambda _evaluation, rollout: budget.restore(
        Spend(rollout.prompt_tokens + rollout.completion_tokens)
    )
    spent = ready.tokens(PERFECT.id) * 8
    budget.restore(Spend(int(100_000 - 10 * spent)))
    card = ready()
    (measured,) = {line.tasks for line in card.lines}
    assert 0 < measured < 8
    assert f"afforded {measured} of 8" in card.verdict
    assert 0 < 100_000 - budget.spent.tokens < 2 * max(line.tokens for line in card.lines)
