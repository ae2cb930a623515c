"""Tasks whose answer is a patch of a repository, as SWE-bench poses them (Jimenez et al. 2024, arXiv 2310.06770)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from domains.benchmark import Benchmark
from domains.domain import Domain, Score, Task
from domains.patch import PatchError, apply_patch, touched
from sandboxes.snapshot import as_text
from sandboxes.suite import run_suite

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sandboxes import Json, Sandbox
    from sandboxes.snapshot import Snapshot

EDIT_FORM = """Reply with each function that must change, whole and corrected, in a ```python block. Where no function
changes, reply with an edit block: the path of a file, a few lines copied exactly from it, and the lines that replace
them. One for another repository would be:

greet.py
<<<<<<< SEARCH
    return "Helo, " + name
=======
    return "Hello, " + name
>>>>>>> REPLACE"""
"""How a model writes an edit: small ones know how to write a function, and hardly how to quote exactly. Edit blocks are
those of aider's models (https://aider.chat/docs/more/edit-formats.html)."""
SHOWN = 8_000
"""Characters of sources in a prompt."""
_LISTED = 100


@runtime_checkable
class RepositoryDomain(Domain, Protocol):
    """A domain whose tasks, all or some, are of kind ``patch``."""

    def snapshot(self, task: Task) -> Snapshot:
        """Return the repository that a task of kind ``patch`` is about."""


class Source(Protocol):
    """Where a repository comes from."""

    @property
    def identity(self) -> str:
        """What tells it from any other, wherever it lies."""

    @property
    def snapshot(self) -> Snapshot:
        """Its files."""


@dataclass(frozen=True)
class InlineSource:
    """A repository that is given as text."""

    texts: Mapping[str, str]

    @cached_property
    def identity(self) -> str:
        """A digest of the files."""
        return hashlib.sha256(repr(sorted(self.texts.items())).encode()).hexdigest()

    @cached_property
    def snapshot(self) -> Snapshot:
        """The files."""
        from sandboxes.snapshot import Snapshot

        return Snapshot({path: text.encode() for path, text in self.texts.items()})


@dataclass(frozen=True, repr=False)
class RepositoryTests:
    """Tests that a patched repository must pass."""

    source: Source
    must_pass: tuple[str, ...]
    """Names of tests: those that failed before, and those that passed and must go on to."""
    test_patch: str = ""
    """Brings the tests that the agent does not see."""
    seconds: float = 10.0
    """Processor seconds of one test."""

    def mark(self, answer: Json, sandbox: Sandbox, /) -> Score:
        """Apply the patch to the repository, put its own tests in their place, and run them; 1 when all pass.

        The tests share a process with what they test, so a patch that wants to can cheat.
        """
        if not isinstance(answer, str) or not answer.strip():
            return Score(0.0, "no patch")
        base = self.source.snapshot
        try:
            files = patched(base, answer)
        except PatchError:
            return Score(0.0, "the patch does not apply")
        if files == dict(base.files):
            return Score(0.0, "the patch changes nothing")
        run = run_suite(sandbox, self._with_tests(files), select=self.must_pass, seconds=self.seconds)
        passed = set(run.named("passed"))
        missing = sum(test not in passed for test in self.must_pass)
        reason = (
            f"{missing} of {len(self.must_pass)} tests fail"
            if missing
            else "passed (its tests could be cheated)"
        )
        return Score(float(not missing), reason, run.cpu_s)

    def _with_tests(self, files: Mapping[str, bytes]) -> Snapshot:
        """Return patched files with the tests as they should be, whatever the patch did to them."""
        base = self.source.snapshot
        original: dict[str, bytes | None] = {path: data for path, data in base.files.items() if is_test(path)}
        original |= {path: None for path in files if is_test(path) and path not in base.files}
        if self.test_patch:
            texts = {path: as_text(data) for path, data in base.files.items()}
            changed = apply_patch(self.test_patch, texts)
            original |= {path: None if text is None else text.encode() for path, text in changed.items()}
        return base.with_files({**dict.fromkeys(base.files, None), **files, **original})

    @staticmethod
    def key(answer: Json) -> str:
        """Return the lines that a patch adds and removes, with their files."""
        lines = str(answer).splitlines()
        return "\n".join(line.rstrip() for line in lines if line.startswith(("+", "-")) and line[1:].strip())


class RepositoryBenchmark(Benchmark):
    """A benchmark of such tasks; see :class:`~domains.benchmark.Benchmark` for the rest of the arguments."""

    def snapshot(self, task: Task) -> Snapshot:
        """Return the repository that a task is about."""
        target = self._targets[task.id]
        assert isinstance(target, RepositoryTests)
        return target.source.snapshot


def repository_task(name: str, problem: str, snapshot: Snapshot, seconds: float = 10.0) -> Task:
    """Return the task to change a repository.

    The prompt holds the problem, the sources (or their beginning, and the names of the rest) and the form of an edit,
    so that an agent that knows nothing of repositories can try. ``metadata["problem"]`` is the problem alone,
    ``metadata["test_seconds"]`` the processor time that one test may take.
    """
    shown, rest = sources(snapshot, problem, SHOWN)
    listed = f"\n\nFurther files: {', '.join(rest[:_LISTED])}" if rest else ""
    prompt = f"{problem.strip()}\n\nThe files:\n\n{shown}{listed}\n\n{EDIT_FORM}"
    return Task(name, prompt, "patch", metadata={"problem": problem, "test_seconds": seconds})


def sources(snapshot: Snapshot, about: str, limit: int) -> tuple[str, list[str]]:
    """Return whole files, each in a fence, of ``limit`` characters at most, and the names of the others.

    Files that ``about`` names come first, then Python's; tests are left out.
    """
    texts = {
        path: text
        for path, data in snapshot.files.items()
        if not is_test(path) and (text := as_text(data)) is not None
    }

    def rank(path: str) -> tuple[bool, bool, str]:
        named = Path(path).name in about or (len(Path(path).stem) > 3 and Path(path).stem in about)
        return not named, not path.endswith(".py"), path

    shown, rest, left = [], [], limit
    for path in sorted(texts, key=rank):
        piece = f"{path}\n```\n{texts[path].rstrip()}\n```"
        if len(piece) <= left:
            shown.append(piece)
            left -= len(piece)
        else:
            rest.append(path)
    return "\n\n".join(shown), rest


def is_test(path: str) -> bool:
    """Tell whether a file holds tests, by its name or its folder."""
    *folders, name = path.split("/")
    return (
        fnmatch(name, "test_*.py")
        or fnmatch(name, "*_test.*")
        or name == "conftest.py"
        or any(folder in ("test", "tests", "__tests__") for folder in folders)
    )


def patched(snapshot: Snapshot, patch: str) -> dict[str, bytes]:
    """Return the files of a repository with a patch applied.

    Raises:
        PatchError: it does not fit.
    """
    names = touched(patch)
    texts = {path: as_text(snapshot.files.get(path)) for path in names}
    changed = apply_patch(patch, texts)
    if binary := [path for path in names if path in snapshot.files and texts[path] is None]:
        raise PatchError(f"{binary[0]} is binary")
    files = {
        **snapshot.files,
        **{path: None if text is None else text.encode() for path, text in changed.items()},
    }
    return {path: data for path, data in files.items() if data is not None}


def version_of(items: Iterable[tuple[Task, RepositoryTests]]) -> str:
    """Return the digest of what such tasks ask and compare with, which is the same wherever the repositories lie."""
    content = sorted(
        repr((task.public(), target.source.identity, target.must_pass, target.test_patch))
        for task, target in items
    )
    return hashlib.sha256("\n".join(content).encode()).hexdigest()[:16]


def scorer_parts() -> Sequence[object]:
    """Return what decides a mark of such a task, for the scorer's digest."""
    from domains import patch
    from sandboxes import suite, suite_guest

    files = (__file__, patch.__file__, suite.__file__, suite_guest.__file__)
    return [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in files]
