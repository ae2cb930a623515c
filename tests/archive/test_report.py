from __future__ import annotations

import json
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from archive import Alarm, Archive, Drop, Evaluation, Failure, Member, Program, Rollout, report
from archive.ranking import rank


def drawn(*pieces: object, width: int = 100) -> str:
    console = Console(width=width, highlight=False, markup=False)
    with console.capture() as capture:
        for piece in pieces:
            console.print(piece)
    return capture.get()


def test_run_rows(filled: Archive) -> None:
    (row,) = report.run_rows(filled)
    expected = {
        "run": "r",
        "domain": "quiz",
        "state": "running",
        "programs": 4,
        "failures": 2,
        "calls": 1,
        "cost_usd": 0.5,
    }
    assert expected.items() <= row.items()
    assert drawn(report.run_table([row])).split()[-4:] == ["4", "2", "1", "120"]


def test_program_rows_say_where_from_and_how_good(filled: Archive) -> None:
    rows = report.program_rows(filled, "r")
    assert [row["name"] for row in rows] == ["direct", "vote", "plan", "repair"]
    assert [row["search"]["mean"] for row in rows] == [0.2, 0.4, 0.6, 0.8]
    assert all(row["test"] is None for row in rows)
    text = drawn(report.program_table(rows))
    assert "vote, direct" in text
    assert "60.0% of 10" in text
    assert "test" not in text


def test_failures_are_shown(filled: Archive) -> None:
    rows = report.failure_rows(filled, "r")
    assert report.failure_line(rows) == "2 failed attempts: 1 check, 1 try"
    assert "NameError: kitt" in drawn(report.failure_table(rows))


def test_rows_are_json(filled: Archive) -> None:
    sheet = report.program_sheet(filled, "plan")
    rows = [
        report.run_rows(filled),
        report.program_rows(filled, "r"),
        report.failure_rows(filled, "r"),
        sheet,
    ]
    assert json.loads(json.dumps(rows)) == rows


def test_the_sheet_of_a_program(filled: Archive) -> None:
    sheet = report.program_sheet(filled, "plan")
    assert [parent["name"] for parent in sheet["members"][0]["parents"]] == ["vote", "direct"]
    assert sheet["failures"] == [{"failure": "TypeError: no", "rollouts": 1}]
    assert sheet["evaluations"][0]["mean"] == 0.6
    text = drawn(*report.program_view(sheet))
    for piece in (
        "idea 2",
        "def forward(task, kit):",
        "from vote (",
        "+y",
        "60.0%",
        "1 rollouts failed: TypeError",
    ):
        assert piece in text


def test_ranking_shows_figures_of_one_task(filled: Archive) -> None:
    rows = [report.ranked_row(one) for one in rank(filled, filled.best(), "interval")]
    best = drawn(report.standing_table(rows)).splitlines()[1]
    assert best.split()[:2] == ["1", "repair"]
    assert best.split()[3:] == ["80.0%", "49.0%", "to", "94.3%", "10", "4.0", "15", "2.0", "$1.00", "*"]
    narrow = drawn(report.standing_table(rows), width=70)
    assert all(figure in narrow for figure in ("49.0% to 94.3%", "$1.00"))


def test_a_drop_and_an_alarm_are_shown(filled: Archive) -> None:
    (evaluation,) = filled.evaluations(program=filled.program("direct").id)
    filled.add_drop(Drop(evaluation.id, 8, -0.5, -0.8, -0.1, 0.05, "-50% to the leaders", 12))
    for task in ("t0", "t1"):
        filled.add_alarm(
            Alarm("r", "no calls", f"solved {task} without a model call", evaluation.program, task)
        )
    sheet = report.program_sheet(filled, "direct")
    assert sheet["drops"][0]["saved_calls"] == 12
    text = drawn(*report.program_view(sheet))
    assert "dropped: -50% to the leaders (at a risk of 5%)" in text
    assert "ALARM (no calls): solved t0 without a model call, and 1 more" in text
    assert "ALARM" not in drawn(*report.program_view(report.program_sheet(filled, "vote")))


def test_comparison_uses_shared_tasks_under_the_same_conditions(filled: Archive) -> None:
    direct, repair = filled.program("direct"), filled.program("repair")
    (evaluation,) = filled.evaluations(program=repair.id)
    filled.add_rollout(Rollout(evaluation.id, "only here", 1.0))
    elsewhere = replace(evaluation, model="other", id="")
    filled.add_evaluation(elsewhere)
    filled.add_rollout(Rollout(elsewhere.id, "t0", 1.0))
    (row,) = report.comparison_rows(filled, repair.id, direct.id)
    assert (row["n"], row["first"], row["second"], row["test"]) == (10, 0.8, 0.2, "exact McNemar")
    assert row["won"] == [f"t{i}" for i in range(2, 8)]
    assert row["lost"] == []
    assert row["p"] == pytest.approx(2 / 2**6)
    text = drawn(*report.comparison_lines([row], "repair", "direct"))
    assert "difference +60.0% (95% interval" in text
    assert "exact McNemar p = 0.0312" in text
    assert report.comparison_rows(filled, repair.id, direct.id, run="unknown") == []


def test_lineage_tree(filled: Archive) -> None:
    lines = drawn(report.lineage_tree(filled, "r")).splitlines()
    assert lines[0] == "run r"
    assert lines[1].startswith("├── direct ")
    assert lines[2].startswith("└── vote ")
    assert lines[3].startswith("    └── plan ")
    assert lines[3].rstrip().endswith("60.0% of 10  + direct")
    assert lines[4].startswith("        └── repair ")


@given(st.text(st.characters()))
def test_printable_text_steers_nothing(text: str) -> None:
    shown = report.printable(text)
    assert all(c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs"} for c in shown)
    shown.encode()


def test_what_models_write_is_shown_as_it_is(filled: Archive) -> None:
    nasty = "\x1b[31m[bold red]\u202e\ud800"
    program = filled.add_program(Program(f"# {nasty}", nasty, nasty))
    filled.add_member(Member("r", program.id, 3, 0, diff=nasty))
    filled.add_failure(Failure("r", 3, 1, 0, "try", nasty))
    evaluation = Evaluation("r", program.id, "quiz", "v1", "search", nasty, 7, "exact", 10)
    filled.add_evaluation(evaluation)
    filled.add_rollout(Rollout(evaluation.id, "t0", 1.0, failure=nasty))
    rows = report.program_rows(filled, "r")
    text = drawn(
        report.program_table(rows),
        report.failure_table(report.failure_rows(filled, "r")),
        report.lineage_tree(filled, "r"),
        report.standing_table([report.standing_row(s) for s in filled.best()]),
        *report.program_view(report.program_sheet(filled, program.id)),
    )
    assert "\x1b[31m" not in text
    assert "\u202e" not in text
    assert "\\x1b[31m[bold red]" in text
    text.encode()
