"""The fork server: a small process that builds a jail once and forks each program into it.

It is started by exec with an environment of our own making, so nothing of the host's memory is in it,
imports what programs commonly use, shuts itself in, and then only forks: a run costs a fork, not the start
of an interpreter. It runs no untrusted code and reads nothing from untrusted processes; a program's words go
straight to the host.

Started as ``main(control, level)`` by :mod:`sandboxes.process`. Messages on the control socket are one JSON
object ``{"role", "limits"}`` each, with descriptors: the report socket, then what becomes 3 (the wire), 0
(standard input), 1 and 2 (output) and, where there is one, 4 (the peer). On the report socket it answers
``{"started"}`` and, at the end, ``{"status", "cpu_s", "peak_mb"}``, or ``{"fault"}``. A report socket that
the host closes kills the program.

Standard library and our own guest files only.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import json
import math
import os
import resource
import selectors
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from sandboxes import guest, kernel

_PRELOADED = [
    "abc", "ast", "asyncio", "base64", "bisect", "builtins", "cmath", "collections", "collections.abc",
    "contextlib", "copy", "csv", "dataclasses", "datetime", "decimal", "difflib", "enum", "fractions",
    "functools", "graphlib", "hashlib", "heapq", "inspect", "io", "itertools", "json", "keyword",
    "linecache", "math", "numbers", "operator", "os", "pathlib", "queue", "random", "re", "statistics",
    "string", "struct", "sys", "tempfile", "textwrap", "threading", "time", "timeit", "traceback",
    "types", "typing", "unicodedata", "unittest", "urllib.parse", "uuid", "warnings", "zlib",
]  # fmt: skip
_WITH_LIBRARIES = ("bz2", "ctypes", "dbm", "hashlib", "lzma", "readline", "sqlite3", "ssl", "uuid", "zlib")
_DEVICES = ("null", "zero", "full", "random", "urandom")
_LOADERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")

_JAIL_UID = 64_937
"""Whom root becomes: a number that no package or user is given, and below 65536 for containers."""
_INSIDE = 1000
"""What user and group are called in a jail."""
_BOX = "/box"
_THREADS = 64
"""Threads of a program that may start no process."""
_SHARED_USER_TASKS = 4096
"""At L1 the kernel counts all of the user's processes and threads together: only a flood can be stopped."""
_INODES = 4096
_DESCRIPTORS = 64


class Jail:
    """What the fork server prepared once; :meth:`close_in` is the part that each program's process does."""

    def __init__(self, level: str) -> None:
        """Enter the namespaces of a level; raises :class:`OSError` when the kernel refuses a part of it."""
        self.level = level
        self._proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._abi = kernel.landlock_abi()
        roots, hidden = _roots()
        self._landlock: kernel.Landlock | None = None
        _volunteer_for_oom()
        if level == "L2":
            self._need_landlock(1)
            _new_namespaces(self._proc, roots, hidden)
        elif level == "L1":
            self._need_landlock(3)
            _leave_root(roots)
            self._landlock = _reading_only(self._abi, roots, hidden)
        if level != "L0":
            kernel.no_new_privileges()
            inside = level == "L2"
            self._filters = {
                processes: kernel.system_call_filter(
                    processes=processes, changes=inside, signals=inside or self._abi >= 6
                )
                for processes in (False, True)
            }
        self._pid, self._pidfd, self._size = 0, -1, 0

    def _need_landlock(self, least: int) -> None:
        if self._abi < least:
            raise OSError(f"Landlock version {least} is needed, the kernel has {self._abi or 'none'}")

    def settle(self) -> None:
        """Note what the process that forks looks like, once it is the one."""
        self._pid = os.getpid()
        with _open_at(self._proc, "self/statm") as file:
            self._size = int(file.read().split()[0]) * resource.getpagesize()
        if self.level == "L2":
            self._pidfd = os.pidfd_open(self._pid)

    def fork(self) -> int:
        """Fork a process, at L2 the first of a pid namespace of its own: with it end all its children."""
        if self.level != "L2":
            return os.fork()
        kernel.unshare(kernel.NEWPID)
        try:
            pid = os.fork()
        except OSError:
            kernel.enter(self._pidfd, kernel.NEWPID)
            raise
        if pid:
            kernel.enter(self._pidfd, kernel.NEWPID)
        return pid

    def close_in(self, limits: dict[str, Any], fds: list[int]) -> None:
        """Put this process into the jail for good, with ``fds`` as its descriptors 3, 0, 1 (and 2), 4.

        Args:
            limits: The fields of :class:`sandboxes.Limits`.
            fds: Wire, standard input, output, and a peer if there is one.

        """
        if self.level == "L2":
            kernel.unshare(kernel.NEWUSER | kernel.NEWNS)
            kernel.map_user(self._proc, _INSIDE, _INSIDE, _INSIDE)
            kernel.mount_tmpfs(_BOX, f"size={max(1, limits['file_mb'])}m,nr_inodes={_INODES},mode=700")
            os.chdir(_BOX)
        kernel.die_with_parent()
        if self.level != "L2" and os.getppid() != self._pid:  # it had died before
            os._exit(1)
        if self.level == "L2":
            self._landlock = kernel.Landlock(self._abi)
            self._landlock.allow_reading("/")
            self._landlock.allow_writing(_BOX)
            for name in _DEVICES:
                self._landlock.allow_device(f"/dev/{name}")
        if self._landlock:
            self._landlock.enforce()
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100) for fd in fds]
        for fd, places in zip(high, ((3,), (0,), (1, 2), (4,)), strict=False):
            for place in places:
                os.dup2(fd, place, inheritable=place < 3)
        kernel.close_from(3 + (1 if len(fds) < 4 else 2))
        _limit(limits, self._size, _tasks(limits, self.level))
        if self.level == "L2":
            kernel.set_capabilities(())
        if self.level != "L0":
            kernel.install_filter(self._filters[limits["processes"] > 0])


def _open_at(folder: int, path: str) -> Any:
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder))


def _volunteer_for_oom() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("800")


# -- what of the machine a program can see ----------------------------------------------------------


def _library_folders() -> set[str]:
    """Return the folders from which the interpreter's shared libraries really come, found by loading them."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:  # in a child, so that the fork server stays small
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


def _roots() -> tuple[list[str], list[str]]:
    """Return the paths a program may read, none inside another, and the folders in them that it may not.

    Installed packages are hidden: a benchmark's answers may be among them.
    """
    wanted = {str(Path(path).resolve()) for path in sys.path if Path(path).is_dir()}
    wanted |= {*_library_folders(), str(Path(sys.executable).resolve())}
    wanted |= {path for path in ("/etc/ld.so.cache", "/usr/share/zoneinfo") if Path(path).exists()}
    roots = [path for path in sorted(wanted) if not any(path.startswith(other + "/") for other in wanted)]
    folders = {f"{path}/{name}" for path in wanted for name in ("site-packages", "dist-packages")}
    return roots, sorted(path for path in folders if Path(path).is_dir())


def _build_root(roots: list[str], hidden: list[str]) -> None:
    """Make a root with nothing but ``roots`` (read-only), five devices and an empty box, and move into it."""
    paths = [*roots, *(f"/dev/{name}" for name in _DEVICES)]
    trees = {path: kernel.take_tree(path) for path in paths}
    folders = {path for path in paths if Path(path).is_dir()}
    links = {path: path.readlink() for path in Path("/").iterdir() if path.is_symlink()}
    links |= {
        path.parent.resolve() / path.name: path.resolve() for path in map(Path, _LOADERS) if path.exists()
    }
    new = "/dev"  # any folder will do
    kernel.mount_tmpfs(new, "size=1m,mode=755")
    for path, tree in trees.items():
        place = Path(new + path)
        (place if path in folders else place.parent).mkdir(parents=True, exist_ok=True)
        if path not in folders:
            place.touch()
        kernel.place_tree(tree, new + path)
    for path in hidden:
        kernel.mount_tmpfs(new + path, "size=4k,mode=755")
        kernel.make_read_only(new + path)
    Path(new + _BOX).mkdir()
    kernel.change_root(new)
    for link, target in links.items():
        with contextlib.suppress(OSError):  # it may be there already
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
    kernel.make_read_only("/")


def _new_namespaces(proc: int, roots: list[str], hidden: list[str]) -> None:
    others = kernel.NEWPID | kernel.NEWNET | kernel.NEWIPC | kernel.NEWUTS
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0 and _maps(proc, _JAIL_UID):
        # Only root can reach an interpreter that lies in root's home: the mounts come before the farewell.
        kernel.unshare(kernel.NEWNS)
        kernel.make_mounts_private()
        _build_root(roots, hidden)
        kernel.become(_JAIL_UID)
        kernel.unshare(kernel.NEWUSER | kernel.NEWNS | others)
        kernel.map_user(proc, _INSIDE, _JAIL_UID, _JAIL_UID)
    else:
        kernel.unshare(kernel.NEWUSER | kernel.NEWNS | others)
        kernel.map_user(proc, _INSIDE, uid, gid)
        kernel.make_mounts_private()
        _build_root(roots, hidden)
    kernel.set_hostname("sandbox")


def _maps(proc: int, uid: int) -> bool:
    """Return whether a user id exists in this user namespace (a rootless container may have only a few)."""
    with _open_at(proc, "self/uid_map") as file:
        ranges = [tuple(map(int, line.split())) for line in file]
    return any(first <= uid < first + count for first, _, count in ranges)


def _leave_root(roots: list[str]) -> None:
    if os.geteuid() != 0:
        return
    out_of_reach = any(not _readable_by_all(path) for path in roots)
    # Landlock still holds such a process to the roots; without it root's own interpreter could not be read.
    kernel.become(_JAIL_UID, keep=kernel.CAP_DAC_READ_SEARCH if out_of_reach else None)


def _readable_by_all(path: str) -> bool:
    top = Path(path)
    return all(each.stat().st_mode & (0o001 if each.is_dir() else 0o004) for each in (top, *top.parents))


def _reading_only(abi: int, roots: list[str], hidden: list[str]) -> kernel.Landlock:
    rules = kernel.Landlock(abi)
    for root in roots:
        for path in _without(root, hidden):
            rules.allow_reading(path)
    for name in _DEVICES:
        rules.allow_device(f"/dev/{name}")
    return rules


def _without(path: str, hidden: list[str]) -> list[str]:
    """Return paths that together are ``path`` without the hidden folders; Landlock can only add."""
    if path in hidden:
        return []
    if not any(other.startswith(path + "/") for other in hidden):
        return [path]
    return [part for inner in Path(path).iterdir() for part in _without(str(inner), hidden)]


# -- limits -----------------------------------------------------------------------------------------


def _tasks(limits: dict[str, Any], level: str) -> int:
    if level != "L2":
        return _SHARED_USER_TASKS
    return 1 + (limits["processes"] or _THREADS)


def _limit(limits: dict[str, Any], size: int, tasks: int) -> None:
    mib = 1 << 20
    for name, value in (
        ("AS", size + limits["memory_mb"] * mib),
        ("CPU", max(1, math.ceil(limits["cpu_s"]))),
        ("FSIZE", max(1, limits["file_mb"]) * mib),
        ("NOFILE", _DESCRIPTORS),
        ("STACK", 64 * mib),
        ("NPROC", tasks),
        ("CORE", 0),
        ("MEMLOCK", 0),
        ("MSGQUEUE", 0),
        ("SIGPENDING", 256),
    ):
        number = getattr(resource, f"RLIMIT_{name}", None)
        if number is None:
            number = {"SIGPENDING": 11, "MSGQUEUE": 12}[name]
        hard = resource.getrlimit(number)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)  # noqa: PLW2901
        resource.setrlimit(number, (value, value))


# -- the server -------------------------------------------------------------------------------------


class _Program:
    """A forked process and the socket on which the host is told about it."""

    def __init__(self, pid: int, report: socket.socket) -> None:
        self.pid = pid
        self.report = report
        self.pidfd = os.pidfd_open(pid)


class Server:
    """Forks on request until the host has gone."""

    def __init__(self, control: socket.socket, jail: Jail) -> None:
        self._control = control
        self._jail = jail
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)

    def serve(self) -> None:
        """Answer requests; returns when the control socket is closed."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._control:
                    data, fds, _, _ = socket.recv_fds(self._control, 1 << 16, 8)
                    if not data:
                        return
                    self._start(json.loads(data), fds)
                elif key.fileobj is key.data.report:
                    self._kill(key.data)
                else:
                    self._end(key.data)

    def _start(self, request: dict[str, Any], fds: list[int]) -> None:
        report = socket.socket(fileno=fds[0])
        started = time.monotonic()
        try:
            pid = self._jail.fork()
        except OSError as error:
            _tell(report, {"fault": f"fork: {error}"})
            report.close()
        else:
            if pid == 0:
                self._become_program(request, report, fds[1:])
            program = _Program(pid, report)
            self._selector.register(report, selectors.EVENT_READ, program)
            self._selector.register(program.pidfd, selectors.EVENT_READ, program)
            _tell(report, {"started": started})
        for fd in fds[1:]:
            os.close(fd)

    def _become_program(self, request: dict[str, Any], report: socket.socket, fds: list[int]) -> None:
        try:
            try:
                self._jail.close_in(request["limits"], fds)
            except (OSError, ValueError) as error:
                _tell(report, {"fault": f"closing the jail: {error}"})
                os._exit(1)
            report.detach()
            gc.enable()
            guest.serve(request["role"], box=_BOX if self._jail.level == "L2" else "/")
        finally:
            os._exit(1)

    def _kill(self, program: _Program) -> None:
        if program.report.fileno() >= 0:  # it may have ended in the same moment
            self._selector.unregister(program.report)
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(program.pidfd, signal.SIGKILL)

    def _end(self, program: _Program) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(program.report)
        self._selector.unregister(program.pidfd)
        _, status, usage = os.wait4(program.pid, 0)
        _tell(
            program.report,
            {
                "status": os.waitstatus_to_exitcode(status),
                "cpu_s": usage.ru_utime + usage.ru_stime,
                "peak_mb": usage.ru_maxrss / 1024,
            },
        )
        program.report.close()
        os.close(program.pidfd)


def _tell(report: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # the host no longer listens
        report.send(json.dumps(message).encode(), socket.MSG_DONTWAIT)


def main(control: int, level: str) -> None:
    """Shut this process in at ``level``, say so on the control socket, and serve."""
    channel = socket.socket(fileno=control)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.umask(0o022)
    for name in _PRELOADED:
        importlib.import_module(name)
    try:
        jail = Jail(level)
        if level == "L2":
            pid = os.fork()
            if pid:  # stays behind, as the parent of the first process of the pid namespace
                channel.close()
                os.waitpid(pid, 0)
                os._exit(0)
            kernel.die_with_parent()
        jail.settle()
    except (OSError, ValueError) as error:
        _tell(channel, {"error": str(error)})
        return
    for module in [name for name in sys.modules if name.partition(".")[0] == "sandboxes"]:
        del sys.modules[module]
    kernel.share_one_heap()
    gc.collect()
    gc.disable()
    gc.freeze()
    _tell(channel, {"level": level})
    Server(channel, jail).serve()
    os._exit(0)
