"""Sandboxes: run programs that nobody has read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandboxes.process import ProcessSandbox
from sandboxes.sandbox import (
    Broker,
    Call,
    Cancel,
    Exchange,
    Json,
    Limits,
    Mode,
    Outcome,
    Sandbox,
    SandboxFaultError,
    SandboxUnavailableError,
    SessionCancelledError,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "BACKENDS",
    "Broker",
    "Call",
    "Cancel",
    "Exchange",
    "Json",
    "Limits",
    "Mode",
    "Outcome",
    "ProcessSandbox",
    "Sandbox",
    "SandboxFaultError",
    "SandboxUnavailableError",
    "SessionCancelledError",
    "open_sandbox",
]

BACKENDS = ("process", "bwrap", "gvisor", "docker", "podman", "e2b")
"""What :func:`open_sandbox` knows."""


def open_sandbox(name: str = "process", environment: Path | None = None) -> Sandbox:
    """Return a sandbox by the name of its backend.

    Args:
        name: One of :data:`BACKENDS`; some take a detail after a colon: ``process:L1`` for a level of
            isolation, ``docker:IMAGE`` and ``podman:IMAGE`` for an image, ``e2b:TEMPLATE``.
        environment: A virtual environment whose packages programs may import; for process, bwrap and gvisor,
            elsewhere the image has them.

    Raises:
        SandboxUnavailableError: The backend is not known, or cannot be had here; says how to get it.

    """
    backend, _, detail = name.partition(":")
    if backend == "process" and detail in ("", "L1", "L2"):
        return ProcessSandbox(level=detail or None, environment=environment)  # type: ignore[arg-type]
    if environment and backend in ("docker", "podman", "e2b"):
        raise SandboxUnavailableError(f"{backend} takes packages from its image: name one, as {backend}:NAME")
    if backend in ("docker", "podman"):
        from sandboxes.docker import DockerSandbox

        return DockerSandbox(backend, detail or None)
    if backend == "e2b":
        from sandboxes.e2b import E2BSandbox

        return E2BSandbox(detail or None)
    if name == "bwrap":
        from sandboxes.bwrap import BwrapSandbox

        return BwrapSandbox(environment=environment)
    if name == "gvisor":
        from sandboxes.gvisor import GvisorSandbox

        return GvisorSandbox(environment=environment)
    raise SandboxUnavailableError(
        f"no sandbox {name!r}: expected one of {', '.join(BACKENDS)}, process:L1, docker:IMAGE or e2b:TEMPLATE"
    )
