from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

import pytest

from sandboxes import Limits, ProcessSandbox, SandboxUnavailableError
from sandboxes.bwrap import BwrapSandbox
from sandboxes.workspace import Changes, Workspace, WorkspaceError

HOSTILE = Path(__file__).with_name("hostile")
CANARY = "SBXCANARY-0a1b2c"


@pytest.fixture(scope="module", params=["process", "bwrap"])
def sandbox(request):
    if request.param == "bwrap" and not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed")
    with ProcessSandbox(level="L2") if request.param == "process" else BwrapSandbox() as sandbox:
        yield sandbox


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "repository"
    (folder / "package").mkdir(parents=True)
    (folder / "package/__init__.py").write_text("VALUE = 41\n")
    (folder / "tool.sh").write_text("#!/bin/sh\n")
    (folder / "tool.sh").chmod(0o755)
    (folder / "large.bin").write_bytes(bytes(range(256)) * 5000)
    (folder / "empty").touch()
    (folder / ".git").mkdir()
    (folder / ".git/config").write_text("[core]\n")
    (folder / "link").symlink_to("/etc/passwd")
    return folder


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return {str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes()) for path in files}


def test_a_program_works_on_a_copy(sandbox, folder):
    before = snapshot(folder)
    code = """
import os, hashlib
import package
def f(n):
    package_value = package.VALUE + n
    with open("package/__init__.py", "w") as file: file.write(f"VALUE = {package_value}\\n")
    os.makedirs("new/deep")
    with open("new/deep/file.txt", "w") as file: file.write("hello")
    os.remove("empty")
    seen = sorted(os.path.join(top, name)[2:] for top, _, names in os.walk(".") for name in names if ".pyc" not in name)
    return [package_value, seen, hashlib.sha256(open("large.bin", "rb").read()).hexdigest(), os.stat("tool.sh").st_mode & 0o111]
"""
    outcome, changes = Workspace(folder).run(sandbox, code, entry="f", args=[1])
    digest = hashlib.sha256((folder / "large.bin").read_bytes()).hexdigest()
    files = ["large.bin", "new/deep/file.txt", "package/__init__.py", "tool.sh"]
    assert outcome.value == [42, files, digest, 0o111], outcome
    assert changes == Changes(
        written={"package/__init__.py": b"VALUE = 42\n", "new/deep/file.txt": b"hello"},
        deleted={"empty"},
        refused={
            f"package/__pycache__/__init__.{sys.implementation.cache_tag}.pyc": "a path that is ignored"
        },
    )
    assert snapshot(folder) == before


def test_changes_are_applied_elsewhere(sandbox, folder, tmp_path):
    code = "open('tool.sh', 'a').write('true')\nimport os; os.remove('large.bin'); os.mkdir('a'); open('a/b', 'w').write('c')"
    outcome, changes = Workspace(folder).run(sandbox, code)
    assert outcome.ok, outcome
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, symlinks=True)
    changes.apply(copy)
    assert (copy / "tool.sh").read_text() == "#!/bin/sh\ntrue"
    assert os.access(copy / "tool.sh", os.X_OK)
    assert (copy / "a/b").read_text() == "c"
    assert not (copy / "large.bin").exists()
    assert (folder / "large.bin").exists()


def test_a_folder_only_to_be_read(sandbox, folder):
    outcome, changes = Workspace(folder).run(sandbox, "open('new', 'w').write('x')", collect=False)
    assert outcome.ok
    assert changes == Changes()


def test_an_agent_works_in_a_workspace(sandbox, folder):
    program = """
def forward(task, kit):
    text = open("package/__init__.py").read()
    open("package/__init__.py", "w").write(kit({"ask": text})["answer"])
    return task["name"]
"""
    kit = "def build(task, call): return task, call"
    outcome, changes = Workspace(folder).session(
        sandbox, program, {"name": "n"}, lambda request: {"answer": request["ask"] + "OTHER = 1\n"}, kit=kit
    )
    assert outcome.value == "n", outcome
    assert changes.written == {"package/__init__.py": b"VALUE = 41\nOTHER = 1\n"}
    broken, _ = Workspace(folder).session(
        sandbox, "def forward(task, kit):\n    1 / 0", {}, lambda r: {}, kit=kit
    )
    assert 'File "<program>", line 2, in forward' in broken.error


def test_a_stopped_program_brings_no_changes(sandbox, folder):
    code = "open('new', 'w').write('x')\nwhile True: pass"
    outcome, changes = Workspace(folder).run(sandbox, code, limits=Limits(wall_s=1))
    assert outcome.killed_by == "wall"
    assert changes == Changes()


@pytest.mark.parametrize("name", ["25_symlink_collect", "103_zip_slip"])
def test_hostile_results(sandbox, folder, name, tmp_path):
    canary = Path("/tmp/adas_canary.txt")  # where the program looks
    canary.write_text(CANARY)
    try:
        source = (HOSTILE / f"{name}.py").read_text()
        outcome, changes = Workspace(folder).run(sandbox, source)
    finally:
        canary.unlink()
    assert "ESCAPED" not in outcome.stdout + (outcome.error or "")
    assert CANARY.encode() not in b"".join(changes.written.values())
    assert b"root:" not in b"".join(changes.written.values())
    if name == "25_symlink_collect":
        assert not changes.written
        assert {"result.txt", "out.json", "log.txt"} <= set(changes.refused)
    else:
        assert set(changes.written) == {"out.zip", "out.tar"}
    target = tmp_path / "target"
    target.mkdir()
    changes.apply(target)
    assert {path.name for path in target.iterdir()} == set(changes.written)
    assert not Path("/tmp/adas_pwned").exists()


def test_lies_about_paths_are_refused(sandbox, folder):
    paths = ["/etc/evil", "../evil", "a/../../evil", "a//b", "./a", "", ".", "..", ".git/config", "a/.GIT/hooks/x", ".git./x",
             "a\\..\\b", "a\nb", "\ud800", "x" * 2000, 7, None, ["a"]]  # fmt: skip
    code = f"""
import base64, json, os, struct
fd = int(os.environ["ADAS_BROKER_FD"])
def say(word):
    body = json.dumps({{"workspace": word}}).encode()
    os.write(fd, struct.pack("<I", len(body)) + body)
    (size,) = struct.unpack("<I", os.read(fd, 4))
    assert json.loads(os.read(fd, size)) == {{}}
for path in {paths!r}:
    say({{"path": path, "mode": 0o777, "first": True, "data": "eA=="}})
    say({{"gone": path}})
say({{"path": "fine", "mode": "x", "first": 1, "data": "eA=="}})
say({{"path": "bad", "data": "***"}})
say({{"path": "none"}})
say({{"strange": 1}})
"""
    outcome, changes = Workspace(folder).run(sandbox, code)
    assert outcome.ok, outcome
    assert changes.written == {"fine": b"x"}
    assert changes.deleted == set()
    assert {"bad", "none", "/etc/evil", ".git/config"} <= set(changes.refused)


def test_what_comes_back_is_bounded(sandbox, folder):
    many, changes = Workspace(folder, files=10).run(
        sandbox, "for i in range(50): open(f'f{i}', 'w').close()", limits=Limits(file_mb=8)
    )
    assert many.ok
    assert len(changes.written) == 10
    assert set(changes.refused.values()) == {"more than 10 files"}
    code = "open('small', 'w').write('s')\nopen('zz', 'wb').write(bytes(7 << 20))"
    much, changes = Workspace(folder, mb=4).run(sandbox, code, limits=Limits(file_mb=8))
    assert much.ok
    assert sum(map(len, changes.written.values())) < 4 << 20
    assert changes.refused["zz"] == "more than 4 MiB"
    full, _ = Workspace(folder).run(
        sandbox, "open('x', 'wb').write(bytes(64 << 20))", limits=Limits(file_mb=8)
    )
    assert not full.ok


def test_what_goes_in_is_bounded(folder):
    with pytest.raises(WorkspaceError, match="more than 2 files or 64 MiB"):
        list(Workspace(folder, files=2).contents())
    with pytest.raises(WorkspaceError, match="or 1 MiB"):
        list(Workspace(folder, mb=1).contents())
    with pytest.raises(WorkspaceError, match="no folder"):
        list(Workspace(folder / "nowhere").contents())
    os.mkfifo(folder / "pipe")
    paths = [path for path, _, _ in Workspace(folder).contents()]
    assert paths == ["empty", "large.bin", "tool.sh", "package/__init__.py"]


def test_nothing_is_written_through_a_link(tmp_path):
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "file").write_text("old")
    (inside / "folder").symlink_to(outside)
    (inside / "file").symlink_to(outside / "file")
    with pytest.raises(OSError, match="folder"):
        Changes(written={"folder/file": b"new"}).apply(inside)
    with pytest.raises(OSError, match="folder"):
        Changes(deleted={"folder/file"}).apply(inside)
    Changes(written={"file": b"new"}).apply(inside)
    assert (inside / "file").read_text() == "new"
    assert not (inside / "file").is_symlink()
    assert (outside / "file").read_text() == "old"
    assert [path.name for path in outside.iterdir()] == ["file"]


def test_a_level_without_a_folder_refuses(folder):
    with ProcessSandbox(level="L1") as sandbox, pytest.raises(SandboxUnavailableError, match="L1"):
        Workspace(folder).run(sandbox, "")
