"""Runs a module of the tests as a user without any right, in a Python that this user can read."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

NOBODY = 65534
_ROOT = Path(__file__).parents[2]
_NOT_NEEDED = shutil.ignore_patterns(
    "site-packages", "test", "tests", "config-*", "idlelib", "ensurepip", "tkinter", "lib2to3"
)


def _as_nobody(command: list[str], folder: str, seconds: float, **more) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, user=NOBODY, group=NOBODY, extra_groups=[], cwd=folder,
        capture_output=True, text=True, timeout=seconds, check=False, **more,
    )  # fmt: skip


def _runs(python: Path) -> bool:
    try:
        return _as_nobody([str(python), "-S", "-c", "import ctypes, decimal"], "/", 60).returncode == 0
    except PermissionError:
        return False


def _copied(folder: Path) -> Path:
    """Copy this interpreter and its standard library, as far as they are needed."""
    name = f"python{sysconfig.get_python_version()}"
    for part in ("bin", "lib"):
        (folder / part).mkdir(parents=True)
    shutil.copytree(sysconfig.get_path("stdlib"), folder / "lib" / name, ignore=_NOT_NEEDED)
    program = Path(sys.executable).resolve().read_bytes()
    if sysconfig.get_config_var("Py_ENABLE_SHARED"):
        libraries = Path(sysconfig.get_config_var("LIBDIR"))
        shutil.copy(libraries / sysconfig.get_config_var("INSTSONAME"), folder / "lib")
        old = str(libraries).encode()
        program = program.replace(old, b"$ORIGIN/../lib".ljust(len(old), b"\0"))
    python = folder / "bin" / name
    python.write_bytes(program)
    python.chmod(0o755)
    return python


def run_as_nobody(
    module: str, *arguments: str, env: dict[str, str] | None = None, seconds: float = 110, copy: bool = False
) -> subprocess.CompletedProcess[str] | None:
    """Run ``tests.sandboxes.<module>`` as user 65534; None when no interpreter can be had for it.

    Where this interpreter lies in a folder that the user cannot enter, a copy is made in a temporary one.

    Args:
        module: Module of this folder, with everything it needs in this folder or in ``sandboxes``.
        arguments: Its command line.
        env: Its environment.
        seconds: After which it is given up.
        copy: Whether to copy the interpreter in any case.

    """
    with tempfile.TemporaryDirectory(prefix="nobody-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(_ROOT / "sandboxes", folder / "sandboxes", ignore=ignored)
        shutil.copytree(_ROOT / "tests" / "sandboxes", folder / "tests" / "sandboxes", ignore=ignored)
        python = Path(sys.executable).resolve()
        if copy or not _runs(python):
            python = _copied(folder / "python")
            if not _runs(python):
                return None
        command = [str(python), "-B", "-m", f"tests.sandboxes.{module}", *arguments]
        return _as_nobody(command, name, seconds, env=env or {})
