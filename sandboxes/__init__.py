"""Sandboxes: run programs that nobody has read."""

from sandboxes.process import ProcessSandbox
from sandboxes.sandbox import (
    Broker,
    Json,
    Limits,
    Outcome,
    Sandbox,
    SandboxFaultError,
    SandboxUnavailableError,
)

__all__ = [
    "Broker",
    "Json",
    "Limits",
    "Outcome",
    "ProcessSandbox",
    "Sandbox",
    "SandboxFaultError",
    "SandboxUnavailableError",
]
