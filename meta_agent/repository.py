"""A repository that an agent works on: a copy in memory, searched, edited and tested on the agent's behalf.

The search functions are those of AutoCodeRover (Zhang et al. 2024, arXiv 2404.05427,
https://github.com/AutoCodeRoverSG/auto-code-rover). The copy is the host's, so what an agent says of it counts for
nothing: an edit is applied only where its text matches, and tests run in a jail of their own. Sources are never parsed
or executed by the host.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from domains.patch import make_patch
from domains.repository import is_test
from meta_agent.fault_localisation import suspects
from sandboxes import Limits
from sandboxes.snapshot import as_text
from sandboxes.suite import LIMITS, SuiteRun, run_suite
from sandboxes.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sandboxes import Sandbox
    from sandboxes.snapshot import Snapshot

SHOWN = 3
"""Pieces of code in one answer; further ones are named only."""
_LONGEST_ANSWER = 12_000
_PARSED = 40
"""Sources that are parsed in one run, and"""
_PARSED_BYTES = 4 << 20
"""their bytes, at most."""
_PARSING = Limits(wall_s=30.0, cpu_s=15.0, memory_mb=1024)


class EditError(ValueError):
    """An edit that is refused, or a place that is not there; the text tells the agent what to do."""


Row = tuple[str, str, str, int, int, str]
"""Kind, name, what is around it, first and last line, signature: see :mod:`meta_agent.definitions`."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A class, method or function."""

    path: str
    kind: str
    name: str
    inside: str
    first: int
    last: int
    signature: str

    @property
    def title(self) -> str:
        """The dotted name."""
        return f"{self.inside}.{self.name}" if self.inside else self.name


@dataclass(frozen=True, slots=True)
class Suspect:
    """A function that failing tests run over."""

    definition: Definition
    score: float
    """Ochiai's, 0 to 1."""


class Repository:
    """A copy of a repository. Used by one thread.

    Args:
        snapshot: the repository as it is; it stays so.
        sandbox: where its tests run and its sources are parsed.
        seconds: processor seconds of one test.
        limits: what one run of the tests may use.
    """

    def __init__(
        self, snapshot: Snapshot, sandbox: Sandbox, *, seconds: float = 10.0, limits: Limits = LIMITS
    ) -> None:
        self.base = snapshot
        self.cpu_s = 0.0
        """CPU seconds in sandboxes so far."""
        self.refused: list[str] = []
        """Why edits of the agent were refused, since the last reset."""
        self._sandbox = sandbox
        self._seconds = seconds
        self._limits = limits
        self._edited: dict[str, bytes] = {}
        self._rows: dict[str, list[Row]] = {}
        """What sources define."""

    # Reading

    @property
    def current(self) -> Snapshot:
        """The copy as it is now."""
        return self.base.with_files(cast("dict[str, bytes | None]", self._edited))

    def paths(self) -> list[str]:
        """Return the text files."""
        return sorted(path for path, data in self.current.files.items() if as_text(data) is not None)

    def read(self, path: str, first: int = 1, last: int | None = None) -> str:
        """Return lines of a file, from 1, both ends included.

        Raises:
            EditError: there is no such text file.
        """
        text = "\n".join(self._text(path).split("\n")[max(first, 1) - 1 : last])
        if len(text) <= _LONGEST_ANSWER:
            return text
        more = len(text) - _LONGEST_ANSWER
        return (
            f"{text[:_LONGEST_ANSWER]}\n[... {more} more characters: read it by lines, with first and last]"
        )

    # Searching

    def search_class(self, name: str, path: str = "") -> str:
        """Return the signatures of classes: their headers and those of their methods."""
        found = self._find(name, path, "class")
        return self._answer(f"class {name!r}", found, self._class_signature)

    def search_method(self, name: str, inside: str = "", path: str = "") -> str:
        """Return the code of methods and functions."""
        found = [
            one for one in self._find(name, path, "def") if not inside or one.inside.split(".")[-1] == inside
        ]
        return self._answer(f"method {name!r}", found, self._code)

    def search_code(self, text: str, path: str = "") -> str:
        """Return the places that hold a text, with the lines around each."""
        if not text.strip():
            raise EditError("search_code needs some text")
        found = []
        for file in self._searched(path, python=False):
            lines = self._text(file).split("\n")
            found += [(file, number) for number, line in enumerate(lines, 1) if text in line]
        if not found:
            return f"Nothing holds {text!r}."
        shown = [self.around(file, number, 3) for file, number in found[:SHOWN]]
        more = [f"{file}, line {number}" for file, number in found[SHOWN : SHOWN + 20]]
        return _joined(f"{len(found)} lines hold {text!r}.", shown, more)

    def around(self, path: str, line: int, window: int = 10) -> str:
        """Return the lines around a line."""
        lines = self._text(path).split("\n")
        if not 1 <= line <= len(lines):
            raise EditError(f"{path} has {len(lines)} lines, there is no line {line}")
        first, last = max(1, line - window), min(len(lines), line + window)
        return f"{path}, lines {first}-{last}\n```\n{self.read(path, first, last)}\n```"

    def outline(self, path: str) -> str:
        """Return the signatures of all that a Python file defines."""
        found = self._defined([path])
        return "\n".join("    " * (one.inside.count(".") + bool(one.inside)) + one.signature for one in found)

    def function_at(self, path: str, line: int) -> Definition | None:
        """Return the innermost method or function around a line, None when it is outside of all."""
        around = [
            one for one in self._defined([path]) if one.kind != "class" and one.first <= line <= one.last
        ]
        return around[-1] if around else None

    # Editing

    def edit(self, path: str, search: str, replace: str) -> None:
        """Put ``replace`` in the place of ``search``, which must be there exactly once; nothing for a new file.

        Line ends are those of the file. At the end of a file, a missing new line is no mismatch.

        Raises:
            EditError: refused; says why, and what to do.
        """
        if fault := refusal(self.base, path):
            raise EditError(f"{path[:100]!r}: {fault}")
        if not search.strip():
            if path in self.current.files:
                raise EditError(f"{path} is there already: an edit of it needs the text to replace")
            self._edited[path] = replace.encode("utf-8", "replace")
            return
        text = self._text(path)
        if "\r\n" in text:
            search, replace = (re.sub(r"\r?\n", "\r\n", part) for part in (search, replace))
        if search not in text and text.endswith(search.rstrip("\r\n")):
            search, replace = search.rstrip("\r\n"), replace.rstrip("\r\n")
        count = text.count(search)
        if count != 1:
            raise EditError(_mismatch(path, text, search, count))
        if search == replace:
            raise EditError(f"{path}: the text to replace is the same as before")
        self._edited[path] = text.replace(search, replace).encode("utf-8", "replace")

    def rewrite(self, name: str, code: str, path: str = "") -> None:
        """Put code in the place of a function or method, indented as it was.

        Args:
            name: dotted, as in ``Class.method``, or the end of that where it is there once, tests left out.
            code: the whole definition.
            path: looks in this file alone; empty: in all.

        Raises:
            EditError: refused; says why, and what to do.
        """
        found = self._find(name.rpartition(".")[2], path, "def")
        exact = [one for one in found if one.title == name]
        found = exact or [one for one in found if one.title.endswith(f".{name}")]
        if not found:
            raise EditError(f"there is no function {name} to rewrite: add it with an edit")
        if len(found) > 1:
            raise EditError(f"there are {len(found)} functions {name}: edit the lines of one instead")
        one = found[0]
        if fault := refusal(self.base, one.path):
            raise EditError(f"{one.path}: {fault}")
        lines = self._text(one.path).split("\n")
        header = lines[one.first - 1]
        margin = header[: len(header) - len(header.lstrip())]
        new = textwrap.indent(textwrap.dedent(code).strip("\r\n"), margin)
        if header.endswith("\r"):
            new = re.sub(r"\r?\n", "\r\n", new) + "\r"
        if new.split("\n") == lines[one.first - 1 : one.last]:
            raise EditError(f"{one.title} is the same as before")
        text = "\n".join([*lines[: one.first - 1], new, *lines[one.last :]])
        self._edited[one.path] = text.encode("utf-8", "replace")

    def reset(self) -> None:
        """Undo all edits."""
        self._edited.clear()
        self.refused.clear()

    def patch(self) -> str:
        """Return all edits as a unified diff."""
        return patch_of(self.base, self._edited)

    # Testing

    def test(self, select: Sequence[str] = (), *, coverage: bool = False) -> SuiteRun:
        """Run tests of the copy as it is now, in a jail of their own."""
        run = run_suite(
            self._sandbox,
            self.current,
            select=select,
            coverage=coverage,
            seconds=self._seconds,
            limits=self._limits,
        )
        self.cpu_s += run.cpu_s
        return run

    def suspects(self, limit: int = 5) -> tuple[list[Suspect], SuiteRun]:
        """Return the functions that failing tests run over, the most suspicious by Ochiai's formula first."""
        run = self.test(coverage=True)
        files = {
            path for verdict in run.verdicts.values() for path in verdict.lines if path in self.current.files
        }
        self._defined(files)
        places: dict[str, Definition] = {}
        covered: dict[str, set[str]] = {}
        for test, verdict in run.verdicts.items():
            covered[test] = set()
            for path in files & set(verdict.lines):
                for line in verdict.lines[path]:
                    if one := self.function_at(path, line):
                        key = f"{path}:{one.first:06}"
                        places[key] = one
                        covered[test].add(key)
        ranked = suspects(covered, run.named("failed"))
        return [Suspect(places[key], score) for key, score in ranked[:limit]], run

    # Inside

    def _text(self, path: str) -> str:
        text = as_text(self._edited.get(path, self.base.files.get(path)))
        if text is None:
            binary = path in self.current.files
            close = [known for known in self.paths() if known.rpartition("/")[2] == path.rpartition("/")[2]][
                :3
            ]
            hint = f": is it {' or '.join(close)}?" if close else ""
            raise EditError(f"{path[:100]} is {'binary' if binary else 'not there'}{hint}")
        return text

    def _searched(self, path: str, *, python: bool = True) -> list[str]:
        if path:
            self._text(path)
            return [path]
        return [file for file in self.paths() if not is_test(file) and (file.endswith(".py") or not python)]

    def _find(self, name: str, path: str, word: str) -> list[Definition]:
        """Return the classes (``class``) or functions (``def``) of a name; only files with that text are parsed."""
        if not name.isidentifier():
            raise EditError(f"{name[:60]!r} is no name")
        line = re.compile(rf"^[ \t]*(?:async[ \t]+)?{word}[ \t]+{name}\b", re.MULTILINE)
        files = [file for file in self._searched(path) if line.search(self._text(file))][:_PARSED]
        return [
            one
            for one in self._defined(files)
            if one.name == name and (one.kind == "class") == (word == "class")
        ]

    def _defined(self, paths: Iterable[str]) -> list[Definition]:
        """Return what files define, parsed in the sandbox once for each content."""
        wanted = {path: self._text(path) for path in sorted(paths)}
        unknown = list(dict.fromkeys(text for text in wanted.values() if text not in self._rows))
        self._rows |= dict(zip(unknown, self._parsed(unknown), strict=True))
        return [Definition(path, *row) for path, text in wanted.items() for row in self._rows[text]]

    def _parsed(self, texts: list[str]) -> list[list[Row]]:
        code = Path(__file__).with_name("definitions.py").read_text()
        found: list[list[Row]] = []
        while len(found) < len(texts):
            batch: list[str] = []
            size = 0
            for text in texts[len(found) : len(found) + _PARSED]:
                size += len(text)
                if batch and size > _PARSED_BYTES:
                    break
                batch.append(text)
            outcome = self._sandbox.run(code, entry="definitions", args=[list(batch)], limits=_PARSING)
            self.cpu_s += outcome.cpu_s
            found += _rows(outcome.value, len(batch))
        return found

    def _class_signature(self, one: Definition) -> str:
        members = [
            f"    {other.signature}"
            for other in self._defined([one.path])
            if other.kind == "method" and other.inside == one.title
        ]
        return (
            f"{one.path}, lines {one.first}-{one.last}\n```\n"
            + "\n".join([one.signature, *members])
            + "\n```"
        )

    def _code(self, one: Definition) -> str:
        where = f"{one.path}, lines {one.first}-{one.last}" + (f", in {one.inside}" if one.inside else "")
        return f"{where}\n```\n{self.read(one.path, one.first, one.last)}\n```"

    def _answer(self, what: str, found: list[Definition], show: Callable[[Definition], str]) -> str:
        if not found:
            return f"There is no {what}."
        pieces = [show(one) for one in found[:SHOWN]]
        more = [f"{one.path}, line {one.first}" for one in found[SHOWN : SHOWN + 20]]
        return _joined(f"{len(found)} found for {what}.", pieces, more)


def refusal(base: Snapshot, path: str) -> str:
    """Return why nobody but its owner may change a path of a repository; empty when others may."""
    return Workspace(base).fault_of(path) or base.keeps_out(path)


def patch_of(base: Snapshot, files: Mapping[str, bytes | None]) -> str:
    """Return changed files, None for one that is gone, as a unified diff."""
    return make_patch(
        {path: base.text(path) for path in files}, {path: as_text(data) for path, data in files.items()}
    )


def _joined(head: str, pieces: list[str], more: list[str]) -> str:
    text = "\n\n".join([head, *pieces])[:_LONGEST_ANSWER]
    return f"{text}\n\nAlso in: {'; '.join(more)}" if more else text


def _rows(value: object, count: int) -> list[list[Row]]:
    """Return what the sandbox sent, when it has the form that we expect; nothing for each source otherwise."""
    if (
        isinstance(value, list)
        and len(value) == count
        and all(isinstance(rows, list) and all(map(_is_row, rows)) for rows in value)
    ):
        return [[cast("Row", tuple(row)) for row in rows] for rows in value]
    return [[] for _ in range(count)]


def _is_row(row: object) -> bool:
    return (
        isinstance(row, list)
        and len(row) == 6
        and all(isinstance(part, str) for part in (*row[:3], row[5]))
        and all(type(number) is int and number > 0 for number in row[3:5])
    )


def _mismatch(path: str, text: str, search: str, count: int) -> str:
    """Say why a text to replace does not fit, and show what is there instead."""
    if count:
        return f"{path}: the text to replace is there {count} times: add lines around it"
    wanted = next((line.strip() for line in search.splitlines() if line.strip()), "")
    lines = text.split("\n")
    near = [number for number, line in enumerate(lines) if wanted and line.strip() == wanted]
    if not near:
        return f"{path}: the text to replace is not there: copy it from the file, to the last blank"
    shown = "\n".join(lines[near[0] : near[0] + len(search.splitlines())])[:1000]
    return f"{path}: the text to replace differs from the file, which has there:\n{shown}"
