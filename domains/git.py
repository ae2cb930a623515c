"""Reads commits of git repositories, and writes them, without letting a repository do anything.

A repository's configuration can name programs: hooks, filters, monitors, helpers. So git is asked for objects only,
with hooks and monitors switched off, no configuration but the repository's own, and no way to a network.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from domains.domain import DomainError
from sandboxes.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SWITCHES = (
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.sshCommand=false",
    "-c", "core.pager=cat", "-c", "protocol.allow=never", "-c", "gc.auto=0", "--no-pager", "--no-replace-objects",
)  # fmt: skip
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}
_TIMEOUT_S = 120
_LARGEST = 4 << 20
"""Bytes of a file that is read."""


def git(folder: Path, *arguments: str, stdin: bytes = b"", more: Mapping[str, str] | None = None) -> bytes:
    """Return what a git command says.

    Raises:
        DomainError: git is not there, or says no; its last words are in the text.
    """
    environment = {"PATH": os.environ.get("PATH", os.defpath), **_ENVIRONMENT, **(more or {})}
    command = ["git", "-C", str(folder), "-c", f"safe.directory={folder.resolve()}", *_SWITCHES, *arguments]
    try:
        done = subprocess.run(
            command, input=stdin, env=environment, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise DomainError("git is not installed, and this needs it") from None
    except subprocess.TimeoutExpired:
        raise DomainError(f"git {arguments[0]} in {folder} takes more than {_TIMEOUT_S} s") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise DomainError(f"git {arguments[0]} in {folder}: {said[-1] if said else 'it failed'}")
    return done.stdout


def read_commit(folder: Path, commit: str) -> Snapshot:
    """Return the files of a commit; links, submodules and very large files stay outside.

    Raises:
        DomainError: there is no such repository or commit.
    """
    if commit.startswith("-"):
        raise DomainError(f"{commit!r} is no commit")
    listing = git(folder, "ls-tree", "-r", "-z", "-l", "--full-tree", f"{commit}^{{commit}}")
    wanted: list[tuple[str, str]] = []
    executable, outside = set(), {}
    for entry in filter(None, listing.split(b"\0")):
        head, _, raw = entry.partition(b"\t")
        mode, _, digest, size = head.decode().split()
        path = raw.decode("utf-8", "surrogateescape")
        if mode not in ("100644", "100755"):
            outside[path] = "a link" if mode == "120000" else "another repository (a submodule)"
        elif int(size) > _LARGEST:
            outside[path] = f"larger than {_LARGEST >> 20} MiB"
        else:
            wanted.append((path, digest))
            if mode == "100755":
                executable.add(path)
    return Snapshot(_contents(folder, wanted), frozenset(executable), outside)


def _contents(folder: Path, wanted: list[tuple[str, str]]) -> dict[str, bytes]:
    told = git(folder, "cat-file", "--batch", stdin="".join(f"{digest}\n" for _, digest in wanted).encode())
    files, at = {}, 0
    for path, digest in wanted:
        end = told.index(b"\n", at)
        found, kind, size = told[at:end].decode().split()
        assert (found, kind) == (digest, "blob")
        files[path] = told[end + 1 : end + 1 + int(size)]
        at = end + 2 + int(size)
    return files
