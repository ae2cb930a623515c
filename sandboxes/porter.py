"""Runs one program in a container and carries its words over standard input and output.

A container passes on two streams and nothing else, while a guest (:mod:`sandboxes.guest`) wants sockets. The
porter stands between: the first process of the container, which forks the guest, limits it, and moves bytes.
It is not trusted by the host. The container is the wall, and a program that took its porter over could say
wrong things about itself only, because the tests of a candidate run in another container.

It is started with an order, ``{"role", "limits", "tasks", "stdin", "packages"}``. Then both streams are lines of
JSON. To the porter: ``{"to": "wire" | "peer", "data"}``, bytes for the guest's descriptors 3 and 4 in base64, null
when there will be no more, and ``{"kill": true}``. From it: ``{"started": true}``, ``{"from": "wire" | "peer",
"data"}`` and at last ``{"status", "cpu_s", "peak_mb", "printed", "size"}``. When standard input ends, everything ends.

Linux, standard library and the neighbouring guest files only.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import math
import os
import resource
import select
import signal
import socket
from pathlib import Path
from typing import Any, NoReturn

from sandboxes import guest, kernel

_BOX = "/box"
_ENOUGH = 32 << 20
"""Bytes that wait for a guest which does not read, before no more are taken from the host."""
_FULL = 1 << 20
"""Bytes that wait for the host, before no more are taken from the guest."""
_INTERPRETER = 40 << 20
"""Bytes of address space that an interpreter has, where there is no ``/proc`` to tell."""
_DESCRIPTORS = 64
_PR_SET_DUMPABLE = 4


def _limit(limits: dict[str, Any], tasks: int | None) -> None:
    mib = 1 << 20
    try:
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        size = _INTERPRETER
    for number, value in (
        (resource.RLIMIT_AS, size + limits["memory_mb"] * mib),
        (resource.RLIMIT_CPU, max(1, math.ceil(limits["cpu_s"]))),
        (resource.RLIMIT_FSIZE, max(1, limits["file_mb"]) * mib),
        (resource.RLIMIT_NOFILE, _DESCRIPTORS),
        (resource.RLIMIT_STACK, 64 * mib),
        (resource.RLIMIT_CORE, 0),
        *([(resource.RLIMIT_NPROC, tasks)] if tasks else []),
    ):
        hard = resource.getrlimit(number)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (allowed, allowed))


def _become_guest(order: dict[str, Any], fds: tuple[int, int, int, int]) -> NoReturn:
    """Turn this process into the guest, with ``fds`` as its descriptors 3, 0, 1 (and 2), 4."""
    try:
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100) for fd in fds]
        for fd, places in zip(high, ((3,), (0,), (1, 2), (4,)), strict=True):
            for place in places:
                os.dup2(fd, place, inheritable=place < 3)
        kernel.close_from(5)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.chdir(_BOX)
        _limit(order["limits"], order["tasks"])
        kernel.no_new_privileges()
        processes = order["limits"]["processes"] > 0
        # Refused by a kernel of unknown kind only; the container, not the filter, is the wall.
        with contextlib.suppress(OSError):
            kernel.install_filter(
                kernel.system_call_filter(processes=processes, changes=True, signals=processes)
            )
        guest.prepare(_BOX)
        if order["packages"]:
            guest.lend(order["packages"])
        guest.play(order["role"])
    finally:
        os._exit(1)


class _Porter:
    """One guest, and what is on its way to and from it."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._keep = order["limits"]["output_kb"] << 10
        self._sockets: dict[str, socket.socket] = {}
        ends = {}
        for name in ("wire", "peer"):
            self._sockets[name], ends[name] = socket.socketpair()
            self._sockets[name].setblocking(False)
        self._unsent = {name: bytearray() for name in self._sockets}
        self._closing: set[str] = set()
        self._incoming = b""
        self._outgoing = bytearray()
        self._output = os.memfd_create("output")
        given = os.memfd_create("input")
        os.write(given, base64.b64decode(order["stdin"]))
        os.lseek(given, 0, os.SEEK_SET)
        self._ended, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._pid = os.fork()
        if self._pid == 0:
            _become_guest(order, (ends["wire"].fileno(), given, self._output, ends["peer"].fileno()))
        for end in ends.values():
            end.close()
        os.close(given)
        os.set_blocking(1, False)
        self._say({"started": True})

    def _say(self, message: dict[str, Any]) -> None:
        self._outgoing += json.dumps(message).encode() + b"\n"

    def serve(self) -> None:
        """Carry until the guest has ended and everything is told."""
        last = False
        while not last or self._outgoing:
            poll = select.poll()
            if sum(map(len, self._unsent.values())) < _ENOUGH:
                poll.register(0, select.POLLIN)
            if self._outgoing:
                poll.register(1, select.POLLOUT)
            if not last:
                poll.register(self._ended, select.POLLIN)
            for name, channel in self._sockets.items():
                reading = select.POLLIN if len(self._outgoing) < _FULL and not last else 0
                poll.register(channel, reading | (select.POLLOUT if self._unsent[name] else 0))
            ready = {fd for fd, _ in poll.poll()}
            if 0 in ready:
                self._listen()
            for name in list(self._sockets):
                if self._sockets[name].fileno() in ready:
                    self._send(name)
                    self._fetch(name)
            if self._ended in ready and not last:
                last = self._bury()
            with contextlib.suppress(BlockingIOError):
                del self._outgoing[: os.write(1, self._outgoing)]

    def _listen(self) -> None:
        data = os.read(0, 1 << 16)
        if not data:
            os._exit(1)  # the host has gone
        *lines, self._incoming = (self._incoming + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "kill" in message:
                os.kill(self._pid, signal.SIGKILL)
            elif message["data"] is None:
                self._closing.add(message["to"])
                self._send(message["to"])
            else:
                self._unsent[message["to"]] += base64.b64decode(message["data"])
                self._send(message["to"])

    def _send(self, name: str) -> None:
        channel, unsent = self._sockets.get(name), self._unsent[name]
        if channel is None:
            unsent.clear()
            return
        try:
            while unsent:
                del unsent[: channel.send(unsent)]
            if name in self._closing:
                channel.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return
        except OSError:  # the guest no longer listens
            unsent.clear()

    def _fetch(self, name: str) -> bool:
        """Take what the guest has sent; returns whether there was anything."""
        try:
            data = self._sockets[name].recv(1 << 16)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        self._say({"from": name, "data": base64.b64encode(data).decode() if data else None})
        if not data:
            self._sockets.pop(name).close()
        return bool(data)

    def _bury(self) -> bool:
        """Report the guest's end, if it is the guest that ended, after its last words."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._ended, 64)
        while True:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == self._pid:
                break
            if pid == 0:
                return False
        for name in list(self._sockets):
            while name in self._sockets and self._fetch(name):
                pass
        self._say(
            {
                "status": os.waitstatus_to_exitcode(status),
                "cpu_s": usage.ru_utime + usage.ru_stime,
                "peak_mb": usage.ru_maxrss / 1024,
                "printed": base64.b64encode(os.pread(self._output, self._keep, 0)).decode(),
                "size": os.fstat(self._output).st_size,
            }
        )
        return True


def main(order: dict[str, Any]) -> NoReturn:
    """Carry out an order."""
    with contextlib.suppress(OSError):
        kernel.prctl(_PR_SET_DUMPABLE, 0, "PR_SET_DUMPABLE")  # closes its memory to the guest
    kernel.share_one_heap()
    _Porter(order).serve()
    os._exit(0)
