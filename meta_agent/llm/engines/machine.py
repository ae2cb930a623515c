"""What this machine has that decides how a model is served."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path


def cores() -> list[int]:
    """Return the processors this process may use, one of each physical core."""
    usable = sorted(os.sched_getaffinity(0))
    seen: dict[str, int] = {}
    for cpu in usable:
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        seen.setdefault(siblings.read_text() if siblings.exists() else str(cpu), cpu)
    return list(seen.values())


def available_memory() -> int:
    """Return the bytes of memory that may still be taken, of the machine or of the control group, whichever is less."""
    available = _meminfo("MemAvailable")
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
    except (OSError, ValueError):
        return available
    return min(available, limit - used)


@cache
def cpu_flags() -> frozenset[str]:
    """Return the instruction-set flags that Linux reports, such as ``avx512_vnni``; empty elsewhere."""
    for line in _cpuinfo():
        if line.startswith(("flags", "Features")):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


@cache
def has_gpu() -> bool:
    """Tell whether an NVIDIA GPU answers."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return False
    return subprocess.run([tool, "--list-gpus"], check=False, capture_output=True, timeout=20).returncode == 0


def describe() -> str:
    """Return the machine in one line: what a measurement on it is valid for."""
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    gpu = ", GPU" if has_gpu() else ""
    return f"{names[0] if names else platform.machine()}, {len(cores())} cores{gpu}"


def _cpuinfo() -> list[str]:
    info = Path("/proc/cpuinfo")
    return info.read_text().splitlines() if info.exists() else []


def _meminfo(field: str) -> int:
    info = Path("/proc/meminfo")
    if not info.exists():
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    for line in info.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)
