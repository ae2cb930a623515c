"""Programs in bubblewrap, the jail of Flatpak, from the distribution."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from sandboxes.container import ENVIRONMENT, PYTHON, Child, ContainerSandbox
from sandboxes.environment import find, site_packages
from sandboxes.roots import DEVICES
from sandboxes.sandbox import SandboxUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

    from sandboxes.container import Container
    from sandboxes.sandbox import Limits


class BwrapSandbox(ContainerSandbox):
    """Runs each program in a bubblewrap of its own: namespaces, and a root with nothing but this Python.

    Args:
        slots: How many programs are executed at the same time, twice the number of processors by default.
        environment: A virtual environment whose packages programs may import, none by default.

    Raises:
        SandboxUnavailableError: bubblewrap is not installed, or does not work here.

    """

    level = "bwrap"

    def __init__(self, *, slots: int | None = None, environment: Path | None = None) -> None:
        found = shutil.which("bwrap")
        if found is None:
            raise SandboxUnavailableError(
                "bubblewrap is not installed: apt install bubblewrap, or dnf install bubblewrap"
            )
        self._bwrap = found
        packages = site_packages(environment) if environment else ""
        self._roots = find(packages)
        super().__init__(slots=slots, packages=packages)

    def _start(self, role: str, limits: Limits, size: int) -> Container:
        if limits.processes and os.geteuid() == 0:
            raise SandboxUnavailableError(
                "child processes in bubblewrap cannot be counted for root: use processes=0 or another user"
            )
        return Child(self.command(limits, str(size)), ENVIRONMENT)

    def command(self, limits: Limits, size: str) -> list[str]:
        """Return the command line of a program's container."""
        return [
            self._bwrap, "--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000",
            "--hostname", "sandbox", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
            *self._root(limits), "--", self._roots.python, *PYTHON, size,
        ]  # fmt: skip

    def _root(self, limits: Limits) -> list[str]:
        """Return the options that build the root: read-only but for a box in memory."""
        options = []
        for path in self._roots.readable:
            options += ["--ro-bind", path, path]
        for path in self._roots.hidden:
            options += ["--size", "4096", "--tmpfs", path, "--remount-ro", path]
        for link, target in self._roots.links.items():
            options += ["--symlink", target, link]
        for name in DEVICES:
            options += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
        options += ["--size", str(max(1, limits.file_mb) << 20), "--tmpfs", "/box", "--chdir", "/box"]
        return [*options, "--remount-ro", "/"]
