"""The command as a user meets it, in a process of its own."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from archive import Archive
from tests.meta_agent.rehearsal import write_tasks

ROOT = Path(__file__).parents[2]
SCRIPTED = [
    "model=scripted:tests.meta_agent.rehearsal:agent",
    "meta_model=scripted:tests.meta_agent.rehearsal:meta",
]
SMALL = [
    "agents=direct,self_consistency",
    "generations=1",
    "width=2",
    "workers=4",
    "search_tasks=4",
    "selection_tasks=3",
    "test_tasks=4",
    *SCRIPTED,
]


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "ADAS_ARCHIVE": str(folder / "archive.db"),
        "ADAS_CACHE": str(folder / "llm.db"),
        "ADAS_MODELS": str(folder / "models"),
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "100",
    }


def adas(folder: Path, *arguments: str, file_limit: int | None = None) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        if file_limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

    return subprocess.run(
        [sys.executable, "-m", "meta_agent", *arguments],
        env=environment(folder),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        preexec_fn=limit,
    )


@pytest.fixture
def tasks(tmp_path: Path) -> str:
    return str(write_tasks(tmp_path / "plus.jsonl"))


def test_help_is_light() -> None:
    heavy = (
        "{'litellm', 'langgraph', 'sqlalchemy', 'rich', 'pydantic', 'openai', 'numpy', 'torch', 'networkx'}"
    )
    code = f"import sys, meta_agent.cli as c\ntry: c.adas(['--help'])\nexcept SystemExit: pass\nprint(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip().endswith("[]")
    assert "search" in done.stdout


def test_a_search_from_start_to_score_card(tmp_path: Path, tasks: str) -> None:
    done = adas(tmp_path, "search", tasks, "--preset", "smoke", "--json", *SMALL)
    assert done.returncode == 0, done.stderr
    card = json.loads(done.stdout)
    assert {line["role"] for line in card["lines"]} >= {"finalist", "best hand-designed"}
    assert card["discovered"] >= 1
    listed = adas(tmp_path, "archive", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    again = adas(tmp_path, "search", "--resume", "--json")
    assert json.loads(again.stdout) == card


@pytest.mark.parametrize("sandbox", ["process:L1", "bwrap"])
def test_a_search_in_another_sandbox(tmp_path: Path, tasks: str, sandbox: str) -> None:
    if sandbox == "bwrap" and not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed")
    done = adas(tmp_path, "search", tasks, "--preset", "smoke", "--json", *SMALL, f"sandbox={sandbox}")
    assert done.returncode == 0, done.stderr
    assert f"sandbox {sandbox.removeprefix('process:')}" in done.stderr
    assert json.loads(done.stdout)["discovered"] >= 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["search", "humanevil"], "humaneval"),
        (["search", "nowhere.jsonl"], "nowhere.jsonl"),
        (["search", "{tasks}", "--preset", "smoke", *SMALL, "model=local/nope"], "local/nope"),
        (["search", "{tasks}", "--preset", "smoke", *SMALL, "model=scripted:no.such:thing"], "no.such"),
        (["search", "{tasks}", "widht=3"], "unknown setting 'widht'"),
        (["search", "{tasks}", "--budget", "lots"], "lots"),
        (["search", "{tasks}", *SMALL, "search_tasks=9999"], "9999"),
        (["search", "{tasks}", *SMALL, "agents=nobody"], "unknown agent 'nobody'"),
        (["search", "{tasks}", *SMALL, "sandbox=vm"], "no sandbox 'vm'"),
        (["search", "--resume", "abc"], "no run 'abc' to resume"),
        (["search", "width=3", "--resume"], "keeps its settings"),
    ],
)
def test_mistakes_end_in_one_line_and_exit_code_2(
    tmp_path: Path, tasks: str, arguments: list[str], words: str
) -> None:
    done = adas(tmp_path, *(argument.replace("{tasks}", tasks) for argument in arguments))
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_broken_jsonl_names_line_and_reason(tmp_path: Path, tasks: str) -> None:
    with open(tasks, "a") as file:
        file.write('{"prompt": "x", "answer": \n')
    done = adas(tmp_path, "search", tasks, *SMALL)
    assert done.returncode == 2
    assert "line 25" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_archive_from_the_future_is_left_alone(tmp_path: Path, tasks: str) -> None:
    assert adas(tmp_path, "search", tasks, "--preset", "smoke", *SMALL).returncode == 0
    path = tmp_path / "archive.db"
    connection = sqlite3.connect(path)
    connection.execute("update adas_schema set version = 999")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    done = adas(tmp_path, "search", tasks, "--preset", "smoke", *SMALL)
    assert done.returncode == 2
    assert "newer" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert path.read_bytes() == before


def test_a_full_disk_loses_nothing(tmp_path: Path, tasks: str) -> None:
    done = adas(tmp_path, "search", tasks, "--preset", "smoke", *SMALL, file_limit=220_000)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    resumed = adas(tmp_path, "search", "--resume", "--json")
    assert resumed.returncode == 0, resumed.stderr
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    reference = json.loads(adas(undisturbed, "search", tasks, "--preset", "smoke", "--json", *SMALL).stdout)
    kept = json.loads(resumed.stdout)
    assert [(line["role"], line["program"], line["accuracy"]) for line in kept["lines"]] == [
        (line["role"], line["program"], line["accuracy"]) for line in reference["lines"]
    ]


@pytest.mark.parametrize(
    ("budget", "unit", "limit"), [("6k-tokens", "tokens", 6000), ("40-calls", "calls", 40)]
)
def test_a_budget_is_never_overspent(tmp_path: Path, tasks: str, budget: str, unit: str, limit: int) -> None:
    done = adas(tmp_path, "search", tasks, "--preset", "smoke", *SMALL, "generations=9", "--budget", budget)
    assert done.returncode == 0, done.stderr
    with Archive(tmp_path / "archive.db") as archive:
        (run,) = archive.runs()
        calls, prompt, completion, _ = archive.spent(run.id)
        assert run.state == "done"
    spent = calls if unit == "calls" else prompt + completion
    assert 0.3 * limit < spent <= limit


def test_ctrl_c_saves_and_resume_goes_on(tmp_path: Path, tasks: str) -> None:
    arguments = [
        sys.executable,
        "-m",
        "meta_agent",
        "search",
        tasks,
        "--preset",
        "smoke",
        *SMALL,
        "generations=3",
    ]
    process = subprocess.Popen(
        arguments,
        env=environment(tmp_path),
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout
    seen = ""
    while "ran:" not in seen:
        seen = process.stdout.readline()
        assert seen, "the search ended before its first candidate"
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "everything is saved" in output
    with Archive(tmp_path / "archive.db") as archive:
        assert archive.runs()[0].state == "paused"
    assert adas(tmp_path, "search", "--resume").returncode == 0
    with Archive(tmp_path / "archive.db") as archive:
        assert archive.runs()[0].state == "done"
        assert {m.generation for m in archive.members(archive.runs()[0].id)} >= {1, 2, 3}
