"""`adas evaluate` as a user meets it: one command fills the matrix, goes on after Ctrl-C, and writes the report."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from archive import Archive
from archive.statistics import mean_interval
from domains import DomainError
from meta_agent.cli import adas as command
from meta_agent.errors import UserError
from tests.meta_agent.rehearsal import write_tasks
from tests.meta_agent.test_cli import ROOT, adas, environment

if TYPE_CHECKING:
    from pathlib import Path

AGENT = "scripted:tests.meta_agent.rehearsal:agent"


@pytest.fixture
def tasks(tmp_path: Path) -> str:
    return str(write_tasks(tmp_path / "plus.jsonl"))


def evaluate(folder: Path, tasks: str, *more: str) -> dict[str, object]:
    """Run the command in this process: quicker than in one of its own."""
    arguments = ["evaluate", "--domain", tasks, "--model", AGENT, "--json", *more]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ADAS_ARCHIVE", "ADAS_CACHE"):
            patch.setenv(name, environment(folder)[name])
        done = CliRunner().invoke(command, arguments, standalone_mode=False)
    if done.exception:
        raise done.exception
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def rollouts(folder: Path) -> dict[tuple[str, str], float]:
    with Archive(folder / "archive.db") as archive:
        return {
            (archive.program(evaluation.program).name, rollout.task): rollout.score
            for evaluation in archive.evaluations()
            for rollout in archive.rollouts(evaluation.id)
        }


def test_the_board_comes_from_rollouts_and_more_agents_and_tasks_are_added(
    tmp_path: Path, tasks: str
) -> None:
    first = evaluate(tmp_path, tasks, "--agents", "self_debug", "--tasks", "4")
    names = {row["name"] for row in first["rows"]}  # type: ignore[attr-defined]
    assert names == {"self-debug", "direct", "self-consistency"}
    before = rollouts(tmp_path)
    report = tmp_path / "results" / "board.md"
    second = evaluate(
        tmp_path, tasks, "--agents", "self_debug,self_refine", "--tasks", "6", "--report", str(report)
    )
    after = rollouts(tmp_path)
    assert before.items() < after.items()
    assert first["run"] == second["run"]
    for row in second["rows"]:  # type: ignore[attr-defined]
        scores = [score for (name, _), score in after.items() if name == row["name"]]
        assert len(scores) == row["tasks"] == 6
        assert row["accuracy"]["mean"] == pytest.approx(mean_interval(scores).mean)
        assert row["evaluation"] in report.read_text()
    assert f"adas evaluate --agents self_debug,self_refine --domain {tasks}" in report.read_text()
    with Archive(tmp_path / "archive.db") as archive:
        (run,) = archive.runs()
        assert (run.kind, run.state) == ("evaluate", "done")
        assert not archive.openings()


def test_the_same_command_again_calls_no_model(tmp_path: Path, tasks: str) -> None:
    arguments = ("--agents", "self_debug", "--tasks", "3")
    first = evaluate(tmp_path, tasks, *arguments)
    with Archive(tmp_path / "archive.db") as archive:
        calls = len(archive.calls())
    assert evaluate(tmp_path, tasks, *arguments) == first
    with Archive(tmp_path / "archive.db") as archive:
        assert len(archive.calls()) == calls


def test_ctrl_c_saves_and_the_same_command_goes_on(tmp_path: Path, tasks: str) -> None:
    slow = "scripted:tests.meta_agent.rehearsal:slow_agent"
    arguments = [
        "evaluate",
        "--agents",
        "self_debug",
        "--tasks",
        "8",
        "--workers",
        "2",
        "--domain",
        tasks,
        "--model",
        slow,
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "meta_agent", *arguments],
        env=environment(tmp_path),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout
    for line in process.stdout:
        if "solves" in line:  # one agent is through
            process.send_signal(signal.SIGINT)
            break
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "everything is saved" in errors
    kept = rollouts(tmp_path)
    assert 8 <= len(kept) < 8 * 4
    done = adas(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    assert kept.items() < rollouts(tmp_path).items()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--agents", "nobody"), "unknown agent 'nobody'"),
        (("--tasks", "99"), "too few tasks"),
        (("--domain", "nowhere"), "unknown domain 'nowhere'"),
        (("--model", "local/nothing"), "local/nothing"),
        (("--budget", "lots"), "lots"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, tasks: str, arguments: tuple[str, str], words: str) -> None:
    with pytest.raises((UserError, DomainError), match=words):
        evaluate(tmp_path, tasks, *arguments)
