"""A folder's files, held in memory: what a program may be given of a folder, read once and with care.

The folder may be anybody's. No link is followed, nothing special is opened, and what is too large, secret by its name,
or another repository stays outside, with the reason.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

IGNORED = (".git", ".hg", ".svn", "__pycache__", ".venv", "node_modules")
"""Names of files and folders that never go into a sandbox, nor come back."""
CACHES = (
    "venv",
    ".tox",
    ".nox",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
    ".idea",
    "*.egg-info",
)
SECRETS = (
    ".env", ".env.*", "*.pem", "*.key", "*.p12", "*.pfx", "*.kdbx", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*",
    ".netrc", "_netrc", ".pypirc", ".npmrc", ".git-credentials", "credentials.json", "secrets.*",
)  # fmt: skip
"""Names of files that usually hold keys: an agent has no need of them, and its model may be anywhere."""
_DEEPEST = 40
"""Folders inside each other."""


class WorkspaceError(ValueError):
    """A folder that cannot be given in: it is none, or has too much in it."""


@dataclass(frozen=True)
class Snapshot:
    """The files of a folder."""

    files: Mapping[str, bytes]
    """By path from the folder, with slashes."""
    executable: frozenset[str] = frozenset()
    """Those of them that may be executed."""
    left_outside: Mapping[str, str] = field(default_factory=dict)
    """What is in the folder but not here, and why; of what is ignored, nothing is said."""

    @classmethod
    def of(cls, folder: Path, *, files: int = 5000, mb: int = 64, largest_kb: int = 1024) -> Snapshot:
        """Read a folder.

        Args:
            folder: the folder.
            files: how many files it may have.
            mb: MiB that they may have together.
            largest_kb: KiB beyond which a file stays outside.

        Raises:
            WorkspaceError: there is no such folder, or too much in it.
        """
        if not folder.is_dir():
            raise WorkspaceError(f"no folder {folder}")
        held: dict[str, bytes] = {}
        executable: set[str] = set()
        outside: dict[str, str] = {}
        size = 0
        for top, folders, names, fd in os.fwalk(folder):
            place = Path(top).relative_to(folder)
            _prune(place, folders, names, outside, fd)
            for name in sorted(names):
                path = (place / name).as_posix()
                reason, mode, data = _read(name, fd, largest_kb << 10)
                if reason:
                    outside[path] = reason
                    continue
                held[path] = data
                size += len(data)
                if mode & 0o100:
                    executable.add(path)
                if len(held) > files or size > mb << 20:
                    raise WorkspaceError(
                        f"{folder} has more than {files} files or {mb} MiB: name a folder inside it, or move away what "
                        "programs and tests do not need"
                    )
        return cls(held, frozenset(executable), outside)

    def text(self, path: str) -> str | None:
        """Return a file as text, None where there is none or it is binary."""
        return as_text(self.files.get(path))

    def keeps_out(self, path: str) -> str:
        """Return why a path may not come from a program, empty when it may: in the folder, something else is there."""
        parts = PurePosixPath(path).parts
        if any(fnmatch(part, pattern) for part in parts for pattern in (*IGNORED, *CACHES)):
            return "a path that is ignored"
        if any(fnmatch(parts[-1].lower(), pattern) for pattern in SECRETS):
            return "its name says that it holds secrets"
        for end in range(1, len(parts) + 1):
            if reason := self.left_outside.get("/".join(parts[:end])):
                return reason
            if end < len(parts) and "/".join(parts[:end]) in self.files:
                return "a path through a file"
        return ""

    def with_files(self, changed: Mapping[str, bytes | None]) -> Snapshot:
        """Return this with other contents; None stands for a file that is gone."""
        files = {path: data for path, data in {**self.files, **changed}.items() if data is not None}
        return replace(self, files=files)


def as_text(data: bytes | None) -> str | None:
    """Return bytes as text, None for what is binary."""
    if data is None or b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _prune(place: Path, folders: list[str], names: list[str], outside: dict[str, str], fd: int) -> None:
    """Take out of a listing what is not gone into."""
    for name in sorted(folders):
        path = (place / name).as_posix()
        if any(fnmatch(name, pattern) for pattern in (*IGNORED, *CACHES)):
            reason = ""
        elif stat.S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
            reason = "a link"
        elif _exists(f"{name}/.git", fd):
            reason = "another repository (a submodule)"
        elif len(place.parts) >= _DEEPEST:
            reason = f"more than {_DEEPEST} folders deep"
        else:
            continue
        folders.remove(name)
        if reason:
            outside[path] = reason
    folders.sort()
    names[:] = [name for name in names if name not in IGNORED]


def _exists(path: str, fd: int) -> bool:
    try:
        os.stat(path, dir_fd=fd, follow_symlinks=False)
    except OSError:
        return False
    return True


def _read(name: str, folder: int, largest: int) -> tuple[str, int, bytes]:
    """Return why a file stays outside, its mode and its bytes."""
    if any(fnmatch(name.lower(), pattern) for pattern in SECRETS):
        return "its name says that it holds secrets", 0, b""
    if any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in name):
        return "a name with strange characters", 0, b""
    kind = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    if not stat.S_ISREG(kind):
        return "a link" if stat.S_ISLNK(kind) else "no regular file", 0, b""
    try:
        # Not blocking: what was a file may be a pipe by now, which would wait for a writer.
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        return f"cannot be read: {error.strerror}", 0, b""
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        data = file.read(largest + 1) if status.st_size <= largest else b""
    if status.st_size > largest or len(data) > largest:
        return f"larger than {largest >> 10} KiB ({status.st_size / 1e6:.1f} MB)", 0, b""
    return "", status.st_mode, data
