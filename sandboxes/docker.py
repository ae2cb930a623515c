"""Programs in containers of Docker or Podman, by their command line."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sandboxes.container import ENVIRONMENT, PYTHON, THREADS, Child, ContainerSandbox
from sandboxes.sandbox import SandboxUnavailableError

if TYPE_CHECKING:
    from sandboxes.container import Container
    from sandboxes.sandbox import Limits

_INTERPRETER_MB = 64
"""MiB that the guest's interpreter and its porter need beside the program."""
_OUTPUT_FACTOR = 2
_OTHER_TASKS = 8
"""Processes and threads of a container that are not the program's."""
_GET = {
    "docker": "https://docs.docker.com/engine/install",
    "podman": "apt install podman, or https://podman.io/docs/installation",
}


class DockerSandbox(ContainerSandbox):
    """Runs each program in a container of its own.

    No network, no capability, no new privilege, a read-only root, nothing of the host mounted; the number of
    processes and the memory are bounded by the engine's cgroup.

    Args:
        engine: ``docker`` or ``podman``.
        image: An image with Python 3.11 or newer as ``python3`` and no folder ``/box``; by default the official
            slim one of this interpreter's version. It must be there already.
        slots: How many programs are executed at the same time, twice the number of processors by default.

    Raises:
        SandboxUnavailableError: The engine is not installed or does not run, or the image is not there.

    """

    def __init__(self, engine: str = "docker", image: str | None = None, *, slots: int | None = None) -> None:
        found = shutil.which(engine)
        if found is None:
            raise SandboxUnavailableError(f"{engine} is not installed: {_GET.get(engine, 'install it')}")
        self._engine = engine
        self._command = found
        self._podman = Path(engine).name.startswith("podman")
        self._image = image or f"docker.io/library/python:{sys.version_info[0]}.{sys.version_info[1]}-slim"
        # The engine's client finds its daemon and its storage by these; nothing of it reaches a container.
        names = (
            "PATH",
            "HOME",
            "XDG_RUNTIME_DIR",
            "DOCKER_HOST",
            "DOCKER_CONFIG",
            "DOCKER_CONTEXT",
            "CONTAINER_HOST",
        )
        self._environment = {name: os.environ[name] for name in names if name in os.environ}
        self._look_for_image()
        super().__init__(slots=slots)

    @property
    def level(self) -> str:
        """The engine's name."""
        return self._engine

    def _look_for_image(self) -> None:
        look = [self._command, "image", "inspect", "--format", "{{.Id}}", self._image]
        try:
            done = subprocess.run(
                look, env=self._environment, capture_output=True, text=True, check=False, timeout=60
            )
        except subprocess.TimeoutExpired:
            raise SandboxUnavailableError(f"{self._engine} does not answer: is its daemon running?") from None
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
            raise SandboxUnavailableError(
                f"{self._engine}: {said}; when it runs, `{self._engine} pull {self._image}` gets the image"
            )

    def _tasks(self, limits: Limits) -> int | None:
        return None  # all containers share a user: the engine counts each one's by itself

    def _start(self, role: str, limits: Limits, size: int) -> Container:
        name = f"adas-{secrets.token_hex(8)}"
        command = [self._command, "run", *self.options(limits), "--name", name, "--entrypoint", "python3"]
        return Child(
            [*command, self._image, *PYTHON, str(size)],
            self._environment,
            remove=[self._command, "rm", "--force", name],
        )

    def options(self, limits: Limits) -> list[str]:
        """Return the options of ``run`` that make the walls."""
        box = f"rw,noexec,nosuid,nodev,size={max(1, limits.file_mb)}m,mode=1777"
        read_only = ["--read-only"]
        if self._podman:  # it would open /tmp, /run and /var/tmp
            read_only += ["--read-only-tmpfs=false"]
        memory = limits.memory_mb + _INTERPRETER_MB + limits.file_mb * _OUTPUT_FACTOR  # files are in memory
        return [
            "--rm", "--interactive", "--init", "--pull", "never", "--log-driver", "none",
            "--network", "none", "--ipc", "none", "--hostname", "sandbox",
            "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "65534:65534",
            *read_only,
            "--tmpfs", f"/box:{box}", "--workdir", "/box",
            "--memory", f"{memory}m", "--memory-swap", f"{memory}m",
            "--pids-limit", str((limits.processes or THREADS) + _OTHER_TASKS),
            "--ulimit", "nofile=256:256", "--ulimit", "nproc=4096:4096", "--ulimit", "core=0:0",
            *[part for name, value in ENVIRONMENT.items() for part in ("--env", f"{name}={value}")],
        ]  # fmt: skip
