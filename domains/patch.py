"""Patches: unified diffs of text files, made and applied exactly.

Nothing is fuzzy here: each hunk must lie where it says and match to the byte, or the patch is refused. That is what
``git apply`` demands, without a program of the host reading what nobody has read.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_NO_NEWLINE = "\\ No newline at end of file\n"
LONGEST = 1_000_000
"""Characters of a patch that is applied."""


class PatchError(ValueError):
    """A patch that is none, or does not fit what it is to be applied to; says where."""


def make_patch(before: Mapping[str, str | None], after: Mapping[str, str | None]) -> str:
    """Return the unified diff between two states of some files; None stands for a file that is not there."""
    pieces = []
    for path in sorted({**before, **after}):
        old, new = before.get(path), after.get(path)
        if old == new:
            continue
        names = [
            f"{side}/{path}" if text is not None else "/dev/null" for side, text in (("a", old), ("b", new))
        ]
        mode = (
            "new file mode 100644\n" if old is None else "deleted file mode 100644\n" if new is None else ""
        )
        diff = difflib.unified_diff(_lines(old or ""), _lines(new or ""), names[0], names[1])
        body = "".join(line if line.endswith("\n") else f"{line}\n{_NO_NEWLINE}" for line in diff)
        pieces.append(f"diff --git a/{path} b/{path}\n{mode}{body}")
    return "".join(pieces)


def apply_patch(patch: str, files: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return the files that a patch changes, as they are afterwards; None stands for one that is gone.

    Args:
        patch: unified diffs, as ``git diff`` or :func:`make_patch` write them.
        files: the text files that there are; others count as not there.

    Raises:
        PatchError: it does not fit, is binary, or is no patch.
    """
    if len(patch) > LONGEST:
        raise PatchError(f"a patch of {len(patch)} characters: at most {LONGEST} are applied")
    changed: dict[str, str | None] = {}
    for old, new, hunks in _sections(_lines(patch)):
        source = "" if old is None else changed.get(old, files.get(old))
        if source is None:
            raise PatchError(f"{old}: there is no such text file")
        if old is None and new is not None and files.get(new) is not None:
            raise PatchError(f"{new}: is there already, and the patch makes it new")
        text = _patched(source, hunks, str(new or old))
        if old is not None and old != new:
            changed[old] = None
        if new is not None:
            changed[new] = text
        elif text:
            raise PatchError(f"{old}: the patch removes it, but not all of its lines")
    return changed


def touched(patch: str) -> set[str]:
    """Return the paths that a patch names; an unreadable patch raises :class:`PatchError`."""
    return {path for old, new, _ in _sections(_lines(patch)) for path in (old, new) if path is not None}


def _lines(text: str) -> list[str]:
    """Split at new lines only, and keep them."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _sections(lines: list[str]) -> Iterator[tuple[str | None, str | None, list[str]]]:
    """Yield for each file its path before and after, and the lines of its hunks."""
    starts = [i for i, line in enumerate(lines) if line.startswith("diff --git ")]
    if not starts:  # as diff writes it, without a line of git's
        starts = [
            i
            for i, line in enumerate(lines[:-1])
            if line.startswith("--- ") and lines[i + 1].startswith("+++ ")
        ]
    if not starts:
        raise PatchError("no patch: expected a unified diff, with lines '--- a/PATH' and '+++ b/PATH'")
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield _section(lines[start:end])


def _section(lines: list[str]) -> tuple[str | None, str | None, list[str]]:
    body = next((i for i, line in enumerate(lines) if line.startswith("@@ ")), len(lines))
    head = [line.rstrip("\n") for line in lines[:body]]
    words = {line.partition(" ")[0]: line for line in head}
    if any(line.startswith(("GIT binary patch", "Binary files ")) for line in head):
        raise PatchError(f"{head[0]}: a binary patch is not applied")
    if "---" in words and "+++" in words:
        return _path(words["---"]), _path(words["+++"]), lines[body:]
    moved = {
        key: line.removeprefix(f"rename {key} ")
        for line in head
        for key in ("from", "to")
        if line.startswith(f"rename {key} ")
    }
    if len(moved) == 2:
        return moved["from"], moved["to"], []
    both = re.fullmatch(r"diff --git a/(.+) b/(\1)", head[0]) if head else None
    if both is None:
        raise PatchError(f"{head[0] if head else 'the patch'}: names no file")
    if any(line.startswith("new file mode") for line in head):
        return None, both[1], []
    if any(line.startswith("deleted file mode") for line in head):
        return both[1], None, []
    return both[1], both[1], []  # a change of mode


def _path(line: str) -> str | None:
    name = line[4:].partition("\t")[0].strip().strip('"')
    if name == "/dev/null":
        return None
    return name[2:] if name.startswith(("a/", "b/")) else name


def _patched(source: str, hunks: list[str], path: str) -> str:
    """Return a text with hunks applied."""
    old, new, at = _lines(source), list[str](), 0
    for first, count, body in _hunks(hunks, path):
        start = first - 1 if count else first
        removed = [line[1:] for line in body if line[0] in " -"]
        if start < at or old[start : start + count] != removed or len(removed) != count:
            raise PatchError(f"{path}: the lines from {first} on are not those that the patch expects")
        new += old[at:start] + [line[1:] for line in body if line[0] in " +"]
        at = start + count
    return "".join(new + old[at:])


def _hunks(lines: list[str], path: str) -> Iterator[tuple[int, int, list[str]]]:
    """Yield the first old line of each hunk, how many old lines it has, and its lines."""
    at = 0
    while at < len(lines):
        head = _HUNK.match(lines[at])
        if head is None:
            raise PatchError(f"{path}: expected a line '@@ -1,2 +1,3 @@', found {lines[at][:60]!r}")
        first, old, new = int(head[1]), int(head[2] or 1), int(head[4] or 1)
        body: list[str] = []
        at += 1
        while at < len(lines) and (old > 0 or new > 0 or lines[at].startswith("\\")):
            line = lines[at]
            if line.startswith("\\"):
                if body:
                    body[-1] = body[-1].removesuffix("\n")
            elif line[0] in " +-" or line == "\n":
                body.append(" \n" if line == "\n" else line)
                old -= body[-1][0] in " -"
                new -= body[-1][0] in " +"
            else:
                break
            at += 1
        if old or new:
            raise PatchError(f"{path}: the hunk at line {first} has other lines than its head says")
        yield first, int(head[2] or 1), body
        while at < len(lines) and not lines[at].strip():
            at += 1
