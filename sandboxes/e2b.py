"""Programs in E2B, where each has a virtual machine of its own, somewhere else."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import shlex
import threading
from typing import TYPE_CHECKING, Any

from sandboxes.container import ENVIRONMENT, PYTHON, ContainerSandbox
from sandboxes.sandbox import SandboxFaultError, SandboxUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandboxes.container import Container
    from sandboxes.sandbox import Limits

_MARGIN_S = 60
"""Seconds that a machine lives beyond what its program may take, should nobody be there to end it."""
_LONGEST_S = 3600
"""Seconds that the free plan lets a machine live."""
_PIECE = 1 << 20
"""Bytes of standard input in one request."""
_MAKE_BOX = "sudo mkdir -p /box && sudo chmod 1777 /box && "


class E2BSandbox(ContainerSandbox):
    """Runs each program in a virtual machine of E2B, without internet; the judge's tests have one too.

    The key is read from ``E2B_API_KEY`` by E2B's own package and never sent into a machine.

    Args:
        template: The machine's template, with Python 3.11 or newer as ``python3``; E2B's own by default.
        slots: How many programs are executed at the same time; the plan has a limit too.

    Raises:
        SandboxUnavailableError: The package or the key is missing, or E2B refuses.

    """

    level = "e2b"

    def __init__(self, template: str | None = None, *, slots: int = 8) -> None:
        if importlib.util.find_spec("e2b") is None:
            raise SandboxUnavailableError(
                "the package e2b is not installed: pip install 'meta-agent-search[e2b]'"
            )
        if not os.environ.get("E2B_API_KEY"):
            raise SandboxUnavailableError("no key for E2B: set E2B_API_KEY, see https://e2b.dev/dashboard")
        self._template = template
        super().__init__(slots=slots)

    def _start(self, role: str, limits: Limits, size: int) -> Container:
        return _Machine(self._template, limits, size)


class _Machine:
    """A virtual machine with the guest's interpreter in it."""

    def __init__(self, template: str | None, limits: Limits, size: int) -> None:
        from e2b import Sandbox
        from e2b.exceptions import AuthenticationException, SandboxException, ServiceBusyException
        from httpx import HTTPError

        life = min(_LONGEST_S, math.ceil(max(limits.cap_s, limits.wall_s)) + _MARGIN_S)
        command = shlex.join(["exec", "python3", *PYTHON, str(size)])
        self._said = ""
        self._failures: tuple[type[Exception], ...] = (
            SandboxException, AuthenticationException, ServiceBusyException, HTTPError,
        )  # fmt: skip
        self._lock = threading.Lock()
        try:
            self._machine = Sandbox.create(template, timeout=life, allow_internet_access=False)
        except self._failures as error:
            raise SandboxFaultError(f"E2B gives no machine: {error}") from None
        try:
            self._handle: Any = self._machine.commands.run(
                _MAKE_BOX + command, background=True, stdin=True, timeout=0, envs=ENVIRONMENT,
                retain_output=False,
            )  # fmt: skip
        except self._failures as error:
            self.kill()
            raise SandboxFaultError(f"E2B starts no program: {error}") from None
        self._words = self._listen()

    def _listen(self) -> Iterator[bytes]:
        with contextlib.suppress(*self._failures):  # the machine was killed
            for printed, error, _ in self._handle:
                self._said = error or self._said
                if printed:
                    yield printed.encode()

    def write(self, data: bytes, deadline: float) -> None:
        """Write to its standard input; raises :class:`OSError` when it has gone."""
        try:
            with self._lock:
                for start in range(0, len(data), _PIECE):
                    self._handle.send_stdin(data[start : start + _PIECE])
        except self._failures as error:
            raise ConnectionError(str(error)) from None

    def read(self) -> bytes:
        """Return more of its standard output, nothing when it has ended; blocks."""
        return next(self._words, b"")

    def complaint(self) -> str:
        """Return the last line on standard error."""
        return (self._said.strip().splitlines() or [""])[-1]

    def kill(self, grace_s: float = 0.0) -> None:
        """End the machine."""
        with contextlib.suppress(*self._failures):
            self._machine.kill()

    def close(self) -> None:
        """Nothing is left of a machine that was ended."""
