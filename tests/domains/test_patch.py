from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.patch import PatchError, apply_patch, make_patch, touched

if TYPE_CHECKING:
    from pathlib import Path

BEFORE = "".join(f"line {n}\n" for n in range(30))
texts = st.none() | st.lists(
    st.sampled_from(["a", "b\n", "\r\n", "\x0c\n", "\u2028", "c\n", "\n"]), max_size=12
).map("".join)
trees = st.fixed_dictionaries({"f": texts, "dir/g": texts})


@given(before=trees, after=trees)
def test_what_is_made_can_be_applied(before: dict[str, str | None], after: dict[str, str | None]) -> None:
    patch = make_patch(before, after)
    if before == after:
        assert patch == ""
        return
    assert {**before, **apply_patch(patch, before)} == after
    assert touched(patch) == {path for path in before if before[path] != after[path]}


def test_git_agrees(tmp_path: Path) -> None:
    after = BEFORE.replace("line 3\n", "").replace("line 20\n", "new\nlines\n").rstrip("\n")
    patch = make_patch({"f.txt": BEFORE, "old": "x\n"}, {"f.txt": after, "old": None, "new/file": "y"})
    (tmp_path / "f.txt").write_text(BEFORE)
    (tmp_path / "old").write_text("x\n")
    subprocess.run(["git", "apply", "-"], input=patch, text=True, cwd=tmp_path, check=True)
    assert (tmp_path / "f.txt").read_text() == after
    assert (tmp_path / "new/file").read_text() == "y"
    assert not (tmp_path / "old").exists()


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def test_what_git_writes_is_understood(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    for name in ("changed", "moved", "gone"):
        (tmp_path / name).write_text(f"{name}\n{BEFORE}")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "x")
    (tmp_path / "changed").write_text(BEFORE.replace("line 7\n", "seven\n"))
    (tmp_path / "gone").unlink()
    git(tmp_path, "mv", "moved", "arrived")
    (tmp_path / "empty").touch()
    git(tmp_path, "add", ".")
    patch = git(tmp_path, "diff", "--cached", "-M")
    assert "rename to arrived" in patch
    files = {name: f"{name}\n{BEFORE}" for name in ("changed", "moved", "gone")}
    assert apply_patch(patch, files) == {
        "changed": BEFORE.replace("line 7\n", "seven\n"),
        "gone": None,
        "moved": None,
        "arrived": f"moved\n{BEFORE}",
        "empty": "",
    }


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ("Fixed it.", "no patch"),
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", "no such text file"),
        ("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-other\n+b\n", "not those that the patch expects"),
        ("--- a/f\n+++ b/f\n@@ -2 +2 @@\n-line 0\n+b\n", "from 2 on"),
        ("--- a/f\n+++ b/f\n@@ -1,2 +1 @@\n-line 0\n+b\n", "other lines than its head says"),
        ("--- a/f\n+++ b/f\n@@ nonsense @@\n", "expected a line"),
        ("--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+b\n", "is there already"),
        ("--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-line 0\n", "not all of its lines"),
        ("diff --git a/f b/f\nindex 1..2\nGIT binary patch\n", "binary"),
        ("x" * 1_000_001, "at most"),
    ],
)
def test_what_does_not_fit_is_refused(patch: str, words: str) -> None:
    with pytest.raises(PatchError, match=words):
        apply_patch(patch, {"f": BEFORE})
