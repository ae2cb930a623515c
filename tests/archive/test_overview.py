from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from archive import Archive, Call, Evaluation, Failure, Member, Program, Rollout, Run
from archive.overview import Overview

if TYPE_CHECKING:
    from pathlib import Path


def figures(overview: Overview) -> dict[str, object]:
    overview.refresh()
    return {
        run: (
            held.run,
            held.members,
            held.evaluations,
            held.rollouts,
            held.failures,
            held.spent,
            overview.standings(run, "search"),
        )
        for run, held in overview.runs.items()
    } | {"names": overview.names}


def test_it_says_what_the_archive_says(filled: Archive) -> None:
    overview = Overview(filled)
    overview.refresh()
    held = overview.runs["r"]
    assert list(held.members.values()) == [replace(member, diff="") for member in filled.members("r")]
    assert held.evaluations == {one.id: one for one in filled.evaluations("r")}
    assert (held.rollouts, held.asked, held.failures, held.generation) == (40, 40, 2, 2)
    assert held.spent == filled.spent("r")
    assert list(overview.standings("r", "search").values()) == filled.standings(run="r")
    assert overview.standings("r", "test") == {}
    assert overview.standing("nobody's") is None


def test_what_another_process_adds_shows_at_the_next_look(filled: Archive) -> None:
    overview = Overview(filled)
    figures(overview)
    before = overview.version
    overview.refresh()
    assert overview.version == before
    with Archive(filled.name) as other:
        other.add_run(Run("s", "evaluate", "quiz", "v1"))
        overview.refresh()
        assert overview.version == before + 1
        program = other.add_program(Program("def forward(task, kit):\n    return 9\n", "late", created=99.0))
        other.add_member(Member("r", program.id, 3, 0, (filled.program("plan").id,)))
        evaluation = Evaluation("s", program.id, "quiz", "v1", "search", "local/tiny", 7, "exact", 2)
        other.add_evaluation(evaluation)
        other.add_rollout(Rollout(evaluation.id, "t0", 0.5, calls=2, cost_usd=None))
        other.add_failure(Failure("s", 1, 0, 0, "try", "no"))
        other.add_call(
            Call("r", "meta", "big", "k2", cached=False, prompt_tokens=1, completion_tokens=2, cost_usd=None, seconds=1.0)
        )  # fmt: skip
        other.set_run_state("r", "done")
    assert figures(overview) == figures(Overview(filled))
    assert overview.version > before
    assert overview.runs["r"].spent.cost_usd is None
    with Archive(filled.name) as other:
        other.add_evaluation(replace(evaluation, tasks=5))
        other.add_rollout(Rollout(evaluation.id, "t1", 1.0, calls=2, cost_usd=0.1))
    assert figures(overview) == figures(Overview(filled))
    assert overview.standings("s", "search")[program.id].evaluation.tasks == 5
    assert overview.runs["s"].pace is not None


def test_the_fullest_evaluation_of_a_program_stands_for_it(filled: Archive) -> None:
    plan = filled.program("plan").id
    again = Evaluation("r", plan, "quiz", "v1", "search", "local/tiny", 8, "exact", 10, created=99.0)
    filled.add_evaluation(again)
    filled.add_rollout(Rollout(again.id, "t0", 1.0))
    overview = Overview(filled)
    overview.refresh()
    assert overview.standings("r", "search")[plan].n == 10


@pytest.mark.parametrize("patience", [0.0, 1000.0])
def test_a_database_without_row_numbers_is_summed_anew(
    filled: Archive, monkeypatch: pytest.MonkeyPatch, patience: float, tmp_path: Path
) -> None:
    expected = figures(Overview(filled))
    monkeypatch.setattr("archive.overview.PATIENCE_S", patience)
    filled.dialect = "postgresql"
    overview = Overview(filled)
    assert figures(overview) == expected
    filled.add_failure(Failure("r", 5, 5, 0, "try", "late"))
    overview.refresh()
    assert overview.runs["r"].failures == (2 if patience else 3)
