"""The side of a workspace that is in the sandbox: lays the files out, runs the program, tells what changed.

Loaded there as the kit of a session, so it is as little trusted as the program: the host checks every word.
Standard library only.
"""

# ruff: noqa: S102
# It runs untrusted code, inside the jail.

from __future__ import annotations

import base64
import hashlib
import linecache
import os
import stat
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Call = Callable[[dict[str, Any]], dict[str, Any]]

_PIECE = 512 << 10
"""Bytes of a file in one message."""


def build(task: dict[str, Any], call: Call) -> tuple[dict[str, Any], Callable[[], Any]]:
    """Return the task and what to call to run the program in its workspace."""
    return task, lambda: _run(task, call)


def _run(task: dict[str, Any], call: Call) -> Any:
    place = Path("work").absolute()
    place.mkdir()
    os.chdir(place)
    sys.path.insert(0, str(place))
    before = {path: (digest, mode) for path, digest, mode in _lay_out(call)}
    try:
        return _program(task, call)
    finally:
        os.chdir(place)
        if task["collect"]:
            _tell(place, before, call)


def _lay_out(call: Call) -> Iterator[tuple[str, bytes, int]]:
    """Write the files that the host sends, piece by piece."""
    while "path" in (piece := call({"workspace": {"next": True}})):
        path = Path(piece["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with path.open("wb") as file:
            while True:
                data = base64.b64decode(piece["data"])
                file.write(data)
                digest.update(data)
                if piece["last"]:
                    break
                piece = call({"workspace": {"next": True}})
        path.chmod(piece["mode"])
        yield piece["path"], digest.digest(), piece["mode"]


def _program(task: dict[str, Any], call: Call) -> Any:
    if "kit" in task:
        inner, kit = _module("kit", task["kit"])["build"](task["task"], call)
        return _module("program", task["code"])["forward"](inner, kit)
    if task["entry"] is None:
        try:
            _module("__main__", task["code"])
        except SystemExit as error:
            if error.code not in (None, 0):
                raise
        return None
    return _module("program", task["code"])[task["entry"]](*task["args"])


def _module(name: str, source: str) -> dict[str, Any]:
    module = types.ModuleType(name)
    sys.modules[name] = module
    filename = "<kit>" if name == "kit" else "<program>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(compile(source, filename, "exec", dont_inherit=True), module.__dict__)
    return module.__dict__


def _tell(place: Path, before: dict[str, tuple[bytes, int]], call: Call) -> None:
    """Send the regular files that are new or changed, and name those that are gone."""
    found = set()
    for folder, _, names in os.walk(place):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), place)  # noqa: PTH118
            status = os.lstat(path)
            if not stat.S_ISREG(status.st_mode):
                call({"workspace": {"special": path}})
                continue
            found.add(path)
            mode = stat.S_IMODE(status.st_mode)
            with open(path, "rb") as file:  # noqa: PTH123
                if before.get(path) == (hashlib.file_digest(file, "sha256").digest(), mode):
                    continue
                file.seek(0)
                first = True
                while (data := file.read(_PIECE)) or first:
                    text = base64.b64encode(data).decode()
                    call({"workspace": {"path": path, "mode": mode, "first": first, "data": text}})
                    first = False
    for path in set(before) - found:
        call({"workspace": {"gone": path}})
