"""Repair: QuixBugs as repositories of their own, and tasks in SWE-bench's form of real git repositories."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from domains import DomainError, load_domain
from domains.patch import make_patch
from domains.repair import _archive, repair
from domains.repository import RepositoryDomain, is_test, sources
from domains.splits import NAMES
from sandboxes.snapshot import Snapshot, as_text
from sandboxes.suite import run_suite

if TYPE_CHECKING:
    from pathlib import Path

    from domains import Task
    from domains.repository import RepositoryBenchmark
    from sandboxes import ProcessSandbox

FAST = ("gcd", "hanoi", "flatten", "kheapsort", "breadth_first_search", "shortest_path_length")
"""The buggy ones end."""


@pytest.fixture(scope="module")
def quixbugs() -> RepositoryBenchmark:
    try:
        return repair(sizes={"search": 40, "selection": 0, "test": 0})
    except DomainError as error:
        pytest.skip(str(error))


def correction(domain: RepositoryBenchmark, task: Task) -> str:
    """Return the patch that makes the program the right one."""
    name = task.id.rpartition("/")[2]
    buggy = domain.snapshot(task).text(f"{name}.py")
    return make_patch({f"{name}.py": buggy}, {f"{name}.py": _archive()[f"correct_python_programs/{name}.py"]})


def test_forty_programs_each_a_repository_with_its_tests(quixbugs: RepositoryBenchmark) -> None:
    tasks = quixbugs.tasks("search")
    assert len({task.id for task in tasks}) == 40
    for task in tasks:
        name = task.id.rpartition("/")[2]
        files = quixbugs.snapshot(task).files
        assert {f"{name}.py", f"test_{name}.py"} <= set(files) <= {f"{name}.py", f"test_{name}.py", "node.py"}
        assert "pytest" not in (text := as_text(files[f"test_{name}.py"]) or "pytest"), text
        assert f"def {name}(" in task.prompt
        assert "def test" not in task.prompt
        assert task.kind == "patch"
    tests = sum(len(quixbugs._targets[task.id].must_pass) for task in tasks)  # type: ignore[attr-defined]
    assert tests == 276


def test_the_right_program_passes_and_the_buggy_one_does_not(
    quixbugs: RepositoryBenchmark, sandbox: ProcessSandbox
) -> None:
    tasks = [task for task in quixbugs.tasks("search") if task.id.rpartition("/")[2] in FAST]
    assert len(tasks) == len(FAST)
    for task in tasks:
        assert quixbugs.score(task, correction(quixbugs, task), sandbox).value == 1, task.id
        harmless = make_patch({"notes": None}, {"notes": "x\n"})
        assert quixbugs.score(task, harmless, sandbox).value == 0, task.id


@pytest.mark.slow
def test_all_right_programs_pass(quixbugs: RepositoryBenchmark, sandbox: ProcessSandbox) -> None:
    failed = [
        task.id
        for task in quixbugs.tasks("search")
        if quixbugs.score(task, correction(quixbugs, task), sandbox).value != 1
    ]
    assert failed == []


@pytest.mark.slow
def test_every_buggy_program_fails(quixbugs: RepositoryBenchmark, sandbox: ProcessSandbox) -> None:
    passed = [
        task.id
        for task in quixbugs.tasks("search")
        if run_suite(sandbox, quixbugs.snapshot(task), seconds=2.0).passed
    ]
    assert passed == []


def test_a_patch_cannot_change_what_marks_it(quixbugs: RepositoryBenchmark, sandbox: ProcessSandbox) -> None:
    task = next(task for task in quixbugs.tasks("search") if task.id.endswith("/gcd"))
    tests = quixbugs.snapshot(task).text("test_gcd.py")
    easy = "def test_1(): pass\n" * 1
    for patch in (
        make_patch({"test_gcd.py": tests}, {"test_gcd.py": easy}),
        make_patch({"test_gcd.py": tests}, {"test_gcd.py": None}),
        make_patch({"conftest.py": None}, {"conftest.py": "def pytest_runtest_call(): pass\n"}),
    ):
        assert quixbugs.score(task, patch, sandbox).value == 0


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "no patch"),
        ("", "no patch"),
        (7, "no patch"),
        ("Fixed.", "the patch does not apply"),
        ({}, "no patch"),
    ],
)
def test_any_answer_gets_a_mark(
    quixbugs: RepositoryBenchmark, sandbox: ProcessSandbox, answer: object, reason: str
) -> None:
    score = quixbugs.score(quixbugs.tasks("search")[0], answer, sandbox)  # type: ignore[arg-type]
    assert (score.value, score.reason) == (0.0, reason)


def test_patches_mean_what_they_change(quixbugs: RepositoryBenchmark) -> None:
    one = make_patch({"f": "a\nb\n"}, {"f": "a\nc\n"})
    other = make_patch({"f": "x\na\nb\n"}, {"f": "x\na\nc\n"})
    assert one != other
    assert quixbugs.key(one) == quixbugs.key(other) != quixbugs.key(make_patch({"f": "b\n"}, {"f": "d\n"}))


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


BUGGY = "def add(a, b):\n    return a - b\n\n\ndef twice(n):\n    return 2 * n\n"
TESTS = "from sums import twice\n\n\ndef test_twice():\n    assert twice(2) == 4\n"
TEST_PATCH = make_patch(
    {"tests/test_sums.py": TESTS},
    {
        "tests/test_sums.py": TESTS.replace("twice\n", "add, twice\n", 1)
        + "\n\ndef test_add():\n    assert add(1, 2) == 3\n"
    },
)


@pytest.fixture
def swebench(tmp_path: Path) -> Path:
    repository = tmp_path / "ann__sums"
    (repository / "tests").mkdir(parents=True)
    git(repository, "init", "-q")
    (repository / "sums.py").write_text(BUGGY)
    (repository / "tests/test_sums.py").write_text(TESTS)
    (repository / "link").symlink_to("/etc/passwd")
    (repository / "run.sh").write_text("true\n")
    (repository / "run.sh").chmod(0o755)
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "first")
    base = git(repository, "rev-parse", "HEAD")
    (repository / "sums.py").write_text("what came later\n")
    git(repository, "commit", "-qam", "second")
    row = {
        "repo": "ann/sums",
        "base_commit": base,
        "problem_statement": "add subtracts.",
        "test_patch": TEST_PATCH,
        "FAIL_TO_PASS": json.dumps(["tests/test_sums.py::test_add"]),
        "PASS_TO_PASS": ["tests/test_sums.py::test_twice"],
    }
    rows = [
        {**row, "instance_id": f"ann__sums-{n}", "problem_statement": f"add subtracts ({n})."}
        for n in range(4)
    ]
    file = tmp_path / "tasks.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return file


def test_tasks_in_swebenchs_form(swebench: Path, sandbox: ProcessSandbox) -> None:
    domain = load_domain(f"repair:{swebench}")
    assert isinstance(domain, RepositoryDomain)
    tasks = [task for split in NAMES for task in domain.tasks(split)]
    assert len(tasks) == 4
    snapshot = domain.snapshot(tasks[0])
    assert snapshot.text("sums.py") == BUGGY
    assert snapshot.executable == {"run.sh"}
    assert snapshot.left_outside == {"link": "a link"}
    assert "test_add" not in tasks[0].prompt
    right = make_patch({"sums.py": BUGGY}, {"sums.py": BUGGY.replace("a - b", "a + b")})
    breaks = make_patch(
        {"sums.py": BUGGY}, {"sums.py": "def add(a, b): return a + b\ndef twice(n): return n\n"}
    )
    assert domain.score(tasks[0], right, sandbox).value == 1
    assert domain.score(tasks[0], breaks, sandbox).reason == "1 of 2 tests fail"
    moved = swebench.parent / "elsewhere"
    moved.mkdir()
    for path in (swebench, swebench.parent / "ann__sums"):
        path.rename(moved / path.name)
    assert load_domain(f"repair:{moved / 'tasks.jsonl'}").version == domain.version


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"repo": "no/where"}, "row 1: no git repository no/where"),
        ({"base_commit": "0" * 40}, "row 1: git ls-tree"),
        ({"base_commit": "--help"}, "is no commit"),
        ({"FAIL_TO_PASS": "[]", "PASS_TO_PASS": "[]"}, "name no test"),
        ({"FAIL_TO_PASS": ["test_add (tests.Sums)"]}, "expected lists of tests"),
        ({"test_patch": None}, ""),
    ],
)
def test_broken_rows_are_told(swebench: Path, change: dict[str, object], words: str) -> None:
    rows = [json.loads(line) for line in swebench.read_text().splitlines()]
    for row in rows:
        row.update(change)
        if change == {"test_patch": None}:
            del row["test_patch"]
    swebench.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DomainError, match=words or "'test_patch' is missing"):
        load_domain(f"repair:{swebench}")


def test_a_repository_does_nothing_when_it_is_read(swebench: Path) -> None:
    repository = swebench.parent / "ann__sums"
    canary = swebench.parent / "ran"
    script = swebench.parent / "script.sh"
    script.write_text(f"#!/bin/sh\ntouch {canary}\ncat\n")
    script.chmod(0o755)
    for name in (
        "core.fsmonitor",
        "core.pager",
        "filter.x.smudge",
        "filter.x.clean",
        "core.sshCommand",
        "diff.external",
    ):
        git(repository, "config", name, str(script))
    (repository / ".git/info/attributes").write_text("* filter=x\n")
    for hook in ("post-index-change", "reference-transaction"):
        (repository / ".git/hooks" / hook).symlink_to(script)
    load_domain(f"repair:{swebench}")
    assert not canary.exists()


def test_what_a_prompt_shows_of_a_large_repository() -> None:
    snapshot = Snapshot(
        {
            "big.py": b"x = 1\n" * 1000,
            "named.txt": b"hello\n",
            "other.txt": b"other\n",
            "tests/test_a.py": b"secret\n",
            "binary": b"\0\1",
        }
    )
    shown, rest = sources(snapshot, "see named.txt", 100)
    assert shown.startswith("named.txt\n```\nhello\n```")
    assert "other.txt" in shown
    assert rest == ["big.py"]
    assert "secret" not in shown
    assert all(map(is_test, ("test_a.py", "pkg/a_test.go", "tests/util.py", "conftest.py")))
    assert not any(map(is_test, ("testing.py", "a/latest.py")))
