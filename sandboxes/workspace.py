"""Workspaces: a folder of the host goes into a sandbox by value, and what a program changed comes back.

The program works on a copy, in memory, in its own folder; the original is read and never touched. What comes
back is data: paths and bytes, checked here, of which nothing is written until :meth:`Changes.apply` is called.
No file system of a program is ever opened by the host, so there is no link to follow. Works with every backend
that gives programs a writable folder.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from sandboxes.sandbox import Limits, Outcome, SandboxUnavailableError
from sandboxes.snapshot import IGNORED, Snapshot, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sandboxes.sandbox import Broker, Json, Sandbox

__all__ = ["Changes", "Snapshot", "Workspace", "WorkspaceError"]

_PIECE = 512 << 10
"""Bytes of a file in one message."""
_PATH = 1000
"""Characters of a path, at most."""
_DEFAULT = Limits()
_PROGRAM = "def forward(task, kit): return kit()"


@dataclass
class Changes:
    """What a program changed in its copy of a folder."""

    written: dict[str, bytes] = field(default_factory=dict)
    """Files that are new or different, by path from the folder."""
    executable: set[str] = field(default_factory=set)
    """Those of them that may be executed."""
    deleted: set[str] = field(default_factory=set)
    """Files that are gone."""
    refused: dict[str, str] = field(default_factory=dict)
    """What was left out, and why: links, pipes, devices, strange paths, more than may come back."""

    def apply(self, folder: Path) -> None:
        """Make the same changes in a folder; no link in it is followed, and nothing outside it is touched.

        Raises:
            OSError: A path leads through a link or a file, or cannot be written; earlier ones are done.

        """
        for path, data in self.written.items():
            with _parent(folder, path, make=True) as (parent, name):
                temporary = f".{name[:100]}.adas-new"
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                mode = 0o755 if path in self.executable else 0o644
                with contextlib.suppress(
                    FileNotFoundError
                ):  # who may read the file that is there, and nobody else
                    mode &= os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode | 0o100
                fd = os.open(temporary, flags, mode, dir_fd=parent)
                with os.fdopen(fd, "wb") as file:
                    file.write(data)
                os.replace(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
        for path in self.deleted:
            with contextlib.suppress(FileNotFoundError), _parent(folder, path, make=False) as (parent, name):
                os.unlink(name, dir_fd=parent)


@dataclass(frozen=True)
class Workspace:
    """A folder for programs to work in.

    Args:
        folder: The folder, which is read anew for each program, or a snapshot of one. Links and special files in it
            stay outside.
        files: How many files may go in, and come back.
        mb: MiB that may go in, and come back.
        ignore: Names of files and folders that neither go in nor come back, at any depth: a changed
            ``.git/config`` would be a program for the host.

    """

    folder: Path | Snapshot
    files: int = 2000
    mb: int = 64
    ignore: tuple[str, ...] = IGNORED

    def run(
        self,
        sandbox: Sandbox,
        code: str,
        *,
        entry: str | None = None,
        args: Sequence[Json] = (),
        limits: Limits = _DEFAULT,
        collect: bool = True,
    ) -> tuple[Outcome, Changes]:
        """Execute ``code`` as :meth:`Sandbox.run` does, with the folder's copy as the current one.

        ``limits.file_mb`` is for what the program writes; room for the copy is added. Without ``collect`` the
        folder is only there to be read. A program that was stopped brings no changes.

        Raises:
            WorkspaceError: The folder cannot be given in.
            SandboxUnavailableError: The sandbox gives programs no folder to write in.
            SandboxFaultError: The sandbox failed, not the program.

        """
        task: dict[str, Json] = {"code": code, "entry": entry, "args": list(args)}
        return self._enter(sandbox, task, _no_broker, limits, collect=collect)

    def session(
        self,
        sandbox: Sandbox,
        program: str,
        task: Mapping[str, Json],
        broker: Broker,
        *,
        kit: str,
        limits: Limits = _DEFAULT,
        collect: bool = True,
    ) -> tuple[Outcome, Changes]:
        """Run an agent program as :meth:`Sandbox.session` does, with the folder's copy as the current one.

        Raises:
            WorkspaceError: The folder cannot be given in.
            SandboxUnavailableError: The sandbox gives programs no folder to write in.
            SandboxFaultError: The sandbox failed, not the program.
            Exception: Whatever the broker raised; the program is ended first.

        """
        inner: dict[str, Json] = {"code": program, "task": dict(task), "kit": kit}
        return self._enter(sandbox, inner, broker, limits, collect=collect)

    def _enter(
        self, sandbox: Sandbox, task: dict[str, Json], broker: Broker, limits: Limits, *, collect: bool
    ) -> tuple[Outcome, Changes]:
        if sandbox.level == "L1":
            raise SandboxUnavailableError("a workspace needs a folder to write in, which level L1 has not")
        desk = _Desk(self, broker)
        guest = Path(__file__).with_name("workspace_guest.py").read_text()
        room = replace(limits, file_mb=limits.file_mb + desk.size_mb)
        outcome = sandbox.session(_PROGRAM, {**task, "collect": collect}, desk, kit=guest, limits=room)
        return outcome, desk.changes

    def contents(self) -> Iterator[tuple[str, int, bytes]]:
        """Yield the path, the mode and the bytes of each file that goes in.

        Raises:
            WorkspaceError: There is no such folder, or too much in it.

        """
        if isinstance(self.folder, Snapshot):
            for path, data in self.folder.files.items():
                yield path, 0o755 if path in self.folder.executable else 0o644, data
            return
        if not self.folder.is_dir():
            raise WorkspaceError(f"no folder {self.folder}")
        count = size = 0
        for folder, folders, names, fd in os.fwalk(self.folder):
            folders[:] = sorted(name for name in folders if name not in self.ignore)
            for name in sorted(names):
                opened = None if name in self.ignore else _regular(name, fd)
                if opened is None:
                    continue
                with os.fdopen(opened, "rb") as file:
                    status = os.fstat(opened)
                    count, size = count + 1, size + status.st_size
                    if count > self.files or size > self.mb << 20:
                        raise WorkspaceError(
                            f"{self.folder} has more than {self.files} files or {self.mb} MiB: "
                            "raise Workspace(files=..., mb=...) or name what to ignore"
                        )
                    path = Path(folder, name).relative_to(self.folder).as_posix()
                    yield path, 0o755 if status.st_mode & 0o100 else 0o644, file.read()

    def fault_of(self, path: object) -> str | None:
        """Return what is wrong with a path that a program sent, None when nothing is."""
        if not isinstance(path, str) or not 0 < len(path) <= _PATH:
            return "no path"
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts or str(pure) != path or "\\" in path or path == ".":
            return "a path that leads elsewhere"
        if any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in path):
            return "a path with strange characters"
        ignored = {name.casefold() for name in self.ignore}
        if any(part.casefold().rstrip(". ") in ignored for part in pure.parts):
            return "a path that is ignored"
        return None


class _Desk:
    """The host's side: hands the files out, takes the changes in, and passes other requests on."""

    def __init__(self, workspace: Workspace, broker: Broker) -> None:
        files = list(workspace.contents())
        self.size_mb = 1 + sum(len(data) for _, _, data in files) // (1 << 20)
        self.changes = Changes()
        self._workspace = workspace
        self._broker = broker
        self._pieces = _pieces(files)
        self._size = 0

    def __call__(self, request: dict[str, Json]) -> dict[str, Json]:
        """Answer one request of the program."""
        word = request.get("workspace")
        if len(request) != 1 or not isinstance(word, dict):
            return self._broker(request)
        if "next" in word:
            return next(self._pieces, {})
        for kind in ("path", "gone", "special"):
            if kind in word:
                self._take(kind, word[kind], word)
        return {}

    def _take(self, kind: str, path: Json, word: Mapping[str, Json]) -> None:
        """Note one change, or why it is refused."""
        fault = self._workspace.fault_of(path)
        if fault is None and kind == "special":
            fault = "no regular file"
        if fault is None and kind == "path":
            fault = self._add(str(path), word)
        if fault is None and kind == "gone":
            self.changes.deleted.add(str(path))
        if fault:
            self.changes.written.pop(str(path), None)
            if len(self.changes.refused) < self._workspace.files:
                self.changes.refused[repr(path)[1:-1][:_PATH]] = fault

    def _add(self, path: str, word: Mapping[str, Json]) -> str | None:
        """Add a piece of a file; returns why it is refused, None when it is not."""
        try:
            data = base64.b64decode(str(word["data"]), validate=True)
        except (KeyError, binascii.Error):
            return "no content"
        if path in self.changes.refused:
            return self.changes.refused[path]
        self._size += len(data)
        if self._size > self._workspace.mb << 20:
            return f"more than {self._workspace.mb} MiB"
        if path not in self.changes.written and len(self.changes.written) >= self._workspace.files:
            return f"more than {self._workspace.files} files"
        earlier = b"" if word.get("first") is True else self.changes.written.get(path, b"")
        self.changes.written[path] = earlier + data
        mode = word.get("mode")
        if isinstance(mode, int) and mode & 0o100:
            self.changes.executable.add(path)
        return None


def _pieces(files: list[tuple[str, int, bytes]]) -> Iterator[dict[str, Json]]:
    for path, mode, data in files:
        for start in range(0, len(data) or 1, _PIECE):
            text = base64.b64encode(data[start : start + _PIECE]).decode()
            yield {"path": path, "mode": mode, "data": text, "last": start + _PIECE >= len(data)}


def _no_broker(_request: dict[str, Json]) -> dict[str, Json]:
    return {"error": "there is no broker"}


def _regular(name: str, folder: int) -> int | None:
    """Open a regular file for reading; None for anything else, and for what cannot be read."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


@contextlib.contextmanager
def _parent(folder: Path, path: str, *, make: bool) -> Iterator[tuple[int, str]]:
    """Open the folder of a path below ``folder``, component by component, through no link."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    fd = os.open(folder, flags)
    try:
        *folders, name = PurePosixPath(path).parts
        for part in folders:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=fd)
            deeper = os.open(part, flags | os.O_NOFOLLOW, dir_fd=fd)
            os.close(fd)
            fd = deeper
        yield fd, name
    finally:
        os.close(fd)
