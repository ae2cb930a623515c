"""What the sources of model files in these tests serve."""

from __future__ import annotations

import random
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from meta_agent.llm.catalogue import PackageFile

CONTENT = random.Random(7).randbytes(3_000_001)
PIECE = 1_100_000


@dataclass
class Hub:
    """What the server does with the next requests, and what it was asked."""

    content: bytes = CONTENT
    break_after: list[int] = field(default_factory=list)
    """Bytes sent before each of the next connections is cut."""
    ignore_ranges: bool = False
    status: int = 200
    asked: list[str] = field(default_factory=list)
    """The Range header of every request."""


def build_wheel(folder: Path, package: PackageFile, piece: bytes) -> None:
    """Write a wheel that breaks the test when somebody imports or installs it."""
    stem = package.distribution.replace("-", "_")
    info = f"{stem}-{package.version}.dist-info"
    with zipfile.ZipFile(
        folder / f"{stem}-{package.version}-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED
    ) as wheel:
        wheel.writestr(f"{stem}/__init__.py", "raise SystemExit('a data package was imported')\n")
        wheel.writestr(package.member, piece)
        wheel.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {package.distribution}\nVersion: {package.version}\n",
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
