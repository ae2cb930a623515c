"""What a sandbox on this machine shows of it: this interpreter, and the packages of a named environment."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sandboxes import roots
from sandboxes.sandbox import SandboxUnavailableError


def site_packages(environment: Path) -> str:
    """Return the folder with the packages of a virtual environment.

    Raises:
        SandboxUnavailableError: The folder is none, or was made for another version of Python.

    """
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    packages = environment.resolve() / "lib" / version / "site-packages"
    if not packages.is_dir():
        raise SandboxUnavailableError(
            f"{environment} is no environment of this Python: make one with {version} -m venv {environment}"
        )
    return str(packages)


@dataclass(frozen=True)
class Roots:
    """What an interpreter needs of the machine."""

    python: str
    """The interpreter."""
    readable: list[str]
    """Folders and files it may read, none inside another."""
    hidden: list[str]
    """Folders in them that it may not."""
    links: dict[str, str]
    """Links, with their targets."""


def find(packages: str = "") -> Roots:
    """Return the roots of the interpreter that this process runs on, and of a folder of packages."""
    python = str(Path(sys.executable).resolve())
    command = [python, "-P", "-s", "-S", roots.__file__, packages]
    told = subprocess.run(command, env={}, cwd="/", capture_output=True, check=True).stdout
    return Roots(python, *json.loads(told))
