"""The fork server: a small process that builds a jail once and forks each program into it.

It is started by exec with an environment of our own making, so nothing of the host's memory is in it,
imports what programs commonly use, shuts itself in, and then only forks: a run costs a fork, not the start
of an interpreter. It runs no untrusted code and reads nothing from untrusted processes; a program's words go
straight to the host.

Started as ``main(control, level, packages, preloaded)`` by :mod:`sandboxes.process`. Messages on the control socket
are one JSON object ``{"role", "limits", "places"}`` each, with descriptors: the report socket, then what becomes the
numbers in ``places``: 3 (the wire), 1 (output, also 2), 0 (standard input, else empty) and 4 (the peer, if there is
one). On the report socket it answers ``{"started"}`` and, at the end, ``{"status", "cpu_s", "peak_mb"}``, or
``{"fault"}``. A report socket that the host closes kills the program. A message ``{"kit"}`` without descriptors
announces the source of a kit, which is trusted, so that sessions find it loaded.

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
import select
import signal
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from sandboxes import guest, kernel
from sandboxes.roots import DEVICES, links, readable

_PRELOADED = [
    "abc", "ast", "bisect", "builtins", "cmath", "collections", "collections.abc", "contextlib", "copy", "dataclasses",
    "datetime", "decimal", "enum", "fractions", "functools", "heapq", "inspect", "io", "itertools", "json", "keyword",
    "linecache", "math", "numbers", "operator", "os", "pathlib", "random", "re", "statistics", "string", "struct",
    "sys", "textwrap", "threading", "time", "traceback", "types", "typing", "warnings",
]  # fmt: skip
"""What programs often import. A module more costs each fork its pages and mappings: 0.1 ms for ``hashlib``."""

_JAIL_UID = 64_937
"""Whom root becomes: a number that no package or user is given, and below 65536 for containers."""
_INSIDE = 1000
"""What user and group are called in a jail."""
_BOX = "/box/home"
"""Each program's folder; the one above it has the Landlock rule, for one on a mount point would not hold below."""
_THREADS = 64
"""Threads of a program that may start no process."""
_SHARED_USER_TASKS = 4096
"""At L1 the kernel counts all of the user's processes and threads together: only a flood can be stopped."""
_INODES = 4096
_DESCRIPTORS = 64


class Jail:
    """What the fork server prepared once; :meth:`close_in` is the part that each program's process does."""

    def __init__(self, level: str, packages: str) -> None:
        """Enter the namespaces of a level; raises :class:`OSError` when the kernel refuses a part of it.

        ``packages`` is a folder that programs may read besides, empty for none.
        """
        self.level = level
        self._proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._abi = kernel.landlock_abi()
        roots, hidden = readable(packages)
        self._landlock: kernel.Landlock | None = None
        _volunteer_for_oom()
        if level == "L2":
            self._need_landlock(1)
            _new_namespaces(self._proc, roots, hidden)
        elif level == "L1":
            self._need_landlock(3)
            _leave_root(roots, hidden)
            self._landlock = _reading_only(self._abi, roots, hidden)
        if level != "L0":
            kernel.no_new_privileges()
            inside = level == "L2"
            self._filters = {
                processes: kernel.Filter(
                    kernel.system_call_filter(
                        processes=processes, changes=inside, signals=inside or self._abi >= 6
                    )
                )
                for processes in (False, True)
            }
        self._pid, self._pidfd, self._size = 0, -1, 0
        self._undertaker: socket.socket | None = None

    def _need_landlock(self, least: int) -> None:
        if self._abi < least:
            raise OSError(f"Landlock version {least} is needed, the kernel has {self._abi or 'none'}")

    def settle(self, undertaker: socket.socket | None) -> None:
        """Do what is the same for all programs, in the process that will fork them.

        Args:
            undertaker: The socket to :func:`_bury`, at L2.

        Raises:
            ValueError: It has several threads, of which a fork would take along one.

        """
        self._pid, self._undertaker = os.getpid(), undertaker
        with _open_at(self._proc, "self/stat") as file:
            threads = int(file.read().rpartition(")")[2].split()[17])
        if threads > 1:
            raise ValueError(f"a module that starts threads ({threads - 1}) cannot be preloaded")
        with _open_at(self._proc, "self/statm") as file:
            self._size = int(file.read().split()[0]) * resource.getpagesize()
        if self.level == "L2":
            self._pidfd = os.pidfd_open(self._pid)
            self._landlock = kernel.Landlock(self._abi)
            self._landlock.allow_reading("/")
            self._landlock.allow_writing(str(Path(_BOX).parent))
            for name in DEVICES:
                self._landlock.allow_device(f"/dev/{name}")
        for name, value in _LIMITS_OF_ALL:
            number = getattr(resource, f"RLIMIT_{name}", None) or _UNNAMED[name]
            resource.setrlimit(number, _at_most(number, value))

    def fork(self) -> int:
        """Fork a process, at L2 the first of a pid namespace of its own: with it end all its children."""
        if self.level != "L2":
            return kernel.fork()
        kernel.unshare(kernel.NEWPID)
        try:
            pid = kernel.fork()
        except OSError:
            kernel.enter(self._pidfd, kernel.NEWPID)
            raise
        if pid:
            kernel.enter(self._pidfd, kernel.NEWPID)
        return pid

    def plan(self, limits: dict[str, Any]) -> Plan:
        """Work out what :meth:`close_in` does for programs under such limits, the fields of ``sandboxes.Limits``."""
        return Plan(
            f"size={max(1, limits['file_mb'])}m,nr_inodes={_INODES},mode=700",
            [
                (resource.RLIMIT_AS, _at_most(resource.RLIMIT_AS, self._size + (limits["memory_mb"] << 20))),
                (resource.RLIMIT_CPU, _at_most(resource.RLIMIT_CPU, max(1, math.ceil(limits["cpu_s"])))),
                (resource.RLIMIT_FSIZE, _at_most(resource.RLIMIT_FSIZE, max(1, limits["file_mb"]) << 20)),
                (resource.RLIMIT_NOFILE, (_DESCRIPTORS, _DESCRIPTORS)),
                (resource.RLIMIT_NPROC, _at_most(resource.RLIMIT_NPROC, _tasks(limits, self.level))),
            ],
            self._filters[limits["processes"] > 0] if self.level != "L0" else None,
        )

    def close_in(self, plan: Plan) -> None:
        """Put this process into the jail for good."""
        inside = self.level == "L2"
        if inside:
            kernel.unshare(kernel.NEWUSER | kernel.NEWNS)
            kernel.map_user(self._proc, _INSIDE, _INSIDE, _INSIDE)
            kernel.mount_tmpfs(_BOX, plan.box)
            os.chdir(_BOX)
            self._name_heir()
        else:  # at L2 it is in the fork server's pid namespace, and dies with it
            kernel.die_with_parent()
            if os.getppid() != self._pid:  # it had died before
                os._exit(1)
        if self._landlock:
            self._landlock.enforce()
        for number, value in plan.limits:
            resource.setrlimit(number, value)
        if inside:
            kernel.set_capabilities(())
        if plan.filter:
            plan.filter.install()

    def _name_heir(self) -> None:
        """Have this process's mounts outlive it, in the hands of the undertaker."""
        assert self._undertaker
        mounts = os.open("self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._proc)
        socket.send_fds(self._undertaker, [b"."], [os.pidfd_open(os.getpid()), mounts])


class Plan(NamedTuple):
    """How a program is closed in."""

    box: str
    """Options of its folder's mount."""
    limits: list[tuple[int, tuple[int, int]]]
    """Resources and their limits."""
    filter: kernel.Filter | None


def _open_at(folder: int, path: str) -> Any:
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder))


def _volunteer_for_oom() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("800")


# -- what of the machine a program can see ----------------------------------------------------------


def _build_root(roots: list[str], hidden: list[str]) -> None:
    """Make a root with nothing but ``roots`` (read-only), five devices and an empty box, and move into it."""
    paths = [*roots, *(f"/dev/{name}" for name in DEVICES)]
    trees = {path: kernel.take_tree(path) for path in paths}
    folders = {path for path in paths if Path(path).is_dir()}
    found = links()
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
    Path(new + _BOX).mkdir(parents=True)
    kernel.change_root(new)
    for link, target in found.items():
        with contextlib.suppress(OSError):  # it may be there already
            Path(link).parent.mkdir(parents=True, exist_ok=True)
            Path(link).symlink_to(target)
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


def _leave_root(roots: list[str], hidden: list[str]) -> None:
    if os.geteuid() != 0:
        return
    keep = None
    if not all(map(_readable_by_all, roots)):
        try:
            kernel.unshare(kernel.NEWNS)
        except OSError:
            # Root of a container. Landlock still holds such a process to the roots.
            keep = kernel.CAP_DAC_READ_SEARCH
        else:
            kernel.make_mounts_private()
            _build_root(roots, hidden)
    kernel.become(_JAIL_UID, keep=keep)


def _readable_by_all(path: str) -> bool:
    top = Path(path)
    return all(each.stat().st_mode & (0o001 if each.is_dir() else 0o004) for each in (top, *top.parents))


def _reading_only(abi: int, roots: list[str], hidden: list[str]) -> kernel.Landlock:
    rules = kernel.Landlock(abi)
    for root in roots:
        for path in _without(root, hidden):
            rules.allow_reading(path)
    for name in DEVICES:
        rules.allow_device(f"/dev/{name}")
    return rules


def _without(path: str, hidden: list[str]) -> list[str]:
    """Return paths that together are ``path`` without the hidden folders; Landlock can only add."""
    if path in hidden:
        return []
    if not any(other.startswith(path + "/") for other in hidden):
        return [path]
    return [part for inner in Path(path).iterdir() for part in _without(str(inner), hidden)]


def _bury(wishes: socket.socket) -> None:
    """Take each program's mounts down when it has ended; returns when there will be no more programs.

    The last to leave a mount namespace waits for the kernel to take it down, 0.5 to 1 ms. That is not to be a program
    whose end the host waits for.
    """
    os.nice(10)
    epoll = select.epoll()
    epoll.register(wishes, select.EPOLLIN)
    mounts: dict[int, int] = {}
    """Mount namespace by pidfd."""
    while True:
        for fd, _ in epoll.poll():
            if fd in mounts:
                epoll.unregister(fd)
                os.close(fd)
                os.close(mounts.pop(fd))
                continue
            data, fds, _, _ = socket.recv_fds(wishes, 1, 2)
            if not data:
                return
            pidfd, mounts[fds[0]] = fds
            epoll.register(pidfd, select.EPOLLIN)


# -- limits -----------------------------------------------------------------------------------------


def _tasks(limits: dict[str, Any], level: str) -> int:
    if level != "L2":
        return _SHARED_USER_TASKS
    return 1 + (limits["processes"] or _THREADS)


_UNNAMED = {"SIGPENDING": 11, "MSGQUEUE": 12}
_LIMITS_OF_ALL = (
    ("STACK", 64 << 20),
    ("CORE", 0),
    ("MEMLOCK", 0),
    ("MSGQUEUE", 0),
    ("SIGPENDING", 256),
)


def _at_most(number: int, value: int) -> tuple[int, int]:
    """Return a value for both limits of a resource, no higher than is allowed already."""
    hard = resource.getrlimit(number)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    return value, value


# -- the server -------------------------------------------------------------------------------------

# Every page that a process writes after a fork is copied, and the copies are most of what a run costs: the code
# from here to the program is short on purpose, and touches few objects.


_ORDERS = 256
"""How many different requests are remembered."""


class _Order(NamedTuple):
    """A request, worked out."""

    role: str
    places: list[int]
    plan: Plan


class Server:
    """Forks on request until the host has gone."""

    def __init__(self, control: socket.socket, jail: Jail) -> None:
        self._control = control
        self._jail = jail
        self._epoll = select.epoll()
        self._epoll.register(control, select.EPOLLIN)
        self._orders: dict[bytes, _Order] = {}
        self._running: dict[int, tuple[int, int]] = {}
        """Process and report socket by pidfd."""
        self._killable: dict[int, int] = {}
        """Pidfd by report socket."""

    def serve(self) -> None:
        """Answer requests; returns when the control socket is closed."""
        control = self._control.fileno()
        while True:
            asked = False
            for fd, _ in self._epoll.poll():
                if fd in self._running:
                    self._end(fd)
                elif fd in self._killable:
                    self._kill(fd)
                else:
                    asked = asked or fd == control
            # Comes last: a new descriptor may have the number of one that the other events are about.
            if asked and not self._answer():
                return

    def _answer(self) -> bool:
        data, ancillary, _, _ = self._control.recvmsg(1 << 16, 64)
        if ancillary:
            _, _, packed = ancillary[0]
            self._start(data, struct.unpack(f"{len(packed) // 4}i", packed))
        elif data:
            guest.prepare_kit(json.loads(data)["kit"])
            gc.freeze()
        return bool(data)

    def _start(self, request: bytes, fds: tuple[int, ...]) -> None:
        report = fds[0]
        order = self._orders.get(request) or self._prepare(request)
        started = time.monotonic()
        try:
            pid = self._jail.fork()
        except OSError as error:
            _fault(report, f"fork: {error}")
            os.close(report)
        else:
            if pid == 0:
                self._become_program(order, fds)
            pidfd = os.pidfd_open(pid)
            self._running[pidfd] = pid, report
            self._killable[report] = pidfd
            self._epoll.register(report, select.EPOLLIN)
            self._epoll.register(pidfd, select.EPOLLIN)
            _tell(report, b'{"started": %r}' % started)
        for fd in fds[1:]:
            os.close(fd)

    def _prepare(self, request: bytes) -> _Order:
        """Work out a request; the same is asked again and again."""
        order = json.loads(request)
        if len(self._orders) > _ORDERS:
            self._orders.clear()
        self._orders[request] = prepared = _Order(
            order["role"], order["places"], self._jail.plan(order["limits"])
        )
        return prepared

    def _become_program(self, order: _Order, fds: tuple[int, ...]) -> None:
        try:
            try:
                for fd, place in zip(fds[1:], order.places, strict=True):
                    os.dup2(fd, place, place < 3)
                os.dup2(1, 2)
                self._jail.close_in(order.plan)
            except (OSError, ValueError) as error:
                _fault(fds[0], f"closing the jail: {error}")
                os._exit(1)
            kernel.close_from(5 if 4 in order.places else 4)
            gc.enable()
            guest.play(order.role)
        finally:
            os._exit(1)

    def _kill(self, report: int) -> None:
        self._epoll.unregister(report)
        signal.pidfd_send_signal(self._killable.pop(report), signal.SIGKILL)

    def _end(self, pidfd: int) -> None:
        pid, report = self._running.pop(pidfd)
        self._epoll.unregister(pidfd)
        if self._killable.pop(report, None):
            self._epoll.unregister(report)
        _, status, usage = os.wait4(pid, 0)
        cpu_s = usage.ru_utime + usage.ru_stime
        code = os.waitstatus_to_exitcode(status)
        _tell(
            report,
            b'{"status": %d, "cpu_s": %r, "peak_mb": %r}' % (code, cpu_s, usage.ru_maxrss / 1024),
        )
        os.close(report)
        os.close(pidfd)


def _tell(report: int, message: bytes) -> None:
    with contextlib.suppress(OSError):  # the host no longer listens
        os.write(report, message)


def _fault(report: int, reason: str) -> None:
    _tell(report, json.dumps({"fault": reason}).encode())


def _preload(modules: list[str]) -> None:
    """Import modules of an environment for all programs; raises :class:`ValueError` when that cannot be done."""
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - whatever a package raises, its user is told
            raise ValueError(f"{name} cannot be preloaded: {type(error).__name__}: {error}") from None


def _box(level: str) -> str:
    """Return what programs call home: their own folder at L2, at L1 nothing that can be written to.

    At L0 it is one folder for all: there is no wall between them, but what they drop goes away with the server.
    """
    if level == "L0":
        import tempfile

        box = tempfile.mkdtemp(prefix="adas-")
        os.chdir(box)
        return box
    return _BOX if level == "L2" else "/"


def main(control: int, level: str, packages: str, preloaded: str) -> None:
    """Shut this process in at ``level``, say so on the control socket, and serve."""
    # The places of a program's descriptors are taken, so that none arrives there.
    channel = socket.socket(fileno=fcntl.fcntl(control, fcntl.F_DUPFD_CLOEXEC, 5))
    for place in (3, 4):
        os.dup2(0, place, inheritable=False)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.umask(0o022)
    for name in _PRELOADED:
        importlib.import_module(name)
    try:
        jail = Jail(level, packages)
        undertaker = None
        if level == "L2":
            wishes, undertaker = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            pid = os.fork()
            if pid:  # stays behind, as the parent of the first process of the pid namespace
                channel.close()
                undertaker.close()
                _bury(wishes)
                os.waitpid(pid, 0)
                os._exit(0)
            wishes.close()
            kernel.die_with_parent()
        box = _box(level)
        guest.prepare(box)
        if packages:
            guest.lend(packages)
        _preload(preloaded.split())
        jail.settle(undertaker)
    except (OSError, ValueError) as error:
        _fault(channel.fileno(), str(error))
        return
    for module in [name for name in sys.modules if name.partition(".")[0] == "sandboxes"]:
        del sys.modules[module]
    kernel.share_one_heap()
    guest.rehearse()
    gc.collect()
    gc.disable()
    gc.freeze()
    _tell(channel.fileno(), json.dumps({"level": level}).encode())
    Server(channel, jail).serve()
    if level == "L0":
        import shutil

        shutil.rmtree(box, ignore_errors=True)
    os._exit(0)
