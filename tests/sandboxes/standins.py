"""Stand-ins for engines that are not on this machine: they check what they are asked, and run the guest in bubblewrap.

As a script it is the command ``docker``.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import re
import shlex
import struct
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sandboxes import Limits
from sandboxes.bwrap import BwrapSandbox
from sandboxes.container import ENVIRONMENT, PYTHON

IMAGE = "docker.io/library/python:3.11-slim"
WALLS = [
    "--rm", "--interactive", "--init", "--pull", "never", "--log-driver", "none",
    "--network", "none", "--ipc", "none", "--hostname", "sandbox",
    "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "65534:65534",
    "--read-only", "--tmpfs", "/box:rw,noexec,nosuid,nodev,size=16m,mode=1777", "--workdir", "/box",
    "--memory", "608m", "--memory-swap", "608m", "--pids-limit", "72",
    "--ulimit", "nofile=256:256", "--ulimit", "nproc=4096:4096", "--ulimit", "core=0:0",
    "--env", "PYTHONHASHSEED=0",
]  # fmt: skip
"""The options of a container under the default limits."""


def docker(arguments: list[str]) -> None:
    """Do what the command does for the few calls that the sandbox makes; anything else is an error."""
    if arguments[:2] == ["image", "inspect"]:
        sys.exit(0 if arguments[-1] == IMAGE else f"Error: No such image: {arguments[-1]}")
    if arguments[0] == "rm":
        sys.exit(0)  # the container was this process, which the client's end has ended
    walls, rest = arguments[1 : len(WALLS) + 1], arguments[len(WALLS) + 1 :]
    if [blurred(option) for option in walls] != [blurred(option) for option in WALLS]:
        sys.exit(f"other walls: {walls}")
    if rest[0] != "--name" or rest[2:5] != ["--entrypoint", "python3", IMAGE] or rest[5:-1] != list(PYTHON):
        sys.exit(f"a strange command: {rest}")
    given = dict(itertools.pairwise(walls))
    file_mb = int(given["--tmpfs"].partition("size=")[2].partition("m")[0])
    command = BwrapSandbox().command(Limits(file_mb=file_mb), rest[-1])
    os.execve(command[0], command, ENVIRONMENT)


def blurred(option: str) -> str:
    """Return an option without the numbers that follow from the limits of a program."""
    return re.sub("[0-9]+m?", "N", option)


class E2B(BaseHTTPRequestHandler):
    """E2B's API and the service in its machines; each machine is a bubblewrap."""

    protocol_version = "HTTP/1.1"
    server: Cloud

    def log_message(self, *_: object) -> None:
        pass

    def _json(self, status: int, body: object) -> None:
        data = json.dumps(body).encode() if status != 204 else b""
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_DELETE(self) -> None:
        machine = self.server.machines.get(self.path.rpartition("/")[2])
        if machine:
            machine.kill()
        self._json(204 if machine else 404, {"message": "no such sandbox"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("transfer-encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        self.server.requests.append((self.path, dict(self.headers), body))
        if self.path.startswith("/v2/sandboxes") or self.path == "/sandboxes":
            self._create(json.loads(body))
        elif self.path == "/process.Process/Start":
            self._run(json.loads(body[5:]))
        elif self.path == "/process.Process/SendInput":
            message = json.loads(body)
            with contextlib.suppress(OSError):
                process = self.server.processes[message["process"]["pid"]]
                process.stdin.write(base64.b64decode(message["input"]["stdin"]))
            self._json(200, {})
        else:
            self._json(404, {"code": "not_found", "message": self.path})

    def _create(self, wanted: dict) -> None:
        if self.headers.get("x-api-key") != self.server.key:
            self._json(401, {"code": 401, "message": "Invalid API key"})
            return
        name = f"machine{len(self.server.machines)}"
        self.server.machines[name] = Machine(wanted)
        self._json(
            201,
            {"templateID": wanted["templateID"], "sandboxID": name, "clientID": "c", "envdVersion": "0.5.7",
             "envdAccessToken": f"token-{name}", "domain": None},
        )  # fmt: skip

    def _machine(self) -> Machine:
        name = self.headers.get("e2b-sandbox-id") or self.headers["x-access-token"].removeprefix("token-")
        return self.server.machines[name]

    def _run(self, order: dict) -> None:
        process = order["process"]
        assert process["cmd"] == "/bin/bash"
        assert process["envs"] == ENVIRONMENT
        script = process["args"][-1].rpartition(" && ")[2]
        command = shlex.split(script)
        assert command[:-1] == ["exec", "python3", *PYTHON]
        child = self._machine().start(command[-1])
        self.server.processes[child.pid] = child
        self.send_response(200)
        self.send_header("content-type", "application/connect+json")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self._event({"start": {"pid": child.pid}})
        while data := os.read(child.stdout.fileno(), 1 << 16):
            self._event({"data": {"stdout": base64.b64encode(data).decode()}})
        code = child.wait()
        self._event({"end": {"exitCode": code, "exited": True, "status": f"exit status {code}"}})
        self._frame(2, {})
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, event: dict) -> None:
        self._frame(0, {"event": event})

    def _frame(self, flags: int, message: dict) -> None:
        body = json.dumps(message).encode()
        data = struct.pack(">BI", flags, len(body)) + body
        with contextlib.suppress(OSError):
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


class Machine:
    """A virtual machine that is none."""

    def __init__(self, wanted: dict) -> None:
        self.wanted = wanted
        self._process: subprocess.Popen | None = None

    def start(self, size: str) -> subprocess.Popen:
        command = Cloud.bwrap.command(Limits(), size)
        self._process = subprocess.Popen(
            command, env=ENVIRONMENT, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self._process

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None


class Cloud(ThreadingHTTPServer):
    """The stand-in for E2B, on loopback."""

    daemon_threads = True
    bwrap: BwrapSandbox

    def __init__(self, key: str) -> None:
        super().__init__(("127.0.0.1", 0), E2B)
        Cloud.bwrap = BwrapSandbox()
        self.key = key
        self.machines: dict[str, Machine] = {}
        self.processes: dict[int, subprocess.Popen] = {}
        self.requests: list[tuple[str, dict, bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


if __name__ == "__main__":
    docker(sys.argv[1:])
