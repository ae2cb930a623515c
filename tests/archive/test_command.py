"""``adas archive`` as a user meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from archive import Archive, ArchiveError, Run
from meta_agent.commands.archive import archive as command
from meta_agent.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


@pytest.fixture
def adas(filled: Archive, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run a command on the filled archive and return what it printed."""
    filled.flush()
    monkeypatch.setenv("ADAS_ARCHIVE", filled.name)
    monkeypatch.setenv("COLUMNS", "100")

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(command, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return run


def test_every_listing_has_json(adas: Callable[..., str], filled: Archive) -> None:
    assert json.loads(adas("list", "--json"))[0]["run"] == "r"
    assert [row["name"] for row in json.loads(adas("list", "--run", "r", "--json"))] == [
        "direct",
        "vote",
        "plan",
        "repair",
    ]
    assert len(json.loads(adas("list", "--run", "r", "--failures", "--json"))) == 2
    assert json.loads(adas("show", "plan", "--json"))["source"] == filled.program("plan").source
    assert json.loads(adas("tree", "--json"))[2]["parents"] == [
        filled.program("vote").id,
        filled.program("direct").id,
    ]
    assert json.loads(adas("compare", "repair", "direct", "--json"))[0]["difference"] == pytest.approx(0.6)
    assert [row["name"] for row in json.loads(adas("best", "--limit", "2", "--json"))] == ["repair", "plan"]


def test_what_a_person_sees(adas: Callable[..., str]) -> None:
    assert "quiz" in adas("list")
    assert "2 failed attempts: 1 check, 1 try" in adas("list", "--run", "r")
    assert "NameError: kitt" in adas("list", "--run", "r", "--failures")
    assert "idea 2" in adas("show", "plan")
    assert "└── plan" in adas("tree")
    assert "p = 0.0312" in adas("compare", "repair", "direct", "--run", "r")
    assert "49.0% to 94.3%" in adas("best")
    assert "P(best)" in adas("best", "--by", "shrunken")
    assert "minimax" in adas("best", "--by", "winrate")
    assert "Nothing was measured on the test split yet." in adas("best", "--split", "test")


def test_export_and_import(adas: Callable[..., str], tmp_path: Path) -> None:
    assert "4 programs" in adas("export", str(tmp_path / "out"))
    adas("export", str(tmp_path / "run"), "--run", "r")
    place = str(tmp_path / "new" / "b.db")
    assert "40 rollouts" in adas("import", str(tmp_path / "out"), "--archive", place)
    assert adas("best", "--archive", place, "--json") == adas("best", "--json")
    assert adas("import", str(tmp_path / "run"), "--archive", place, "--json")


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "nobody"],
        ["compare", "plan", "nobody"],
        ["list", "--run", "x"],
        ["list", "--archive", "nowhere.db"],
        ["import", "nowhere"],
    ],
)
def test_mistakes_are_one_line(adas: Callable[..., str], arguments: list[str]) -> None:
    with pytest.raises(ArchiveError) as caught:
        adas(*arguments)
    assert "\n" not in str(caught.value)
    assert not Path("nowhere.db").exists()


def test_nothing_to_compare_is_said(adas: Callable[..., str], filled: Archive) -> None:
    filled.add_run(Run("empty", "search", "quiz", "v1"))
    with pytest.raises(ArchiveError, match="nothing to compare"):
        adas("compare", "repair", "direct", "--run", "empty")


def test_an_empty_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Archive(tmp_path / "a.db").close()
    monkeypatch.setenv("ADAS_ARCHIVE", str(tmp_path / "a.db"))
    assert "No runs yet" in CliRunner().invoke(command, ["list"]).output
    with pytest.raises(ArchiveError, match="no runs"):
        CliRunner().invoke(command, ["tree"], catch_exceptions=False)


def test_the_whole_command_ends_with_code_2(tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_text("not a database, not at all" * 100)
    done = subprocess.run(
        [sys.executable, "-c", "from meta_agent.cli import main; main()", "archive", "list"],
        cwd=ROOT,
        env={**os.environ, "ADAS_ARCHIVE": str(tmp_path / "bad.db")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr == f"adas: {tmp_path / 'bad.db'}: not an archive; choose another path\n"


@pytest.mark.parametrize(
    ("form", "file", "words"),
    [
        ("csv", "rollouts.csv", "40 rollouts"),
        ("parquet", "rollouts.parquet", "40 rollouts"),
        ("inspect", "*_quiz-search_*.eval", "4 logs, 40 samples"),
        ("wandb", "run-001-r/files/wandb-history.jsonl", "1 runs, 4 steps"),
    ],
)
def test_other_forms_of_export(
    adas: Callable[..., str], tmp_path: Path, form: str, file: str, words: str
) -> None:
    assert words in adas("export", str(tmp_path / "out"), "--as", form, "--run", "r")
    assert list((tmp_path / "out").glob(file))


def test_a_comparison_names_tasks_and_shows_the_change(adas: Callable[..., str]) -> None:
    shown = adas("compare", "repair", "direct")
    assert "repair did better on 6 tasks: t2, t3, t4, t5, t6, t7" in shown
    assert "direct did better on 0 tasks" in shown
    assert "--- direct" in shown
    assert "-    return 0" in shown
    assert "+    return 3" in shown


def test_a_report_and_plots_are_files(adas: Callable[..., str], tmp_path: Path) -> None:
    assert "kB" in adas("report", "--output", str(tmp_path / "r.html"))
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    for against in ("calls", "time"):
        adas("plot", str(tmp_path / f"{against}.svg"), "--against", against)
        assert "<svg" in (tmp_path / f"{against}.svg").read_text()
    with pytest.raises(ArchiveError, match="nothing to draw"):
        adas("plot", str(tmp_path / "x.svg"), "--split", "test")
    with pytest.raises(ArchiveError, match="nothing to draw"):
        adas("plot", str(tmp_path / "x.nonsense"))
    with pytest.raises(UserError, match="cannot write"):
        adas("report", "--output", str(tmp_path / "gone" / "r.html"))


def test_hostile_text_is_inert_in_a_terminal(attacked: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    attacked.flush()
    monkeypatch.setenv("ADAS_ARCHIVE", attacked.name)
    first, second = (program.id for program in attacked.programs())
    for arguments in (
        ("list",), ("list", "--run", "h"), ("list", "--run", "h", "--failures"), ("show", first), ("tree",),
        ("compare", first, second), ("best",), ("list", "--run", "h", "--json"),
    ):  # fmt: skip
        result = CliRunner().invoke(command, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert not set(result.output) & set("\x1b\x07\0\u202e\ud800"), arguments
        assert len(result.output) < 100_000
