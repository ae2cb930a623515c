"""Programs in gVisor, a kernel in user space, between them and the real one."""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandboxes.container import ENVIRONMENT, PYTHON, Child, ContainerSandbox
from sandboxes.environment import find, site_packages
from sandboxes.sandbox import SandboxUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandboxes.container import Container
    from sandboxes.sandbox import Limits

_NOBODY = 65534


class GvisorSandbox(ContainerSandbox):
    """Runs each program under a gVisor of its own, without an engine and without privilege.

    Args:
        slots: How many programs are executed at the same time, twice the number of processors by default.
        environment: A virtual environment whose packages programs may import, none by default.

    Raises:
        SandboxUnavailableError: ``runsc`` is not installed, or does not work here.

    """

    level = "gvisor"

    def __init__(self, *, slots: int | None = None, environment: Path | None = None) -> None:
        found = shutil.which("runsc")
        if found is None:
            raise SandboxUnavailableError(
                "runsc is not installed: apt install runsc, or https://gvisor.dev/docs/user_guide/install"
            )
        packages = site_packages(environment) if environment else ""
        self._roots = find(packages)
        self._folder = tempfile.TemporaryDirectory(prefix="adas-gvisor-")
        self._place = Path(self._folder.name)
        self._runsc = [found, "--root", str(self._place / "state"), "--rootless", "--network=none"]
        self._lay_out()
        try:
            super().__init__(slots=slots, packages=packages)
        except SandboxUnavailableError:
            self._folder.cleanup()
            raise

    def close(self) -> None:
        """End every program and remove what gVisor keeps on disk."""
        super().close()
        self._folder.cleanup()

    def _lay_out(self) -> None:
        """Make the root: nothing but links and the places of mounts."""
        root = self._place / "root"
        for path in self._roots.readable:
            place = root / path[1:]
            if Path(path).is_dir():
                place.mkdir(parents=True, exist_ok=True)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.touch()
        (root / "box").mkdir()
        for link, target in self._roots.links.items():
            (root / link[1:]).parent.mkdir(parents=True, exist_ok=True)
            (root / link[1:]).symlink_to(target)

    def _start(self, role: str, limits: Limits, size: int) -> Container:
        if limits.processes:
            raise SandboxUnavailableError("child processes under gVisor cannot be counted: use processes=0")
        name = f"adas-{secrets.token_hex(8)}"
        bundle = self._place / name
        bundle.mkdir()
        (bundle / "config.json").write_text(json.dumps(self._config(limits, size)))
        return _Bundle(
            bundle,
            [*self._runsc, "--ignore-cgroups", "run", "--bundle", str(bundle), name],
            {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
            remove=[*self._runsc, "delete", "--force", name],
        )

    def _config(self, limits: Limits, size: int) -> dict[str, Any]:
        """Return what the OCI runtime specification asks for."""
        closed = (*self._roots.hidden, "/tmp", "/dev/shm")  # noqa: S108 - kept from the program
        bounds = (f"size={max(1, limits.file_mb)}m", "mode=1777", "nosuid", "nodev")
        mounts = [
            _mount("/proc", "proc", "proc"),
            *(_mount(path, "bind", path, "ro", "rbind") for path in self._roots.readable),
            *(_mount(path, "tmpfs", "tmpfs", "ro", "size=4k") for path in closed),
            _mount("/box", "tmpfs", "tmpfs", *bounds),
        ]
        return {
            "ociVersion": "1.0.0",
            "process": {
                "user": {"uid": _NOBODY, "gid": _NOBODY},
                "args": [self._roots.python, *PYTHON, str(size)],
                "env": [f"{name}={value}" for name, value in ENVIRONMENT.items()],
                "cwd": "/box",
                "noNewPrivileges": True,
                "capabilities": {},
            },
            "root": {"path": str(self._place / "root"), "readonly": True},
            "hostname": "sandbox",
            "mounts": mounts,
            "linux": {"namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]},
        }


class _Bundle(Child):
    """A container and the folder that describes it."""

    def __init__(
        self, folder: Path, command: Sequence[str], environment: Mapping[str, str], *, remove: Sequence[str]
    ) -> None:
        self._folder = folder
        super().__init__(command, environment, remove=remove)

    def close(self) -> None:
        """Remove the folder too."""
        super().close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _mount(place: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    return {"destination": place, "type": kind, "source": source, "options": list(options)}
