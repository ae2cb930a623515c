"""Repair: repositories with a bug, and the tests that tell.

``repair`` is QuixBugs (Lin et al. 2017, https://github.com/jkoppel/QuixBugs, MIT): 40 Python programs with a bug on one
line, each a repository of its own with its tests. As in the literature, a program counts as repaired when it passes
all of them; the agent can run them too.

``repair:TASKS.jsonl`` are tasks in the form of SWE-bench, of git repositories on this machine: rows with
``instance_id``, ``repo`` (a folder beside the file, or with ``__`` for ``/``), ``base_commit``, ``problem_statement``,
``test_patch``, ``FAIL_TO_PASS`` and ``PASS_TO_PASS`` (lists, or JSON of lists, of names such as
``tests/test_a.py::test_b``).
"""

from __future__ import annotations

import ast
import io
import json
import os
import tarfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from domains.benchmark import Item
from domains.data import FOLDER_VARIABLE, read_rows
from domains.domain import DomainError, SplitName, Task
from domains.repository import (
    InlineSource,
    RepositoryBenchmark,
    RepositoryTests,
    repository_task,
    scorer_parts,
    version_of,
)
from domains.splits import Pool, deal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from domains.data import Row
    from sandboxes.snapshot import Snapshot

QUIXBUGS = "quixbugs/quixbugs-python.tar.gz"
SHARES: Mapping[SplitName, int] = {"search": 1, "selection": 1, "test": 2}
DESCRIPTION = (
    "Each task is a repository with a bug; the answer is a patch. task.prompt tells the problem, shows the sources and "
    "asks for whole functions; kit.extract(reply) puts those of a reply into a fresh copy and returns the patch that "
    "they make. kit.repo searches, edits and tests the copy: kit.repo.test() runs its tests (.passed, .feedback), "
    "kit.repo.suspects() names the functions to suspect, kit.repo.patch() is the patch of all edits. The repository's "
    "tests mark the patch: all must pass."
)
_SECONDS = 1.0
"""Processor seconds of one test of QuixBugs: the right programs take a tenth of one, many wrong ones never end."""
_LONGER = {"levenshtein": 10.0}
"""Right programs that take longer: this one is exponential."""
_SLOW = (("knapsack", 6404180), ("levenshtein", "amanaplanacanalpanama"))
"""Cases that QuixBugs itself skips: they take minutes with the right program."""


def repair(
    variant: str = "", *, sizes: Mapping[SplitName, int] | None = None, seed: int = 0
) -> RepositoryBenchmark:
    """Load QuixBugs, or the SWE-bench-shaped tasks of a file.

    Raises:
        DomainError: the data cannot be had, a row is broken, or sizes that are too large.
    """
    pairs = list(_swebench(Path(variant)) if variant else _quixbugs())
    if len(pairs) < len(SHARES):
        raise DomainError(
            f"repair: expected at least {len(SHARES)} tasks, one for each split, found {len(pairs)}"
        )
    try:
        splits = deal([Pool([task.id for task, _ in pairs], SHARES)], sizes, seed)
    except DomainError as error:
        raise DomainError(f"repair: {error}") from None
    return RepositoryBenchmark(
        f"repair:{variant}" if variant else "repair",
        DESCRIPTION,
        [Item(task, target) for task, target in pairs],
        splits,
        version=version_of(pairs),
        parameters=scorer_parts(),
    )


# QuixBugs


def _quixbugs() -> Iterator[tuple[Task, RepositoryTests]]:
    files = _archive()
    names = sorted(
        path.stem
        for path in map(Path, files)
        if path.parent.name == "python_programs" and f"python_testcases/test_{path.stem}.py" in files
    )
    for name in names:
        tests = _tests(name, files)
        texts = {f"{name}.py": files[f"python_programs/{name}.py"], f"test_{name}.py": tests}
        if "node" in tests:
            texts["node.py"] = files["python_testcases/node.py"]
        source = InlineSource(texts)
        problem = (
            f"{name}.py has a bug on one line: tests in test_{name}.py fail. Find the bug and correct it, "
            "with as small a change as possible."
        )
        functions = [node.name for node in ast.parse(tests).body if isinstance(node, ast.FunctionDef)]
        must_pass = tuple(
            f"test_{name}.py::{function}" for function in functions if function.startswith("test")
        )
        seconds = _LONGER.get(name, _SECONDS)
        yield (
            repository_task(f"QuixBugs/{name}", problem, source.snapshot, seconds),
            RepositoryTests(source, must_pass, seconds=seconds),
        )


def _archive() -> dict[str, str]:
    """Return the files of the benchmark, by their path in it."""
    folder = os.environ.get(FOLDER_VARIABLE)
    place = Path(folder) / QUIXBUGS if folder else None
    if place is None or not place.is_file():
        raise DomainError(
            f"no data file {QUIXBUGS}: set {FOLDER_VARIABLE} to a folder that holds it, a .tar.gz of QuixBugs' Python "
            "half (git clone https://github.com/jkoppel/QuixBugs && tar -czf quixbugs-python.tar.gz QuixBugs)"
        )
    files = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(place.read_bytes())) as archive:
            for member in archive:
                data = (
                    archive.extractfile(member)
                    if member.isfile() and member.name.endswith((".py", ".json"))
                    else None
                )
                if data is not None:
                    files[member.name.partition("/")[2]] = data.read().decode()
    except (OSError, tarfile.TarError, UnicodeDecodeError, EOFError) as error:
        raise DomainError(f"{place}: {error}; fetch the file again") from error
    return files


def _tests(name: str, files: Mapping[str, str]) -> str:
    """Return the tests of a program as plain functions, which need neither pytest nor other files."""
    tree = ast.parse(files[f"python_testcases/test_{name}.py"])
    body = [node for node in tree.body if not _is_pytest(node)]
    cases = files.get(f"json_testcases/{name}.json")
    if cases is None:
        return f"from {name} import {name}\n\n" + "\n\n\n".join(map(ast.unparse, body)) + "\n"
    (check,) = [node for node in body if isinstance(node, ast.FunctionDef)]
    compared = next(node for node in check.body if isinstance(node, ast.Assert)).test
    text = ast.unparse(compared).replace("pytest.approx(expected, abs=input_data[-1])", "expected")
    if name == "sqrt":
        text = "abs(sqrt(*input_data) - expected) <= input_data[-1]"
    lines = [f"from {name} import {name}\n"]
    for number, case in enumerate(map(json.loads, cases.splitlines()), 1):
        given, expected = case
        given = given if isinstance(given, list) else [given]
        if (name, given[0]) in _SLOW and (name != "levenshtein" or len(given[1]) > 40):
            continue
        if name == "hanoi":
            expected = [tuple(move) for move in expected]
        values = text.replace("input_data", repr(given)).replace("expected", repr(expected))
        lines.append(f"\ndef test_{number}():\n    assert {values}\n")
    return "\n".join(lines)


def _is_pytest(node: ast.stmt) -> bool:
    """Tell the parts of a test file that only pytest or QuixBugs' folders need."""
    if isinstance(node, ast.Import):
        return node.names[0].name == "pytest"
    if isinstance(node, ast.ImportFrom):
        return node.module == "load_testdata"
    return isinstance(node, ast.If) or (isinstance(node, ast.Assign) and "load_json" in ast.unparse(node))


# SWE-bench


@dataclass(frozen=True)
class GitSource:
    """A commit of a git repository on this machine."""

    folder: Path
    name: str
    commit: str

    @property
    def identity(self) -> str:
        """Name and commit, wherever the repository lies."""
        return f"{self.name}@{self.commit}"

    @cached_property
    def snapshot(self) -> Snapshot:
        """The files of the commit; its links and submodules stay outside."""
        from domains.git import read_commit

        return read_commit(self.folder, self.commit)


def _swebench(file: Path) -> Iterator[tuple[Task, RepositoryTests]]:
    if not file.is_file():
        raise DomainError(f"{file}: no such file; expected rows in the form of SWE-bench")
    for number, row in enumerate(read_rows(file), 1):
        try:
            yield _instance(file.parent, row)
        except (KeyError, ValueError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else error
            raise DomainError(f"{file}, row {number}: {reason}") from None


def _instance(folder: Path, row: Row) -> tuple[Task, RepositoryTests]:
    name, repository = str(row["instance_id"]), str(row["repo"])
    places = [
        folder / repository,
        folder / repository.replace("/", "__"),
        folder / repository.rpartition("/")[2],
    ]
    place = next((place for place in places if (place / ".git").exists() or (place / "HEAD").is_file()), None)
    if place is None:
        raise DomainError(f"no git repository {repository} beside the file: clone it to {places[1]}")
    source = GitSource(place, repository, str(row["base_commit"]))
    must_pass = (*_names(row["FAIL_TO_PASS"]), *_names(row["PASS_TO_PASS"]))
    if not must_pass:
        raise DomainError("FAIL_TO_PASS and PASS_TO_PASS name no test")
    task = repository_task(name, str(row["problem_statement"]), source.snapshot)
    return task, RepositoryTests(source, must_pass, str(row["test_patch"]))


def _names(value: object) -> tuple[str, ...]:
    names = json.loads(value) if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) and ".py" in name for name in names):
        raise ValueError("expected lists of tests such as 'tests/test_a.py::test_b'")
    return tuple(cast("list[str]", names))
