"""An image for a container engine, made of this machine's Python: no registry is needed."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

NAME = "localhost/adas-test:1"


def _skip(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    parts = set(Path(member.name).parts)
    return None if parts & {"site-packages", "dist-packages", "test", "__pycache__", "idlelib"} else member


def build(engine: str) -> str:
    """Import the image into an engine and return its name."""
    python = Path(sys.executable).resolve()
    library = Path(os.__file__).parent
    modules = map(str, library.glob("lib-dynload/*.so"))
    told = subprocess.run(["ldd", python, *modules], capture_output=True, text=True, check=True).stdout
    libraries = set(re.findall(r"=> (/\S+)", told))
    with io.BytesIO() as file, tarfile.open(fileobj=file, mode="w") as tar:
        for folder in ("usr/lib", "usr/bin", "usr/lib64", "tmp", "proc", "dev", "sys", "etc"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        links = {"lib": "usr/lib", "lib64": "usr/lib64", "bin": "usr/bin", "usr/bin/python3": str(python)}
        for link, target in links.items():
            entry = tarfile.TarInfo(link)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
        tar.add(library, filter=_skip)
        for path in (python, *map(Path, sorted(libraries))):
            if library not in path.parents:
                real = path.parent.resolve() / path.name
                tar.add(path.resolve(), arcname=str(real))
        loader = Path("/lib64/ld-linux-x86-64.so.2")
        tar.add(loader.resolve(), arcname="usr/lib64/ld-linux-x86-64.so.2")
        tar.close()
        subprocess.run([engine, "import", "-", NAME], input=file.getvalue(), capture_output=True, check=True)
    return NAME
