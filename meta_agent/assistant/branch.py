"""Commits a proposal on a new branch; working tree, index and the branch that is checked out stay as they are."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from domains import DomainError
from domains.git import git
from meta_agent.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandboxes.snapshot import Snapshot


def commit_on_branch(
    folder: Path, branch: str, files: Mapping[str, bytes | None], base: Snapshot, message: str
) -> str:
    """Return the commit that changes these files of HEAD, on a new branch.

    Args:
        folder: a git repository, or a folder in one.
        branch: its name; there must be none of that name.
        files: contents by path from the folder, None for what is gone.
        base: what the change was made of; it must be what HEAD has there.
        message: of the commit.

    Raises:
        UserError: no repository, a branch that is there or may not be called so, changes that are not committed.
    """
    try:
        prefix = _line(folder, "rev-parse", "--show-prefix")
        git(folder, "check-ref-format", "--branch", branch)
        head = _line(folder, "rev-parse", "--verify", "HEAD^{commit}")
        # With the repository named, paths are from its top, wherever the folder lies in it.
        place = {"GIT_DIR": _line(folder, "rev-parse", "--absolute-git-dir")}
    except DomainError as error:
        raise UserError(f"cannot commit on {branch!r}: {error}") from None
    if git(folder, "branch", "--list", branch).strip():
        raise UserError(f"there is a branch {branch!r} already: name another one")
    for path in files:
        if _at(folder, head, prefix + path) != base.files.get(path):
            raise UserError(
                f"{path} has changes that are not committed: commit them, or apply without --branch"
            )
    with tempfile.TemporaryDirectory() as scratch:
        index = {**place, "GIT_INDEX_FILE": str(Path(scratch) / "index")}
        git(folder, "read-tree", head, more=index)
        for path, data in files.items():
            if data is None:
                git(folder, "update-index", "--force-remove", "--", prefix + path, more=index)
                continue
            digest = _line(folder, "hash-object", "-w", "--no-filters", "--stdin", stdin=data, more=place)
            mode = "100755" if path in base.executable else "100644"
            git(folder, "update-index", "--add", "--cacheinfo", f"{mode},{digest},{prefix}{path}", more=index)
        tree = _line(folder, "write-tree", more=index)
    commit = _line(
        folder,
        "commit-tree",
        tree,
        "-p",
        head,
        "-F",
        "-",
        stdin=message.encode(),
        more={**place, **_identity()},
    )
    git(folder, "update-ref", f"refs/heads/{branch}", commit, "", more=place)
    return commit


def _line(folder: Path, *arguments: str, stdin: bytes = b"", more: Mapping[str, str] | None = None) -> str:
    return git(folder, *arguments, stdin=stdin, more=more).decode().strip()


def _at(folder: Path, commit: str, path: str) -> bytes | None:
    try:
        return git(folder, "cat-file", "blob", f"{commit}:{path}")
    except DomainError:
        return None


def _identity() -> dict[str, str]:
    """Return who commits: as the user's own configuration says, which is not the repository's."""

    def told(name: str, default: str) -> str:
        done = subprocess.run(
            ["git", "config", "--global", "--get", name], cwd="/", capture_output=True, text=True, check=False
        )
        return done.stdout.strip() or default

    name, email = told("user.name", "adas"), told("user.email", "adas@localhost")
    return {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", name), ("EMAIL", email))
    }
