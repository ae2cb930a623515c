"""What of the machine a program may see: its interpreter, the standard library and shared libraries.

Found out in a process that was started like the programs' interpreter, without ``site``; run as a script, it
tells as JSON. Standard library only.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from pathlib import Path

DEVICES = ("null", "zero", "full", "random", "urandom")
"""Names below ``/dev`` that a program finds."""

_WITH_LIBRARIES = ("bz2", "ctypes", "dbm", "hashlib", "lzma", "readline", "sqlite3", "ssl", "uuid", "zlib")
_LOADERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")


def _library_folders() -> set[str]:
    """Return the folders from which the interpreter's shared libraries really come, found by loading them."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:  # in a child, so that this process stays small
        for name in _WITH_LIBRARIES:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        with os.fdopen(theirs, "wb") as out:
            out.write(Path("/proc/self/maps").read_bytes())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as file:
        lines = file.read().splitlines()
    os.waitpid(pid, 0)
    paths = [Path(line.split(maxsplit=5)[5]) for line in lines if "/" in line]
    return {str(path.parent) for path in paths if ".so" in path.name}


def readable(packages: str = "") -> tuple[list[str], list[str]]:
    """Return the paths a program may read, none inside another, and the folders in them that it may not.

    Installed packages are hidden, for a benchmark's answers may be among them, but for the folder ``packages``.
    """
    wanted = {str(Path(path).resolve()) for path in sys.path if Path(path).is_dir()}
    wanted |= {*_library_folders(), str(Path(sys.executable).resolve())}
    wanted |= {packages} if packages else set()
    wanted |= {path for path in ("/etc/ld.so.cache", "/usr/share/zoneinfo") if Path(path).exists()}
    roots = [path for path in sorted(wanted) if not any(path.startswith(other + "/") for other in wanted)]
    folders = {f"{path}/{name}" for path in wanted for name in ("site-packages", "dist-packages")}
    return roots, sorted(path for path in folders - {packages} if Path(path).is_dir())


def links() -> dict[str, str]:
    """Return the links, with their targets, by which a program finds what it may read."""
    found = {str(path): str(path.readlink()) for path in Path("/").iterdir() if path.is_symlink()}
    loaders = [path for path in map(Path, _LOADERS) if path.exists()]
    return found | {str(path.parent.resolve() / path.name): str(path.resolve()) for path in loaders}


if __name__ == "__main__":
    import json

    sys.stdout.write(json.dumps([*readable(sys.argv[1]), links()]))
