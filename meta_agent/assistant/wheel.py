"""Packs the code that is running into a wheel: a deployed agent brings the very code that it was measured with."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from importlib import import_module, metadata
from pathlib import Path

PACKAGES = ("meta_agent", "archive", "domains", "sandboxes")
_DISTRIBUTION = "meta-agent-search"
_EPOCH = (2020, 1, 1, 0, 0, 0)
"""So that the same code is the same wheel."""


def write_wheel(folder: Path) -> Path:
    """Write a wheel of this distribution, with the metadata of the installed one, and return its path."""
    installed = metadata.distribution(_DISTRIBUTION)
    stem = f"meta_agent_search-{installed.version}"
    info = f"{stem}.dist-info"
    contents = {
        f"{package}/{path.relative_to(root).as_posix()}": path.read_bytes()
        for package in PACKAGES
        for root in [Path(str(import_module(package).__file__)).parent]
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix in (".py", ".typed", ".html", ".js", ".css", ".json", ".toml")
    }
    contents[f"{info}/METADATA"] = (installed.read_text("METADATA") or "").encode()
    contents[f"{info}/entry_points.txt"] = (installed.read_text("entry_points.txt") or "").encode()
    contents[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: adas\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = [f"{name},sha256={_hash(data)},{len(data)}" for name, data in contents.items()]
    contents[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in contents.items():
            file.writestr(zipfile.ZipInfo(name, _EPOCH), data)
    return wheel


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
