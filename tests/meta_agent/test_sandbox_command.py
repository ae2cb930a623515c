"""``adas sandbox`` and ``adas doctor`` as a user meets them, in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def adas(*arguments: str, given: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-m", "meta_agent", *arguments],
        input=given, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, timeout=100,
    )  # fmt: skip


@pytest.fixture
def program(tmp_path: Path):
    def write(code: str) -> str:
        (tmp_path / "program.py").write_text(code)
        return str(tmp_path / "program.py")

    return write


def test_a_program_is_run(program) -> None:
    done = adas("sandbox", "run", program("print(input()[::-1])"), given="abc\n")
    assert (done.returncode, done.stdout) == (0, "cba\n")
    assert done.stderr.startswith("L")
    called = adas(
        "sandbox", "run", program("def f(a, b): return {a: b}"), "--entry", "f", "--args", '["x", 1]'
    )
    assert (called.returncode, called.stdout) == (0, '{"x": 1}\n')


def test_a_program_that_fails_or_is_stopped(program) -> None:
    done = adas("sandbox", "run", program("print('before')\n1 / 0"), "--json")
    outcome = json.loads(done.stdout)
    assert done.returncode == 1
    assert outcome["stdout"] == "before\n"
    assert "ZeroDivisionError" in outcome["error"]
    stopped = adas("sandbox", "run", program("import time; time.sleep(60)"), "--wall", "0.5")
    assert stopped.returncode == 1
    assert "more than 0.5 s of wall clock" in stopped.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sandbox", "run", "{program}", "--backend", "vm"], "expected one of process, bwrap"),
        (["sandbox", "run", "{program}", "--args", "{}"], "expected a JSON list"),
        (["sandbox", "check", "--backend", "docker"], "docker is not installed"),
        (["sandbox", "run", "{program}", "--environment", "/nowhere"], "no environment of this Python"),
        (["sandbox", "run", "/nowhere.py"], "does not exist"),
    ],
)
def test_mistakes_end_with_exit_code_2(program, arguments, words) -> None:
    arguments = [argument.replace("{program}", program("")) for argument in arguments]
    done = adas(*arguments, PATH="/nowhere")
    assert done.returncode == 2
    assert words in done.stderr


def test_the_promises_are_checked() -> None:
    done = adas("sandbox", "check", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0, report
    assert report["broken"] == 0
    assert len(report["promises"]) == 15
    assert all(finding["kept"] and finding["seen"] for finding in report["promises"])


def test_a_broken_promise_is_told() -> None:
    """A sandbox without walls, which the command does not offer: only the programs of the promises run in it."""
    code = """
import sandboxes, sandboxes.process as process
class Poor(process._Server):
    def __init__(self, level, *more):
        if level != "L0":
            raise sandboxes.SandboxUnavailableError("not on this kernel")
        super().__init__(level, *more)
process._Server = Poor
sandboxes.open_sandbox = lambda name: sandboxes.ProcessSandbox(accept_no_isolation=True)
from meta_agent.cli import main
import sys
sys.argv = ["adas", "sandbox", "check"]
main()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("✗")]
    broken = {line.split("  ")[1].strip() for line in lines}
    assert broken >= {"has no network", "reads no file of this machine", "has no privilege"}
    assert "cannot be cheated into a pass" not in broken
    assert f"at L0, {len(broken)} broken" in done.stdout


def test_speed_is_measured_against_a_fresh_interpreter() -> None:
    done = adas("sandbox", "bench", "--seconds", "0.1", "--json")
    assert done.returncode == 0, done.stderr
    fresh, run, check = json.loads(done.stdout)["methods"]
    assert fresh["method"].startswith("fresh interpreter")
    for row in (fresh, run, check):
        assert row["per_second"] > 0
        assert 0 < row["p50_ms"] <= row["p99_ms"]


def test_the_doctor_probes_and_tells(tmp_path: Path) -> None:
    variables = {
        "ADAS_ARCHIVE": str(tmp_path / "a.db"),
        "ADAS_MODELS": str(tmp_path / "models"),
        "E2B_API_KEY": "",
    }
    done = adas("doctor", "--json", **variables)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    sandboxes = {row["name"]: row for row in report["sandboxes"]}
    assert sandboxes["process:L2"]["ok"] or sandboxes["process:L1"]["ok"]
    assert "set E2B_API_KEY" in sandboxes["e2b"]["about"]
    assert {row["ok"] for row in report["models"]} == {False}
    assert all("adas models pull" in row["about"] for row in report["models"])
    assert {row["name"]: row["ok"] for row in report["data"]}["humaneval"]
    assert "none yet" in report["machine"][-1]["about"]
    table = adas("doctor", **variables, COLUMNS="100")
    assert "process:L2" in table.stdout


def test_the_doctor_finds_an_archive_from_the_future(tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    from archive import Archive

    Archive(tmp_path / "a.db").close()
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.execute("update adas_schema set version = 999")
        connection.commit()
    report = json.loads(adas("doctor", "--json", ADAS_ARCHIVE=str(tmp_path / "a.db")).stdout)
    assert report["machine"][-1]["ok"] is False
    assert "schema 999" in report["machine"][-1]["about"]


def test_the_doctor_asks_a_model_for_a_word(tmp_path: Path) -> None:
    scripted, nowhere = "scripted:tests.meta_agent.rehearsal:agent", "http://127.0.0.1:9/v1#none"
    done = adas(
        "doctor", "--json", "--model", scripted, "--model", nowhere, ADAS_ARCHIVE=str(tmp_path / "a.db")
    )
    assert done.returncode == 1
    good, bad = json.loads(done.stdout)["asked"]
    assert good["ok"]
    assert "answers 'Answer: 1'" in good["about"]
    assert not bad["ok"]
    assert "127.0.0.1:9" in bad["about"]
