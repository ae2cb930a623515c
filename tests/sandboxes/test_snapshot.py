from __future__ import annotations

import os
import socket

import pytest

from sandboxes.snapshot import Snapshot, WorkspaceError


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "repository"
    (folder / "package").mkdir(parents=True)
    (folder / "package/a.py").write_text("x = 1\n")
    (folder / "run.sh").write_text("true\n")
    (folder / "run.sh").chmod(0o755)
    return folder


def test_plain_files_are_held(folder):
    snapshot = Snapshot.of(folder)
    assert dict(snapshot.files) == {"package/a.py": b"x = 1\n", "run.sh": b"true\n"}
    assert snapshot.executable == {"run.sh"}
    assert not snapshot.left_outside
    assert snapshot.text("package/a.py") == "x = 1\n"
    assert snapshot.text("nothing") is None
    changed = snapshot.with_files({"run.sh": None, "new": b"\xff"})
    assert dict(changed.files) == {"package/a.py": b"x = 1\n", "new": b"\xff"}
    assert changed.text("new") is None


def test_what_could_do_harm_stays_outside_and_is_named(folder, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("SECRET")
    (folder / "link").symlink_to(secret / "key")
    (folder / "folder-link").symlink_to(secret)
    (folder / "large").write_bytes(bytes(2 << 20))
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(folder)
        listening.bind("socket")
    for name in (".env", "id_rsa", "server.pem", ".npmrc"):
        (folder / name).write_text("SECRET")
    (folder / "vendored/.git").mkdir(parents=True)
    (folder / "vendored/code.py").write_text("SECRET")
    (folder / "module").mkdir()
    (folder / "module/.git").write_text("gitdir: ../../secret\n")
    (folder / "module/code.py").write_text("SECRET")
    deep = folder / "/".join(["d"] * 60)
    deep.mkdir(parents=True)
    (deep / "file").write_text("SECRET")
    for name in (".git", ".venv", "node_modules", "venv", "__pycache__", "x.egg-info"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "file").write_text("SECRET")
    (folder / "new\nline").write_text("SECRET")
    snapshot = Snapshot.of(folder)
    assert set(snapshot.files) == {"package/a.py", "run.sh"}
    deepest = "/".join(["d"] * 41)
    assert snapshot.left_outside == {
        ".env": "its name says that it holds secrets",
        ".npmrc": "its name says that it holds secrets",
        "id_rsa": "its name says that it holds secrets",
        "server.pem": "its name says that it holds secrets",
        "large": "larger than 1024 KiB (2.1 MB)",
        "link": "a link",
        "folder-link": "a link",
        "pipe": "no regular file",
        "socket": "no regular file",
        "vendored": "another repository (a submodule)",
        "module": "another repository (a submodule)",
        "new\nline": "a name with strange characters",
        deepest: "more than 40 folders deep",
    }


def test_too_much_is_told(folder):
    with pytest.raises(WorkspaceError, match="more than 1 files or 64 MiB"):
        Snapshot.of(folder, files=1)
    (folder / "large").write_bytes(bytes(1 << 20))
    with pytest.raises(WorkspaceError, match="0 MiB"):
        Snapshot.of(folder, mb=0)
    with pytest.raises(WorkspaceError, match="no folder"):
        Snapshot.of(folder / "nowhere")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("package/b.py", ""),
        ("new/deep/file", ""),
        ("link", "a link"),
        ("link/inside", "a link"),
        ("vendored/code.py", "another repository (a submodule)"),
        (".venv/bin/python", "a path that is ignored"),
        ("a/.git/hooks/x", "a path that is ignored"),
        ("a/.env", "its name says that it holds secrets"),
        ("run.sh/file", "a path through a file"),
    ],
)
def test_what_a_program_may_write(folder, path, reason):
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "vendored/.git").mkdir(parents=True)
    assert Snapshot.of(folder).keeps_out(path) == reason
